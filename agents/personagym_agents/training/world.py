"""A log as a training reads it: what its epochs show, and who teaches it."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from personagym_agents.training.sampling import Epoch, Epochs
from personagym_env.data.tables import FloatArray, IntArray

Teacher = Callable[[IntArray, IntArray], FloatArray]
"""Gives, for users (n,) and items (n,) without a rating, rating distributions (n, r) learned from training rows."""


class World(NamedTuple):
    """One log that a training reads."""

    epochs: Epochs
    teacher: Teacher
    users: npt.NDArray[np.bool_] | None = None
    """(u,) whose documents to train on; None for all."""
    rows: int | None = None
    """Training rows that an epoch shows at most, those of users drawn anew each time; None for all."""
    tokens: int | None = None
    """Tokens of the documents that an epoch shows at most; None for all."""
    weights: FloatArray | None = None
    """(n,) how much the rating of each training row counts in the loss, 1 on average; None for all alike."""

    def weights_at(self, users: IntArray, items: IntArray) -> FloatArray | None:
        """(p,) how much the ratings of training rows count, given as pairs; 0 where there is no row."""
        if self.weights is None:
            return None
        rows = self.epochs.corpus.train.pairs.rows(users, items)
        return np.asarray(np.where(rows >= 0, self.weights[rows], 0.0))

    def draw(self, number: int) -> tuple[Epoch, np.random.Generator]:
        """What an epoch shows, and a generator that goes on from its draws."""
        epoch, rng = self.epochs.draw(number)
        counts = self.epochs.corpus.train.counts
        shown = np.ones(len(counts), np.bool_) if self.users is None else self.users
        if self.rows is not None:
            order = rng.permutation(np.flatnonzero(shown))
            shown = np.isin(np.arange(len(counts)), order[: 1 + np.searchsorted(np.cumsum(counts[order]), self.rows)])
        shows = epoch if shown.all() else epoch.of_users(shown)
        return shows if self.tokens is None else shows.of_tokens(self.tokens), rng  # in random order as it is
