"""Recommenders trained in the simulator before anybody judges them: a bandit, and a policy trained by PPO.

`fit` makes a world of the training rows and of users who know these rows and no others, lets the recommender learn
there, and ends the learning, so that what is judged is what came out of `fit`. Session parameters are the documented
defaults.

Both weigh the same few opinions about an item (see `personagym_recommenders.models.candidates`), at each step anew.
Asked for picks from a pool, they do for the whole pool what they do for their candidates in a session that has just
begun: the bandit takes the items with the highest upper bounds, the policy those with the highest sum under the weights
of its opening action.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Self

from personagym_env.data.tables import BoolArray, Catalogue, Dataset, IntArray, Interactions, Users
from personagym_env.env import SLATE_SIZE
from personagym_env.evaluation.core.simulate import SessionPlan, fillable_users, simulate
from personagym_env.protocols import Observation, Recommender, UserAgent
from personagym_env.session.parameters import SessionParameters
from personagym_env.world import World
from personagym_recommenders.bandits.linear import LinUCB
from personagym_recommenders.models.candidates import CandidateFeatures
from personagym_recommenders.models.heuristics import BestRated, MostPopular
from personagym_recommenders.models.item_models import EASE, ItemKNN
from personagym_recommenders.rl.action_decoders import WeightedFeatures

UsersOf = Callable[[Dataset, Interactions], UserAgent]
"""Makes users from a data set and the rows that they may know, for example
`functools.partial(personagym_agents.load, "mf")`."""


class SimulatorTrained(ABC):
    """Shared: the world to learn in, and answering as the recommender that came out of it.

    Args:
        users: who reacts during training.
    """

    def __init__(self, users: UsersOf) -> None:
        self.users = users
        self._learned: Recommender | None = None

    @property
    @abstractmethod
    def name(self) -> str:
        """A short name for tables."""

    @abstractmethod
    def learn(self, world: World) -> Recommender:
        """What has learned from sessions in the world, and learns no more."""

    def fit(self, log: Interactions, catalogue: Catalogue) -> Self:
        """Learn from sessions with users who know the training rows; returns itself.

        Raises:
            ValueError: all users have so many training rows that no slate can be filled.
        """
        if not fillable_users(log, SLATE_SIZE).any():
            raise ValueError(f"slates of {SLATE_SIZE} cannot be filled: every user has nearly all {log.n_items} items")
        nobody = Users(tuple(map(str, range(log.n_users))))
        dataset = Dataset("training rows", catalogue, nobody, log)
        world = World(dataset, log, self.users(dataset, log), SessionParameters())
        self._learned = self.learn(world)
        return self

    def recommend(self, observation: Observation, k: int, candidates: BoolArray | None = None) -> IntArray:
        """(n, k) see `Recommender.recommend`.

        Raises:
            ValueError: not fitted.
        """
        if self._learned is None:
            raise ValueError(f"{self.name} must be fitted before it is used")
        return self._learned.recommend(observation, k, candidates)


class SimulatorTrainedLinUCB(SimulatorTrained):
    """`LinUCB` after some sessions, all users taking turns.

    Args:
        users: see `SimulatorTrained`.
        sessions: to learn from, at least 1.
        seed: of the sessions.
    """

    def __init__(self, users: UsersOf, sessions: int = 1_000, seed: int = 0) -> None:
        super().__init__(users)
        if sessions < 1:
            raise ValueError(f"sessions must be at least 1, got {sessions}")
        self.sessions = sessions
        self.seed = seed

    @property
    def name(self) -> str:
        """A short name for tables."""
        return "LinUCB"

    def learn(self, world: World) -> Recommender:
        """One update of the regression after each step of 256 sessions side by side."""
        bandit = LinUCB(opinions())
        bandit.fit(world.train, world.dataset.catalogue)
        n_users = world.train.n_users
        users = min(self.sessions, n_users)
        plan = SessionPlan.draw(n_users, users=users, episodes_per_user=-(-self.sessions // users), seed=self.seed)
        simulate(bandit, world, plan, rows=256, in_place=True)
        return bandit


class SimulatorTrainedPPO(SimulatorTrained):
    """A policy trained by PPO (Schulman et al., arXiv 1707.06347) that says how to weigh the opinions.

    Actions are decoded by `WeightedFeatures`, as in `personagym policies`; here training takes a fraction of the steps.

    Args:
        users: see `SimulatorTrained`.
        steps: user-steps of training, at least 1.
        envs: users side by side.
        seed: of policy and sessions.

    Raises:
        ImportError: Stable-Baselines3 is not installed.
    """

    def __init__(self, users: UsersOf, steps: int = 100_000, envs: int = 64, seed: int = 0) -> None:
        super().__init__(users)
        if steps < 1 or envs < 1:
            raise ValueError(f"steps and envs must be at least 1, got {steps} and {envs}")
        self.steps = steps
        self.envs = envs
        self.seed = seed

    @property
    def name(self) -> str:
        """A short name for tables."""
        return "PPO"

    def learn(self, world: World) -> Recommender:
        """Train, and take the most likely actions from then on."""
        # Here, because they import torch, which no other recommender of this package needs.
        from personagym_recommenders.rl.ppo import make_ppo
        from personagym_recommenders.rl.sb3_recommender import SB3Recommender

        decoder = WeightedFeatures(opinions()).fit(world.train, world.dataset.catalogue)
        model = make_ppo(world, decoder, envs=self.envs, seed=self.seed)
        model.learn(self.steps)
        return SB3Recommender(model.policy, decoder)


def opinions() -> CandidateFeatures:
    """Those of recommenders that stand in the registry themselves."""
    return CandidateFeatures([MostPopular(), BestRated(), ItemKNN(), EASE()])
