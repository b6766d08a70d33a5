"""Where the tokens of a packed pass stand: runs one after the other, without padding.

Every row of a pass is a pending run, which belongs to its prefix, then k candidates. All linear layers see one
sequence of T tokens. Attention alone needs rectangles: the layout says which token stands at which of their places.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from personagym_agents.model.packing import Segments

Index = npt.NDArray[np.int64]
BIN = 32
"""Tokens that share a rectangle: as many as the fused kernel takes at a time on a processor."""


class Runs(NamedTuple):
    """The tokens of a pass: b rows of 1 + k runs, the first of them pending."""

    tokens: Index
    """(T,) token ids."""
    positions: Index
    """(T,) position of each token in the sequence as it sees it: candidates all restart at the prefix's end."""
    begins: Index
    """(b, 1 + k) first token of each run."""
    lengths: Index
    """(b, 1 + k) tokens of each run."""

    @property
    def candidates(self) -> int:
        """Candidates of each row."""
        return int(self.lengths.shape[1]) - 1

    @property
    def per_row(self) -> Index:
        """(b,) tokens of each row."""
        return np.asarray(self.lengths.sum(axis=1))

    @property
    def candidate_ends(self) -> Index:
        """(b k,) last token of each candidate."""
        return (self.begins + self.lengths - 1)[:, 1:].ravel()


class Spans(NamedTuple):
    """Which of a pass's tokens its q questions see, besides what the b rows have stored."""

    rows: Index
    """(b + 1,) row i asks the questions `rows[i]:rows[i + 1]`."""
    begins: Index
    """(q,) first token that each question sees, ascending."""
    ends: Index
    """(q,) one behind its last; that is its first if all it sees is in the prefix. Ascending within a run."""


class Queries(NamedTuple):
    """q of a pass's tokens, and how they are laid into rectangles to look at the prefix and at their own run."""

    grid: torch.Tensor
    """(b, Q) questions of each row side by side; those behind a row's last repeat it."""
    place: torch.Tensor
    """(q,) where each question stands in the flattened grid."""
    own_grid: torch.Tensor
    """(n, w) questions of each bin."""
    own_mask: torch.Tensor
    """(n, 1, w, L) additive mask over the bins' keys: a question sees its run up to itself."""
    own_place: torch.Tensor
    """(q,) where each question stands in the flattened own grid; behind it if the question does not look at its own
    run, because that already is part of the prefix."""


class Layout(NamedTuple):
    """The rectangles of a pass.

    Neighbouring runs share bins of `BIN` tokens behind a mask: many small rectangles take longer than few larger ones.
    """

    own_keys: torch.Tensor
    """(n, L) tokens of each bin; those behind its last repeat it."""
    everything: Queries
    """All T tokens ask."""
    answers: Queries | None
    """The last token of each candidate asks; None in a pass without candidates."""


def ragged(lengths: Index) -> tuple[Index, Index]:
    """(sum,) which of (n,) runs each element belongs to, and its place in that run."""
    which = np.repeat(np.arange(len(lengths)), lengths)
    return which, np.arange(len(which)) - (np.cumsum(lengths) - lengths)[which]


def lay_out(segments: Segments, filled: Index, pending: Index, candidates: Index) -> Runs:
    """Write pieces one after the other.

    Args:
        segments: the table of token lists.
        filled: (b,) tokens of each row's stored prefix.
        pending: (b, p) pieces that continue the prefix; -1 where there is none.
        candidates: (b, k, w) pieces of the candidates.
    """
    rows, width = len(pending), pending.shape[1]
    index = np.concatenate([pending, candidates.reshape(rows, -1)], axis=1)
    sizes = np.where(index >= 0, segments.lengths[index], 0)
    which, offset = ragged(sizes.ravel())
    tokens = segments.tokens[index.ravel()[which], offset]
    lengths = np.column_stack([sizes[:, :width].sum(axis=1), sizes[:, width:].reshape(candidates.shape).sum(axis=2)])
    ends = np.cumsum(lengths.ravel())
    start = np.repeat(filled[:, None], lengths.shape[1], axis=1)
    start[:, 1:] += lengths[:, :1]
    run, offset = ragged(lengths.ravel())
    return Runs(tokens, start.ravel()[run] + offset, (ends - lengths.ravel()).reshape(lengths.shape), lengths)


def spans_of_all(runs: Runs) -> Spans:
    """What all T tokens see: their own run up to themselves; a pending token before candidates sees itself stored."""
    run, offset = ragged(runs.lengths.ravel())
    begins = runs.begins.ravel()[run]
    ends = begins + offset + 1
    if runs.candidates:
        ends -= run % (1 + runs.candidates) == 0
    return Spans(np.append(0, np.cumsum(runs.per_row)), begins, ends)


def spans_of_answers(runs: Runs) -> Spans:
    """What the last token of each candidate sees: all of the candidate."""
    ends = runs.candidate_ends
    return Spans(np.arange(len(runs.lengths) + 1) * runs.candidates, runs.begins[:, 1:].ravel(), ends + 1)


def arrange(runs: Runs, device: torch.device, dtype: torch.dtype) -> Layout:
    """The rectangles of a pass in which either every row has candidates and at most one pending token, or none has.

    A single pending token is written to the prefix before attention, and sees itself there instead of in its run.

    Args:
        runs: the pass's tokens.
        device: where the model is.
        dtype: of the masks.
    """
    lengths = runs.lengths.ravel()
    begins, sizes = _bins(lengths)
    keys = _grid(begins, sizes)
    run, _ = ragged(lengths)
    bin_of, offset = ragged(sizes)
    same = run[keys][:, :, None] == run[keys][:, None, :]
    # Repeated tokens stand behind all others, where no question sees them.
    mask = np.where(same & np.tri(keys.shape[1], dtype=np.bool_), 0.0, torch.finfo(dtype).min)
    place = bin_of * keys.shape[1] + offset

    answers = None
    if runs.candidates:
        place[run % (1 + runs.candidates) == 0] = keys.size
        ends = runs.candidate_ends
        counts = np.bincount(bin_of[ends], minlength=len(sizes))
        asked = _grid(np.cumsum(counts) - counts, counts)
        seen = mask[np.arange(len(sizes))[:, None], offset[ends][asked]]
        _, rank = ragged(counts)
        per_row = np.full(len(runs.lengths), runs.candidates)
        answers = _queries(per_row, asked, seen, bin_of[ends] * asked.shape[1] + rank, device, dtype)
    everything = _queries(runs.per_row, keys, mask, place, device, dtype)
    return Layout(torch.from_numpy(keys).to(device), everything, answers)


def _queries(
    per_row: Index,
    own_grid: Index,
    own_mask: npt.NDArray[np.float64],
    own_place: Index,
    device: torch.device,
    dtype: torch.dtype,
) -> Queries:
    grid = _grid(np.cumsum(per_row) - per_row, per_row)
    row, offset = ragged(per_row)
    return Queries(
        grid=torch.from_numpy(grid).to(device),
        place=torch.from_numpy(row * grid.shape[1] + offset).to(device),
        own_grid=torch.from_numpy(own_grid).to(device),
        own_mask=torch.from_numpy(own_mask[:, None]).to(device, dtype),
        own_place=torch.from_numpy(own_place).to(device),
    )


def _grid(begins: Index, lengths: Index) -> Index:
    """(n, longest) elements of each stretch, its last one repeated behind it."""
    return np.maximum(begins[:, None] + np.minimum(np.arange(int(lengths.max())), lengths[:, None] - 1), 0)


def _bins(lengths: Index) -> tuple[Index, Index]:
    """First token and tokens (n,) of bins into which neighbouring runs (r,) are put until they are full."""
    edges = np.append(0, np.cumsum(lengths))
    # From each edge on: as many runs as fit, but the next one that is not empty at least.
    fitting = np.searchsorted(edges, edges + BIN, side="right") - 1
    following = np.searchsorted(edges, edges, side="right")
    after = np.maximum(fitting, following).tolist()
    end = int(np.searchsorted(edges, edges[-1]))
    chosen = [0]
    while chosen[-1] < end:
        chosen.append(after[chosen[-1]])
    begins = edges[chosen]
    return begins[:-1], np.diff(begins)
