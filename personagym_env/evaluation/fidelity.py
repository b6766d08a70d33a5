"""How true simulated users are to the people they stand for, measured on held-out rows and beside floors.

Sessions start from what the agent learned from training rows, and nothing is consumed before the questions, so no
answer can be in a history that the agent is shown. Shapes: n held-out rows, r ratings of the scale, u users, m items.
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from personagym_env.data.splits import Split
from personagym_env.data.tables import FloatArray, IntArray, Interactions
from personagym_env.evaluation.offline import USERS_PER_CALL, Progress
from personagym_env.evaluation.pairs import react_to_pairs
from personagym_env.evaluation.statistics import RatioOfSums, RootMeanSquare, Statistic
from personagym_env.protocols import UserAgent

LEAST_PROBABILITY = 1e-6
"""Probabilities below this count as this in the negative log-likelihood, so that one certainty cannot cost infinity."""


@dataclass(frozen=True, eq=False)
class Fidelity:
    """What one population of users (or one floor) said about the held-out rows, and how true it was."""

    name: str
    statistics: dict[str, Statistic]
    """rmse and mae in rating points, nll in nats, auc in 0..1; a floor may lack some."""
    expected_ratings: FloatArray | None = None
    """(n,) mean of the rating distribution on each held-out row; None where nothing predicts ratings."""


def rating_fidelity(distributions: FloatArray, test: Interactions) -> dict[str, Statistic]:
    """Errors of rating distributions on held-out rows.

    The point prediction of both RMSE and MAE is the distribution's mean, as in the published tables.

    Args:
        distributions: (n, r) over the scale, for each held-out row.
        test: the held-out rows.

    Raises:
        ValueError: the shape does not fit, or a row is no distribution.
    """
    if distributions.shape != (len(test), len(test.scale)):
        raise ValueError(f"distributions need shape {(len(test), len(test.scale))}, got {distributions.shape}")
    if distributions.min() < 0 or not np.allclose(distributions.sum(axis=1), 1, atol=1e-4):
        raise ValueError("distributions need rows of non-negative numbers that sum to 1")
    error = distributions @ np.asarray(test.scale) - test.ratings
    given = np.take_along_axis(distributions, test.rating_index[:, None], axis=1)[:, 0]
    surprise = -np.log(np.maximum(given, LEAST_PROBABILITY))

    def mean(values: FloatArray) -> RatioOfSums:
        return RatioOfSums.of_users(test.users, values, test.n_users)

    return {"rmse": RootMeanSquare(mean(error**2)), "mae": mean(np.abs(error)), "nll": mean(surprise)}


def unseen_items(split: Split, users: IntArray, n: int, rng: np.random.Generator) -> IntArray:
    """Draw items that a user rated in neither part of the split, uniformly and without replacement.

    Returns:
        (len(users), n) internal item ids.

    Raises:
        ValueError: a user has fewer than n such items.
    """
    drawn = np.empty((len(users), n), np.int64)
    for start in range(0, len(users), USERS_PER_CALL):
        block = users[start : start + USERS_PER_CALL]
        keys = rng.random((len(block), split.train.n_items))
        for log in split:
            keys[log.matrix(np.ones(len(log)))[block].toarray() > 0] = 2.0
        chosen = np.argsort(keys, axis=1)[:, :n]
        if chosen.shape[1] < n or np.take_along_axis(keys, chosen, axis=1).max() > 1:
            raise ValueError(f"some users have rated so much that fewer than {n} unseen items are left")
        drawn[start : start + len(block)] = chosen
    return drawn


def choice_auc(
    users: IntArray, positive: FloatArray, negative: FloatArray, owners: IntArray, n_users: int
) -> RatioOfSums:
    """Area under the ROC curve of each user's wants: real choices against unseen items, ties counting half.

    Args:
        users: (p,) users of the positives, ascending.
        positive: (p,) want for items that the user did choose.
        negative: (v, q) want for unseen items of the users `owners`.
        owners: (v,) the distinct values of `users`, ascending.
        n_users: u.

    Returns:
        The mean over users of the chance that a user wants a random positive more than a random negative.
    """
    width = negative.shape[1]
    everyone = np.concatenate([users, np.repeat(owners, width)])
    want = np.concatenate([positive, negative.ravel()])
    # Rank all wants at once; a user's own ranks are what is left after the ranks of lower users are taken off.
    _, level = np.unique(want, return_inverse=True)
    rank = stats.rankdata(everyone * (level.max() + 1) + level)[: len(users)]
    own = np.bincount(everyone, minlength=n_users)
    rank = rank - (np.cumsum(own) - own)[users]
    count = np.bincount(users, minlength=n_users)[owners]
    rank_sum = np.bincount(users, rank, minlength=n_users)[owners]
    area = (rank_sum - count * (count + 1) / 2) / (count * width)
    return RatioOfSums.of_users(owners, area, n_users)


@dataclass(frozen=True, eq=False)
class FidelityTest:
    """The questions that every population is asked: held-out rows, and unseen items to tell them from."""

    split: Split
    owners: IntArray
    """(v,) users with held-out rows."""
    unseen: IntArray
    """(v, q) unseen items of each owner."""

    @classmethod
    def draw(cls, split: Split, rng: np.random.Generator, negatives: int = 50) -> "FidelityTest":
        """Draw unseen items per user, the same for every population that is asked.

        Args:
            split: training and held-out rows.
            rng: of the draw.
            negatives: unseen items of each user; fewer where the catalogue is so small that some user has fewer.
        """
        owners = np.flatnonzero(split.test.counts)
        rated = split.train.counts + split.test.counts
        negatives = max(1, min(negatives, split.train.n_items - int(rated[owners].max(initial=0))))
        return cls(split, owners, unseen_items(split, owners, negatives, rng))

    @property
    def n_questions(self) -> int:
        """Pairs that each population is asked about."""
        return len(self.split.test) + self.unseen.size

    def ask(self, agent: UserAgent, *, rows: int = 64, progress: Progress | None = None) -> Fidelity:
        """Measure a population; `progress` is told how many of `n_questions` were answered.

        Raises:
            ValueError: the agent has another rating scale than the data.
        """
        test = self.split.test
        if tuple(agent.scale) != test.scale:
            raise ValueError(f"agent {agent.name!r} rates on {agent.scale}, and the data on {test.scale}")
        users = np.concatenate([test.users, np.repeat(self.owners, self.unseen.shape[1])])
        items = np.concatenate([test.items, self.unseen.ravel()])
        want, rating = react_to_pairs(agent, users, items, rows=rows, progress=progress)
        rating = rating[: len(test)] / rating[: len(test)].sum(axis=1, keepdims=True)
        auc = self._auc(want[: len(test)], want[len(test) :].reshape(self.unseen.shape))
        return Fidelity(agent.name, {**rating_fidelity(rating, test), "auc": auc}, rating @ np.asarray(test.scale))

    def _auc(self, positive: FloatArray, negative: FloatArray) -> RatioOfSums:
        return choice_auc(self.split.test.users, positive, negative, self.owners, self.split.test.n_users)

    def floors(self) -> list[Fidelity]:
        """What needs no user at all: the global distribution of ratings, and popularity as a guess at choices."""
        train, test = self.split
        marginal = np.bincount(train.rating_index, minlength=len(train.scale)) / len(train)
        distributions = np.broadcast_to(marginal, (len(test), len(marginal)))
        count = np.bincount(train.items, minlength=train.n_items).astype(np.float64)
        popularity = self._auc(count[test.items], count[self.unseen])
        return [
            Fidelity("global mean", rating_fidelity(distributions, test), distributions @ np.asarray(test.scale)),
            Fidelity("popularity", {"auc": popularity}),
        ]
