"""Keys and values of many users' prefixes side by side, read by packed passes without being computed again."""

from typing import Any

import numpy.typing as npt
import torch
from numpy import int64
from transformers import Cache

from personagym_env.data.tables import IntArray

Index = npt.NDArray[int64]
_GROWTH = 128
"""Columns by which the store grows."""


class PrefixStore:
    """Per layer the keys and values of n rows, (n, heads, columns, head width); row i has filled some from the left."""

    def __init__(self, n: int) -> None:
        self.n = n
        self.keys: list[torch.Tensor] = []
        self.values: list[torch.Tensor] = []

    def reserve(self, layer: int, like: torch.Tensor, columns: int) -> None:
        """Make room for `columns` in a layer whose keys look like `like` (b, heads, L, head width)."""
        known = layer < len(self.keys)
        have = self.keys[layer].shape[2] if known else 0
        if known and have >= columns:
            return
        columns = -(-columns // _GROWTH) * _GROWTH
        for side in (self.keys, self.values):
            grown = like.new_zeros(self.n, like.shape[1], columns, like.shape[3])
            if known:
                grown[:, :, :have] = side[layer]
                side[layer] = grown
            else:
                side.append(grown)


class PackedPass(Cache):
    """One forward pass over rows of a store: shows the stored columns, then the pass's own tokens.

    Speaks the interface through which `transformers` models hand over their keys and values.
    """

    def __init__(self, store: PrefixStore, rows: Index, stored: int) -> None:
        super().__init__(layers=[])
        self.store, self.stored = store, stored
        whole = bool((rows[1:] == rows[:-1] + 1).all())
        # Consecutive rows are a view; others have to be gathered.
        self.rows: Any = slice(int(rows[0]), int(rows[-1]) + 1) if whole else torch.from_numpy(rows)
        self.fresh: list[tuple[torch.Tensor, torch.Tensor]] = []
        """Per layer the keys and values of the pass's own tokens."""

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, layer_idx: int, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Take the pass's keys and values (b, heads, L, head width); give back the stored ones followed by them."""
        end = self.stored + key_states.shape[2]
        self.store.reserve(layer_idx, key_states, end)
        self.fresh.append((key_states, value_states))
        shown = []
        for side, own in ((self.store.keys, key_states), (self.store.values, value_states)):
            # The columns behind the stored ones are free: the pass's own tokens go there, so that nothing is joined.
            behind = side[layer_idx][:, :, :end][self.rows]
            behind[:, :, self.stored :] = own
            shown.append(behind)
        return shown[0], shown[1]

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Stored columns; the positions themselves are given to the model explicitly."""
        return self.stored

    def keep(self, rows: IntArray, column: IntArray, token: IntArray, place: IntArray) -> None:
        """Move tokens of the pass into the store.

        Args:
            rows: (t,) row of the store.
            column: (t,) where the token goes.
            token: (t,) which token of the pass.
            place: (t,) which row of the pass.
        """
        to_row, to_column, from_token, from_row = (torch.from_numpy(part) for part in (rows, column, token, place))
        for layer, (keys, values) in enumerate(self.fresh):
            self.store.reserve(layer, keys, int(column.max(initial=0)) + 1)
            self.store.keys[layer][to_row, :, to_column] = keys[from_row, :, from_token]
            self.store.values[layer][to_row, :, to_column] = values[from_row, :, from_token]
