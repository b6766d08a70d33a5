"""Policies trained offline before anybody judges them: `fit` makes the log that they learn from.

A logging policy shows slates to users who know the training rows and no others, and what it showed and earned is all
that the learner reads. Session parameters are the documented defaults.
"""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from personagym_env.data.tables import Interactions
from personagym_env.env import MAX_EPISODE_STEPS, SLATE_SIZE
from personagym_env.evaluation.core.simulate import fillable_users
from personagym_env.logs.collect import collect
from personagym_env.logs.sessions import open_log
from personagym_env.protocols import Recommender
from personagym_env.run_context import RunContext
from personagym_env.workers import ThreadWorkers
from personagym_env.world import World
from personagym_recommenders.models.candidates import CandidateFeatures
from personagym_recommenders.models.item_models import EASE
from personagym_recommenders.offline.recommender import OfflineRecommender
from personagym_recommenders.offline.training import TrainingPlan
from personagym_recommenders.rl.simulator_trained import SimulatorTrained, UsersOf, opinions
from personagym_recommenders.stochastic.plackett_luce import PlackettLuce

Learner = Callable[[CandidateFeatures], OfflineRecommender]
"""Makes a learner, not trained, from the opinions that it weighs."""


class LogTrained(SimulatorTrained):
    """A learner that has read the log of a Plackett-Luce policy over the scores of EASE.

    Args:
        users: who reacted while the log was written.
        learner: `BehaviourCloning`, `CQL` or `IQL`.
        episodes: of the log, at least 1.
        steps: of gradients.
        seed: of sessions, weights and minibatches.
    """

    def __init__(
        self, users: UsersOf, learner: Learner, episodes: int = 1_000, steps: int = 300, seed: int = 0
    ) -> None:
        super().__init__(users)
        if episodes < 1:
            raise ValueError(f"episodes must be at least 1, got {episodes}")
        self.learner = learner
        self.episodes = episodes
        self.plan = TrainingPlan(steps, seed=seed)

    @property
    def name(self) -> str:
        """A short name for tables."""
        return f"{self.learner(opinions()).name}, trained on a log"

    def learn(self, world: World) -> Recommender:
        """Write the log and learn from it."""
        train, catalogue = world.train, world.dataset.catalogue
        policy = PlackettLuce(EASE()).fit(train, catalogue)
        learner = self.learner(opinions())
        with TemporaryDirectory() as folder:
            place = Path(folder)
            collect(
                policy,
                world,
                place / "log",
                episodes=self.episodes,
                policy_fingerprint=policy.fingerprint(),
                max_episode_steps=_steps_with_room(train),
                seed=self.plan.seed,
                workers=ThreadWorkers(1),
            )
            return learner.train(open_log(place / "log"), train, catalogue, self.plan, RunContext(place))


def _steps_with_room(train: Interactions) -> int:
    """Steps after which every user whose slate can be filled still has items for another one, at least 1."""
    fresh = (train.n_items - train.counts)[fillable_users(train, SLATE_SIZE)]
    return int(min(MAX_EPISODE_STEPS, fresh.min() - SLATE_SIZE + 1))
