"""How true simulated users are to the people they stand for, measured on held-out rows and beside floors.

Sessions start from what the agent learned from training rows, and nothing is consumed before the questions, so no
answer can be in a history that the agent is shown. Shapes: n held-out rows, r ratings of the scale, u users, m items.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from scipy import stats

from personagym_env.data.splits import Split
from personagym_env.data.tables import BoolArray, FloatArray, IntArray, Interactions
from personagym_env.evaluation.core.negatives import Negatives, matched_items, popularity, unseen_items
from personagym_env.evaluation.core.offline import Progress
from personagym_env.evaluation.core.pair_reactions import react_to_pairs
from personagym_env.evaluation.core.statistics import RatioOfSums, RootMeanSquare, Statistic
from personagym_env.protocols import UserAgent
from personagym_env.workers import Workers

Scores = Callable[[IntArray, IntArray], FloatArray]
"""From users (n,) and items (n,) to (n,) scores, higher for what the user would rather have."""

LEAST_PROBABILITY = 1e-6
"""Probabilities below this count as this in the negative log-likelihood, so that one certainty cannot cost infinity."""
FLOORS = ("global mean", "user mean", "item mean", "popularity")
"""What needs no user at all, by name."""
CROWDED = 0.1
"""Share of users who may be left out of the questions about choices, so that one who has seen nearly everything does
not leave a single unseen item to all."""
UNREADABLE_GAP = 1e-3
"""An answer whose chances sum to something further than this from 1 is no rating."""


@dataclass(frozen=True, eq=False)
class Fidelity:
    """What one population of users (or one floor) said about the held-out rows, and how true it was."""

    name: str
    statistics: dict[str, Statistic]
    """rmse and mae in rating points, nll in nats, auc in 0..1; a floor may lack some."""
    expected_ratings: FloatArray | None = None
    """(n,) expected rating of each held-out row; None where nothing predicts ratings."""


@dataclass(frozen=True, eq=False)
class Answers:
    """What one population (or floor) said to the questions of a `FidelityTest`; what it cannot answer is None."""

    name: str
    ratings: FloatArray | None = None
    """(n, r) over the scale for each held-out row, as it came."""
    points: FloatArray | None = None
    """(n,) expected rating of each held-out row, from floors that predict a number alone."""
    score: FloatArray | None = None
    """(n,) want, or another score, for each held-out row."""
    unseen: Mapping[Negatives, FloatArray] = field(default_factory=dict)
    """(v, q) the same for the unseen items of each user, by how these were drawn."""
    wants: bool = False
    """Whether scores are wants, which say yes above 1/2."""

    @cached_property
    def readable(self) -> BoolArray:
        """(n,) which of `ratings` are distributions over the scale; the share of others is the paper's URR."""
        assert self.ratings is not None
        finite = np.where(np.isfinite(self.ratings), self.ratings, -1.0)
        return np.asarray((finite >= 0).all(axis=1) & (np.abs(finite.sum(axis=1) - 1) < UNREADABLE_GAP))

    def distributions(self) -> FloatArray:
        """(readable rows, r) the readable ratings, summing to 1 exactly."""
        assert self.ratings is not None
        kept = self.ratings[self.readable]
        return np.asarray(kept / kept.sum(axis=1, keepdims=True))


def point_fidelity(points: FloatArray, test: Interactions) -> dict[str, Statistic]:
    """RMSE and MAE of expected ratings (n,) on held-out rows."""
    error = points - test.ratings
    return {
        "rmse": RootMeanSquare(RatioOfSums.of_users(test.users, error**2, test.n_users)),
        "mae": RatioOfSums.of_users(test.users, np.abs(error), test.n_users),
    }


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
    if distributions.min(initial=0) < 0 or not np.allclose(distributions.sum(axis=1), 1, atol=1e-4):
        raise ValueError("distributions need rows of non-negative numbers that sum to 1")
    given = np.take_along_axis(distributions, test.rating_index[:, None], axis=1)[:, 0]
    surprise = -np.log(np.maximum(given, LEAST_PROBABILITY))

    points = point_fidelity(distributions @ np.asarray(test.scale), test)
    return {**points, "nll": RatioOfSums.of_users(test.users, surprise, test.n_users)}


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
    if not len(owners):
        return RatioOfSums(np.zeros(n_users), np.zeros(n_users))
    width = negative.shape[1]
    everyone = np.concatenate([users, np.repeat(owners, width)])
    choice_probability = np.concatenate([positive, negative.ravel()])
    # Rank all wants at once; a user's own ranks are what is left after the ranks of lower users are taken off.
    _, level = np.unique(choice_probability, return_inverse=True)
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
    """(v,) users with held-out rows and unseen items enough to tell these from."""
    unseen: Mapping[Negatives, IntArray]
    """(v, q) unseen items of each owner, by how they were drawn."""

    @classmethod
    def draw(
        cls, split: Split, rng: np.random.Generator, negatives: int = 50, kinds: Sequence[Negatives] = ("uniform",)
    ) -> "FidelityTest":
        """Draw unseen items per user, the same for every population that is asked.

        Args:
            split: training and held-out rows.
            rng: of the draw.
            negatives: unseen items of each user; fewer where the catalogue is so small that one user in ten has
                fewer. Users with fewer than the rest are left out of the questions about choices.
            kinds: how to draw them; "uniform" is what the figure `auc` is about.
        """
        room = split.train.n_items - split.train.counts - split.test.counts  # (u,) unseen items
        able = np.flatnonzero((split.test.counts > 0) & (room > 0))
        if len(able):
            negatives = min(negatives, int(np.quantile(room[able], CROWDED, method="lower")))
        owners = able[room[able] >= negatives]
        draw = {"uniform": unseen_items, "popular": matched_items}
        return cls(split, owners, {kind: draw[kind](split, owners, negatives, rng) for kind in kinds})

    @cached_property
    def _pairs(self) -> tuple[IntArray, IntArray, IntArray]:
        """Users and items of the distinct pairs, and which of them each question is about."""
        test = self.split.test
        users = [test.users, *(np.repeat(self.owners, items.shape[1]) for items in self.unseen.values())]
        items = [test.items, *(items.ravel() for items in self.unseen.values())]
        keys = np.concatenate(users) * test.n_items + np.concatenate(items)
        distinct, question = np.unique(keys, return_inverse=True)
        return distinct // test.n_items, distinct % test.n_items, question

    @property
    def n_questions(self) -> int:
        """Pairs that each population is asked about; a pair in several questions is asked about once."""
        return len(self._pairs[0])

    def answers(
        self,
        agent: UserAgent,
        *,
        name: str | None = None,
        rows: int = 64,
        progress: Progress | None = None,
        workers: Workers | None = None,
    ) -> Answers:
        """Ask a population; `progress` is told how many of `n_questions` were answered.

        Args:
            agent: the population.
            name: for tables; the agent's own by default.
            rows: sessions open at once.
            progress: told how many pairs were answered.
            workers: ask, see `react_to_pairs`.

        Raises:
            ValueError: the agent has another rating scale than the data.
        """
        test = self.split.test
        if tuple(agent.scale) != test.scale:
            raise ValueError(f"agent {agent.name!r} rates on {agent.scale}, and the data on {test.scale}")
        users, items, question = self._pairs
        choice_probability, rating = react_to_pairs(agent, users, items, rows=rows, progress=progress, workers=workers)
        score, unseen = self._dealt(choice_probability[question])
        return Answers(
            name or agent.name, ratings=rating[question[: len(test)]], score=score, unseen=unseen, wants=True
        )

    def scored(self, name: str, scores: Scores) -> Answers:
        """Ask something that scores pairs and predicts no ratings, such as a recommender."""
        users, items, question = self._pairs
        score, unseen = self._dealt(np.asarray(scores(users, items), np.float64)[question])
        return Answers(name, score=score, unseen=unseen)

    def _dealt(self, values: FloatArray) -> tuple[FloatArray, dict[Negatives, FloatArray]]:
        """Answers to all questions as those to held-out rows and those to each kind of unseen items."""
        ends = np.cumsum([len(self.split.test), *(items.size for items in self.unseen.values())])
        score, *unseen = np.split(values, ends[:-1])
        return score, {
            kind: part.reshape(items.shape) for part, (kind, items) in zip(unseen, self.unseen.items(), strict=True)
        }

    def floors(self) -> list[Fidelity]:
        """`floor_answers`, measured."""
        return [self.measure(answers) for answers in self.floor_answers()]

    def floor_answers(self) -> list[Answers]:
        """What needs no user at all.

        The global distribution of ratings; the mean rating of each user and of each item (the global mean for those
        without training rows); and popularity as a guess at choices.
        """
        train, test = self.split
        marginal = np.bincount(train.rating_index, minlength=len(train.scale)) / len(train)
        everybody, user_mean, item_mean, popular = FLOORS
        return [
            Answers(everybody, ratings=np.broadcast_to(marginal, (len(test), len(marginal)))),
            Answers(user_mean, points=_means(train.users, train, train.n_users)[test.users]),
            Answers(item_mean, points=_means(train.items, train, train.n_items)[test.items]),
            self.scored(popular, lambda users, items: popularity(self.split, items)),
        ]

    def measure(self, answers: Answers) -> Fidelity:
        """The figures that every answer allows: rmse, mae and nll of readable ratings, and auc."""
        test, statistics, expected = self.split.test, dict[str, Statistic](), answers.points
        if answers.ratings is not None:
            statistics = rating_fidelity(answers.distributions(), test.take(answers.readable))
            expected = answers.ratings @ np.asarray(test.scale)
        elif answers.points is not None:
            statistics = point_fidelity(answers.points, test)
        if "uniform" in answers.unseen:
            statistics["auc"] = self.auc(answers, "uniform")
        return Fidelity(answers.name, statistics, expected)

    def ask(
        self,
        agent: UserAgent,
        *,
        rows: int = 64,
        progress: Progress | None = None,
        workers: Workers | None = None,
    ) -> Fidelity:
        """Ask a population and measure it; see `answers`."""
        return self.measure(self.answers(agent, rows=rows, progress=progress, workers=workers))

    def auc(self, answers: Answers, kind: Negatives) -> RatioOfSums:
        """How well scores tell held-out items from unseen ones of a kind; see `choice_auc`."""
        assert answers.score is not None
        test = self.split.test
        asked = np.isin(test.users, self.owners)
        return choice_auc(test.users[asked], answers.score[asked], answers.unseen[kind], self.owners, test.n_users)


def _means(of: IntArray, log: Interactions, size: int) -> FloatArray:
    """(size,) mean rating of the rows of each id in `of` (n,), the mean of all rows for ids without any."""
    count = np.bincount(of, minlength=size)
    total = np.bincount(of, log.ratings, minlength=size)
    return np.where(count > 0, total / np.maximum(count, 1), log.ratings.mean(dtype=np.float64))
