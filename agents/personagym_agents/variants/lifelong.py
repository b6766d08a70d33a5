"""Users whose whole life counts: history in frozen partitions, each summarised once, and a short cache beside them.

Source: LIBER (arXiv:2411.14713): behaviour beyond a short cache is frozen into partitions; each is summarised once, in
cascade, the summary continuing the one before; the summaries are fused by attention.

Formula: rows stand in partitions of P = 20; s_i = GRU(mean of the tokens of partition i, s_{i-1}); c is the mean of the
rows since the last full partition; z = W c + sum_i softmax_i(B c . s_i) s_i over full partitions and an empty one.
Without the core z = W mean(last P tokens): what is older than the cache is forgotten.

What differs: summaries are vectors of a recurrent cell instead of a language model's text. What is left out: choosing
partitions by what they are about. A new row touches the cache alone; `Life` shows it, and a frozen summary never moves.
"""

from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from personagym_agents.variants.prefixes import from_nothing, running_mean
from personagym_agents.variants.towers import fit_tower_users
from personagym_env.data.tables import Dataset, Interactions
from personagym_env.protocols import UserAgent

PARTITION = 20
"""Rows of a partition, and of the cache at most."""


class Cache(nn.Module):
    """The latest rows alone."""

    def __init__(self, width: int, partition: int = PARTITION) -> None:
        super().__init__()
        self.partition = partition
        self.latest = nn.Linear(width, width)

    def forward(self, items: Tensor, tokens: Tensor, weights: Tensor) -> Tensor:
        """See `EncoderFactory`; K is 1."""
        states: Tensor = self.latest(running_mean(tokens * weights[..., None], self.partition))
        return states[:, :, None]


class Life(NamedTuple):
    """One user's history as it is kept: frozen summaries, and the sum of the rows since."""

    summaries: Tensor
    """(i, d)"""
    summed: Tensor
    """(d,)"""
    rows: int
    """In the cache."""


class Partitions(Cache):
    """Frozen partitions in cascade, and the cache."""

    def __init__(self, width: int, partition: int = PARTITION) -> None:
        super().__init__(width, partition)
        self.cascade = nn.GRU(width, width, batch_first=True)
        self.ask = nn.Linear(width, width)

    def forward(self, items: Tensor, tokens: Tensor, weights: Tensor) -> Tensor:
        """See `EncoderFactory`; K is 1."""
        told = tokens * weights[..., None]
        summed = from_nothing(torch.cumsum(told, dim=1))
        rows = torch.arange(summed.shape[1])
        frozen = rows // self.partition
        ends = torch.arange(int(frozen[-1]) + 1) * self.partition
        cache = (summed - summed[:, frozen * self.partition]) / (rows - frozen * self.partition).clamp(min=1)[:, None]
        means = (summed[:, ends[1:]] - summed[:, ends[:-1]]) / self.partition
        summaries = self.cascade(means)[0] if len(ends) > 1 else means
        return self.fuse(cache, summaries, frozen)[:, :, None]

    def fuse(self, cache: Tensor, summaries: Tensor, frozen: Tensor) -> Tensor:
        """(b, t, d) states by (b, t, d) caches and (b, i, d) summaries, of which each row knows the first `frozen`."""
        nothing = torch.zeros_like(cache[:, :1])
        known = torch.cat([nothing, summaries], dim=1)
        match = self.ask(cache) @ known.transpose(1, 2)
        unknown = torch.arange(known.shape[1]) > frozen[:, None]
        states: Tensor = self.latest(cache) + torch.softmax(match.masked_fill(unknown, -torch.inf), dim=-1) @ known
        return states

    def begin(self) -> Life:
        """A life without rows."""
        width = self.latest.in_features
        return Life(torch.zeros(0, width), torch.zeros(width), 0)

    def live(self, life: Life, row: Tensor) -> Life:
        """The life with one row (d,) more, of which the frozen part is the very same."""
        summed, rows = life.summed + row, life.rows + 1
        if rows < self.partition:
            return Life(life.summaries, summed, rows)
        before = life.summaries[-1:] if len(life.summaries) else torch.zeros(1, len(row))
        newest = self.cascade((summed / rows)[None], before)[0]
        return Life(torch.cat([life.summaries, newest]), torch.zeros_like(summed), 0)

    def state(self, life: Life) -> Tensor:
        """(d,) what the user is now, without reading any row."""
        cache = life.summed[None, None] / max(life.rows, 1)
        return self.fuse(cache, life.summaries[None], torch.tensor([len(life.summaries)]))[0, 0]


def fit_lifelong(
    dataset: Dataset, train: Interactions, *, core: bool = True, seed: int = 0, device: str | None = None
) -> UserAgent:
    """Fit the users; they run on the processor, whatever the device.

    Args:
        dataset: genres of items.
        train: rows that the users may know.
        core: frozen partitions; the cache alone without it.
        seed: of all that is drawn.
        device: not used.

    Raises:
        ValueError: `train` is empty.
    """
    encoder = partial(Partitions if core else Cache, partition=PARTITION)
    return fit_tower_users("lifelong", encoder, dataset, train, told=(core, PARTITION), seed=seed)
