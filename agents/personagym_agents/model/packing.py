"""Packed sequences: one prefix, then candidates that see the prefix and themselves but not each other.

Training and inference use this one form. Shapes: b sequences, s pieces, L tokens.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

PADDING = -1
"""Segment of tokens that are not there."""
PREFIX = 0
"""Block of the profile and the history; candidates are blocks 1, 2, ..."""


class Segments(NamedTuple):
    """Ragged token lists as one table, made once."""

    tokens: npt.NDArray[np.int64]
    """(p, w) token ids, padded on the right with 0."""
    lengths: npt.NDArray[np.int64]
    """(p,) tokens of each piece."""

    @classmethod
    def of(cls, encoded: Sequence[Sequence[int]]) -> "Segments":
        """Table of token lists."""
        lengths = np.array([len(ids) for ids in encoded], np.int64)
        tokens = np.zeros((len(encoded), int(lengths.max(initial=1))), np.int64)
        tokens[np.arange(tokens.shape[1]) < lengths[:, None]] = [token for ids in encoded for token in ids]
        return cls(tokens, lengths)


class Packed(NamedTuple):
    """A batch of packed sequences."""

    tokens: torch.Tensor
    """(b, L) token ids."""
    blocks: torch.Tensor
    """(b, L) `PREFIX`, the candidate's number from 1, or `PADDING`."""
    positions: torch.Tensor
    """(b, L) position in the sequence as the token sees it: candidates all restart at the prefix's end."""
    ends: torch.Tensor
    """(b, s) index of each piece's last token."""

    def to(self, device: torch.device) -> "Packed":
        """The same on another device."""
        return Packed(*(tensor.to(device) for tensor in self))

    def mask(self, dtype: torch.dtype) -> torch.Tensor:
        """(b, 1, L, L) additive attention mask: 0 where the row may look, the smallest number elsewhere."""
        length = self.tokens.shape[1]
        key, query = self.blocks[:, None, :], self.blocks[:, :, None]
        causal = torch.ones(length, length, dtype=torch.bool, device=self.tokens.device).tril()
        # Padding looks at itself, lest its row of the softmax be empty.
        itself = torch.eye(length, dtype=torch.bool, device=self.tokens.device)
        allowed = (causal & ((key == PREFIX) | (key == query)) & (key != PADDING)) | itself
        blocked = torch.finfo(dtype).min
        return torch.zeros(allowed.shape, dtype=dtype, device=self.tokens.device).masked_fill(~allowed, blocked)[
            :, None
        ]


def pack(segments: Segments, index: npt.NDArray[np.int64], block: npt.NDArray[np.int64]) -> Packed:
    """Write pieces one after the other into padded sequences.

    Args:
        segments: the table of token lists.
        index: (b, s) pieces of each sequence in order; -1 where there is none.
        block: (b, s) block of each piece, `PREFIX` before all candidates.
    """
    present = index >= 0
    lengths = np.where(present, segments.lengths[index], 0)
    ends = np.cumsum(lengths, axis=1)
    longest = int(ends[:, -1].max(initial=1))
    offset = np.arange(segments.tokens.shape[1])
    inside = offset < lengths[..., None]  # (b, s, w)
    place = (ends - lengths)[..., None] + offset
    row = np.broadcast_to(np.arange(len(index))[:, None, None], place.shape)
    tokens = np.zeros((len(index), longest), np.int64)
    blocks = np.full((len(index), longest), PADDING, np.int64)
    start = np.zeros((len(index), longest), np.int64)
    where = row[inside], place[inside]
    tokens[where] = segments.tokens[index][inside]
    blocks[where] = np.broadcast_to(block[..., None], place.shape)[inside]
    # A candidate's first token stands where the prefix ends, whatever candidates were written before it.
    first = block != np.pad(block, ((0, 0), (1, 0)), constant_values=PREFIX)[:, :-1]
    prefix = np.where(block == PREFIX, lengths, 0).sum(axis=1, keepdims=True)
    begin = np.maximum.accumulate(np.where(first & (block != PREFIX), ends - lengths, 0), axis=1)
    shift = np.where(block == PREFIX, 0, begin - prefix)
    start[where] = np.broadcast_to(shift[..., None], place.shape)[inside]
    # Padding stands at the first position, lest it stand where a model has none.
    positions = np.where(blocks == PADDING, 0, np.arange(longest)[None] - start)
    return Packed(*(torch.from_numpy(array) for array in (tokens, blocks, positions, np.maximum(ends - 1, 0))))
