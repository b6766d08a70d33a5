"""What is measured of every contestant of an agreement study, and how whole sessions judge it.

A contestant knows one half of the training rows. Whatever it is asked for, it is told which items are in neither half,
because a row that nobody learned from is no recommendation either.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from personagym_env.data.splits import Split
from personagym_env.data.tables import BoolArray, Dataset, FloatArray, IntArray, Interactions
from personagym_env.data.traits import profile_features, user_traits
from personagym_env.env import HISTORY_LENGTH, MAX_EPISODE_STEPS, SLATE_SIZE
from personagym_env.evaluation.agreement.analysis import liked_from
from personagym_env.evaluation.agreement.ground_truth import GroundTruth
from personagym_env.evaluation.core.data_overlap import DealtRows, unknown_items
from personagym_env.evaluation.core.offline import measure_offline
from personagym_env.evaluation.core.simulate import SessionPlan, Sessions, simulate
from personagym_env.evaluation.core.statistics import Statistic
from personagym_env.evaluation.reporting.figures import OFFLINE
from personagym_env.protocols import Recommender, UserAgent
from personagym_env.session.parameters import SessionParameters
from personagym_env.world import World

FILTERED = frozenset({"recall", "ndcg", "mrr", "hit"})
"""Offline metrics that are measured a second time with liked held-out rows alone as relevant."""


@dataclass(frozen=True, eq=False)
class Bench:
    """What everybody is measured with."""

    dataset: Dataset
    split: Split
    dealt: DealtRows
    ground_truths: tuple[GroundTruth, ...]

    @cached_property
    def profiles(self) -> FloatArray:
        """(u, f) what contestants may know of users, from their half."""
        return profile_features(user_traits(self.dealt.contestants, self.dataset.catalogue))

    @cached_property
    def unknown(self) -> Callable[[IntArray], BoolArray]:
        """See `unknown_items`."""
        return unknown_items(self.split.train)

    def picks(self, recommender: Recommender) -> dict[str, IntArray]:
        """What a fitted contestant picks from every pool: truth to (n, k)."""
        return {
            truth.name: truth.pool.picks(recommender, self.profiles, history_length=HISTORY_LENGTH)
            for truth in self.ground_truths
        }

    def offline(self, recommender: Recommender) -> dict[str, Statistic]:
        """Ranking metrics of a fitted contestant by title.

        All held-out rows count as relevant, and a second time liked ones alone, which field reports do as well.
        """
        train, test = self.split
        liked = test.take(test.ratings >= liked_from(train))

        def measure(relevant: Interactions) -> Mapping[str, Statistic]:
            return measure_offline(
                recommender,
                Split(train, relevant),
                self.profiles,
                history_length=HISTORY_LENGTH,
                candidates=self.unknown,
            )

        found = {OFFLINE[name].title: statistic for name, statistic in measure(test).items()}
        filtered = measure(liked).items()
        return found | {f"{OFFLINE[name].title}, liked": statistic for name, statistic in filtered if name in FILTERED}


@dataclass(frozen=True, eq=False)
class FittedRecommender:
    """A fitted contestant and what was measured of it."""

    name: str
    model_class: str
    recommender: Recommender
    picks: Mapping[str, IntArray]
    """Truth to (n, k)."""
    offline: Mapping[str, Statistic] = field(default_factory=dict)
    """Title of a metric to statistic."""
    seconds: float = 0.0
    """That fitting took."""


@dataclass(frozen=True, eq=False)
class SessionTrial:
    """Whole sessions of the environment as a judge; the same users and the same luck for every contestant."""

    bench: Bench
    plan: SessionPlan
    parameters: SessionParameters
    slate_size: int = SLATE_SIZE
    max_steps: int = MAX_EPISODE_STEPS
    """Longest episode."""

    def play(self, recommender: Recommender, agent: UserAgent) -> Sessions:
        """The planned sessions of a fitted contestant with users who react as `agent` says."""
        bench = self.bench
        world = World(bench.dataset, bench.dealt.contestants, agent, self.parameters)
        return simulate(
            recommender,
            world,
            self.plan,
            slate_size=self.slate_size,
            max_episode_steps=self.max_steps,
            rows=256,
            hidden=bench.dealt.others,
        )

    def figures(self, recommender: Recommender, agent: UserAgent) -> dict[str, Statistic]:
        """Simulated value by name, see `Sessions.statistics`."""
        return self.play(recommender, agent).statistics(self.bench.split.train.n_users)
