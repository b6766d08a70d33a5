"""A policy is trained by PPO, and its learning curve measured on users and random draws that stay the same."""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import cast

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback

from personagym_benchmarks.policies.settings import PolicySettings
from personagym_env.evaluation.core.result_file import Result
from personagym_env.evaluation.core.simulate import SessionPlan, simulate
from personagym_env.evaluation.core.snapshot import environment_snapshot
from personagym_env.evaluation.core.statistics import Interval, interval, user_resamples
from personagym_env.protocols import Recommender
from personagym_env.run_context import RunContext
from personagym_env.world import World
from personagym_recommenders import CandidateFeatures, ScoringRecommender, WeightedFeatures, load_recommender
from personagym_recommenders.rl.ppo import make_ppo
from personagym_recommenders.rl.sb3_recommender import SB3Recommender

RESAMPLES = 1_000
"""Of users, behind the intervals of the curve."""
APART = 10_000
"""What the seed of the curve's sessions differs by from that of the training's."""


@dataclass(frozen=True)
class CurvePoint:
    """The policy at one moment of its training."""

    steps: int
    value: Interval
    """Return of a session, undiscounted, of the most likely actions."""


@dataclass(frozen=True, kw_only=True)
class LearningCurve(Result):
    """How a policy came to earn what it earns, beside those whose opinions it weighs."""

    KIND = "learning curve"
    FORMAT = 1
    COMMAND = "personagym policies"

    users: str
    static: Mapping[str, Interval]
    points: tuple[CurvePoint, ...]


class _Judge(BaseCallback):
    """Measures the policy a number of times, evenly spread over the steps of training."""

    def __init__(self, judge: Callable[[int], None], steps: int, count: int) -> None:
        super().__init__()
        self.judge = judge
        self.due = list(np.linspace(0, steps, count))

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        if self.due and self.num_timesteps >= self.due[0]:
            self.due.pop(0)
            self.judge(self.num_timesteps)

    def _on_training_end(self) -> None:
        self._on_rollout_start()


def train_policy(args: PolicySettings, world: World, context: RunContext) -> tuple[SB3Recommender, LearningCurve]:
    """The policy, fitted to the world's rows, and how it learned."""
    settings, n_users, begin = args.training, world.train.n_users, time.perf_counter()
    proposers = {name: cast(ScoringRecommender, load_recommender(name)) for name in args.static}
    decoder = WeightedFeatures(CandidateFeatures(list(proposers.values()), settings.pool))
    decoder.fit(world.train, world.dataset.catalogue)
    model = make_ppo(
        world,
        decoder,
        envs=settings.envs,
        slate_size=args.slate_size,
        rollout=settings.rollout,
        largest_batch=2048,
        seed=settings.seed,
    )
    plan = SessionPlan.draw(n_users, users=min(settings.judges, n_users), seed=settings.seed + APART)
    weights = user_resamples(n_users, RESAMPLES, np.random.default_rng(settings.seed))
    points: list[CurvePoint] = []

    def value(recommender: Recommender) -> Interval:
        played = simulate(recommender, world, plan, slate_size=args.slate_size, rows=settings.envs)
        return interval(played.statistics(n_users)["return"].resampled(weights))

    def judge(steps: int) -> None:
        points.append(CurvePoint(steps, value(SB3Recommender(model.policy, decoder))))
        context.tell(f"{steps:>9,} steps: return {points[-1].value}")

    static = {name: value(recommender) for name, recommender in proposers.items()}
    for name, reference in static.items():
        context.tell(f"{name}: return {reference}")
    with context.bar("train the policy", None):
        model.learn(settings.steps, callback=_Judge(judge, settings.steps, settings.points))
    curve = LearningCurve(
        users=world.agent.name,
        static=static,
        points=tuple(points),
        setting={**asdict(settings), "seconds": round(time.perf_counter() - begin)},
        environment=environment_snapshot(),
        benchmarks={world.dataset.name: world.benchmark},
    )
    return SB3Recommender(model.policy, decoder), curve
