"""Keys and values of many users' prefixes side by side, read by packed passes without being computed again."""

import torch

_GROWTH = 128
"""Columns by which the store grows."""


class PrefixStore:
    """Per layer the keys and values of n rows, (n, heads, columns, head width); row i has filled some from the left."""

    def __init__(self, n: int) -> None:
        self.n = n
        self.keys: list[torch.Tensor] = []
        self.values: list[torch.Tensor] = []

    def write(
        self, layer: int, rows: torch.Tensor, columns: torch.Tensor, keys: torch.Tensor, values: torch.Tensor
    ) -> None:
        """Put (t, heads, head width) keys and values of a layer into (t,) columns of (t,) rows."""
        self._make_room(layer, keys, values, int(columns.max()) + 1)
        self.keys[layer][rows, :, columns] = keys
        self.values[layer][rows, :, columns] = values

    def read(self, layer: int, rows: slice | torch.Tensor, columns: int) -> tuple[torch.Tensor, torch.Tensor]:
        """(b, heads, columns, head width) keys and values of rows; a view where those are a slice."""
        if isinstance(rows, slice):
            return self.keys[layer][rows, :, :columns], self.values[layer][rows, :, :columns]
        keys, values = (side[layer][:, :, :columns].index_select(0, rows) for side in (self.keys, self.values))
        return keys, values

    def reserve(self, columns: int) -> None:
        """Make room for columns in all layers that hold something."""
        for layer, (keys, values) in enumerate(zip(self.keys, self.values, strict=True)):
            self._make_room(layer, keys[:, :, 0], values[:, :, 0], columns)

    def _make_room(self, layer: int, keys: torch.Tensor, values: torch.Tensor, columns: int) -> None:
        have = self.keys[layer].shape[2] if layer < len(self.keys) else 0
        if have >= columns:
            return
        columns = -(-columns // _GROWTH) * _GROWTH
        for side, like in ((self.keys, keys), (self.values, values)):
            grown = like.new_zeros(self.n, like.shape[1], columns, like.shape[2])
            if layer < len(side):
                grown[:, :, :have] = side[layer]
                side[layer] = grown
            else:
                side.append(grown)
