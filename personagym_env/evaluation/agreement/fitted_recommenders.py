"""What is measured of every recommender of an agreement study, and how whole sessions judge it.

A recommender knows one half of the training rows. Whatever it is asked for, it is told which items are in neither half,
because a row that nobody learned from is no recommendation either.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from personagym_env.data.splits import Split
from personagym_env.data.tables import BoolArray, Dataset, FloatArray, IntArray, Interactions
from personagym_env.data.traits import profile_features, user_traits
from personagym_env.env import HISTORY_LENGTH, MAX_EPISODE_STEPS, SLATE_SIZE
from personagym_env.evaluation.agreement.ground_truth import GroundTruth
from personagym_env.evaluation.agreement.list_truth import ListTruth
from personagym_env.evaluation.core.data_overlap import DealtRows, unknown_items
from personagym_env.evaluation.core.offline import TopLists, liked_from, measure_lists, top_lists
from personagym_env.evaluation.core.simulate import SessionPlan, Sessions, simulate
from personagym_env.evaluation.core.statistics import Statistic
from personagym_env.evaluation.reporting.figures import OFFLINE
from personagym_env.protocols import Recommender, UserAgent
from personagym_env.session.parameters import SessionParameters
from personagym_env.workers import Workers, all_done
from personagym_env.world import World

FILTERED = frozenset({"recall", "ndcg", "mrr", "hit"})
"""Offline metrics that are measured a second time with liked held-out rows alone as relevant."""


ItemTruth = GroundTruth | ListTruth
"""Real value that is known item by item."""


class Metric(NamedTuple):
    """An offline metric."""

    figure: str
    """Key of `OFFLINE`."""
    liked: bool = False
    """Whether liked held-out rows alone are relevant."""

    @property
    def title(self) -> str:
        """What tables call it."""
        return OFFLINE[self.figure].title + (", liked" if self.liked else "")


@dataclass(frozen=True, eq=False)
class Bench:
    """What everybody is measured with."""

    dataset: Dataset
    split: Split
    dealt: DealtRows
    ground_truths: tuple[GroundTruth, ...]
    """Those that recommenders pick from pools for."""
    list_truths: tuple[ListTruth, ...] = ()
    """Those that recommenders list items for, out of all that their users have not consumed."""

    @property
    def item_truths(self) -> list[ItemTruth]:
        """All truths that are known item by item."""
        return [*self.ground_truths, *self.list_truths]

    @cached_property
    def profiles(self) -> FloatArray:
        """(u, f) what recommenders may know of users, from their half."""
        return profile_features(user_traits(self.dealt.recommenders, self.dataset.catalogue))

    @cached_property
    def unknown(self) -> Callable[[IntArray], BoolArray]:
        """See `unknown_items`."""
        return unknown_items(self.split.train)

    @cached_property
    def liked(self) -> Interactions:
        """Held-out rows that count as liked, by the mean of the training rows."""
        train, test = self.split
        return test.take(test.ratings >= liked_from(train))

    @property
    def without_liked(self) -> int:
        """Users with held-out rows of whom none is liked: metrics of liked rows leave them out."""
        return int(((self.split.test.counts > 0) & (self.liked.counts == 0)).sum())

    def picks(self, recommender: Recommender) -> dict[str, IntArray]:
        """What a fitted recommender picks from every pool: ground truth to (n, k)."""
        return {
            truth.name: truth.pool.picks(recommender, self.profiles, history_length=HISTORY_LENGTH)
            for truth in self.ground_truths
        }

    def lists(self, recommender: Recommender) -> TopLists:
        """What a fitted recommender lists of the items that stand in no training row of the user."""
        return top_lists(recommender, self.split, self.profiles, history_length=HISTORY_LENGTH, candidates=self.unknown)

    def offline(self, lists: TopLists) -> dict[Metric, Statistic]:
        """Ranking metrics of lists.

        All held-out rows count as relevant, and a second time liked ones alone, which field reports do as well.
        """
        train, liked = self.split.train, self.liked
        found = {Metric(figure): statistic for figure, statistic in measure_lists(lists, self.split).items()}
        filtered = measure_lists(lists, Split(train, liked)).items()
        return found | {Metric(figure, liked=True): statistic for figure, statistic in filtered if figure in FILTERED}


@dataclass(frozen=True, eq=False)
class MeasuredRecommender:
    """What was measured of a fitted recommender."""

    name: str
    model_class: str
    picks: Mapping[str, IntArray]
    """Truth to (n, k)."""
    offline: Mapping[Metric, Statistic] = field(default_factory=dict)
    seconds: float = 0.0
    """That fitting took."""


@dataclass(frozen=True, eq=False)
class FittedRecommender(MeasuredRecommender):
    """A fitted recommender and what was measured of it."""

    recommender: Recommender = field(kw_only=True)


@dataclass(frozen=True, eq=False)
class SessionTrial:
    """Whole sessions of the environment as a judge; the same users and the same random draws for every recommender."""

    bench: Bench
    plan: SessionPlan
    parameters: SessionParameters
    slate_size: int = SLATE_SIZE
    max_steps: int = MAX_EPISODE_STEPS
    """Longest episode."""

    def play(self, recommender: Recommender, agent: UserAgent) -> Sessions:
        """The planned sessions of a fitted recommender with users who react as `agent` says."""
        bench = self.bench
        world = World(bench.dataset, bench.dealt.recommenders, agent, self.parameters)
        return simulate(
            recommender,
            world,
            self.plan,
            slate_size=self.slate_size,
            max_episode_steps=self.max_steps,
            rows=256,
            hidden=bench.dealt.others,
        )

    def play_all(
        self,
        recommenders: Sequence[Recommender],
        agent: UserAgent,
        workers: Workers | None = None,
        progress: Callable[[int], object] = lambda done: None,
    ) -> list[Sessions]:
        """(c,) the sessions of each of (c,) fitted recommenders."""
        return all_done(workers, _played, (self, agent), recommenders, progress)


def _played(stage: tuple[SessionTrial, UserAgent], recommender: Recommender) -> Sessions:
    trial, agent = stage
    return trial.play(recommender, agent)
