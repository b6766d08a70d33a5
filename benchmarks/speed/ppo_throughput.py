"""How much faster Stable-Baselines3's PPO trains on the vector environment than on `DummyVecEnv` over single ones.

`python benchmarks/speed/ppo_throughput.py` lets the same PPO learn, end to end, from the same sessions twice: all users
in one call through `SB3VecEnv`, and a loop over `PersonaRecEnv` through `DummyVecEnv`. The two take turns within one
run, so that a busy machine slows both; what counts is their ratio. The time of an update is told apart from that of the
rollouts, because both ways share it.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np
import torch
import tyro
from gymnasium.wrappers import FilterObservation
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

from personagym_benchmarks.console import make_console
from personagym_env.env import PersonaRecEnv
from personagym_env.evaluation.core.result_file import recorded
from personagym_env.evaluation.core.snapshot import environment_snapshot
from personagym_env.evaluation.core.time_shares import time_shares
from personagym_env.evaluation.reporting.terminal import rich_table
from personagym_env.vector_env import PersonaRecVectorEnv
from personagym_env.world import World, make_world
from personagym_env.wrappers import StepAsVector
from personagym_recommenders import NearestItems, VectorDecodeAction
from personagym_recommenders.rl.action_wrappers import DecodeAction
from personagym_recommenders.rl.sb3_features import NEEDED, SessionFeatures
from personagym_recommenders.rl.sb3_vec_env import SB3VecEnv
from speed.results import PPOComparison, PPOProfile, PPOThroughput, Ratio, Way
from speed.tables import ppo_table


@dataclass(frozen=True)
class Args:
    """What to measure."""

    dataset: str = "ml-100k"
    """A name or path that `load_dataset` takes."""
    users: str = "mf"
    """Who reacts."""
    slate_size: int = 10
    dimensions: int = 16
    """Of the continuous action, which is answered by its nearest items."""
    envs: tuple[int, ...] = (64, 256, 1024)
    """Environments side by side."""
    rollout: int = 16
    """Steps of each environment between two updates."""
    epochs: int = 4
    """Passes over the rollout in an update."""
    batch: int = 2048
    repeats: int = 5
    """Rollouts with their updates, each way."""
    output: Path = Path("runs/ppo_throughput.json")


class Stopwatch(BaseCallback):
    """Adds up how long rollouts take."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0
        self.begin = 0.0

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        self.begin = time.perf_counter()

    def _on_rollout_end(self) -> None:
        self.seconds += time.perf_counter() - self.begin


def environments(way: Way, world: World, n: int, args: Args) -> VecEnv:
    """N environments with the same decoder and the same parts of the observation."""
    decoder = NearestItems(args.dimensions).fit(world.train, world.dataset.catalogue)
    if way == "SB3VecEnv":
        users = PersonaRecVectorEnv(world, n, args.slate_size, autoreset_mode="SameStep")
        return SB3VecEnv(VectorDecodeAction(users, decoder), parts=NEEDED)

    def one() -> FilterObservation:
        users = PersonaRecEnv(world, args.slate_size)
        return FilterObservation(StepAsVector(DecodeAction(users, decoder)), NEEDED)

    return DummyVecEnv([one] * n)


def learner(way: Way, world: World, n: int, args: Args) -> PPO:
    """PPO, warmed up by one rollout and update."""
    model = PPO(
        "MultiInputPolicy",
        environments(way, world, n, args),
        n_steps=args.rollout,
        batch_size=min(args.batch, args.rollout * n),
        n_epochs=args.epochs,
        seed=0,
        device="cpu",
        policy_kwargs={
            "features_extractor_class": SessionFeatures,
            "features_extractor_kwargs": {"item_genres": world.dataset.catalogue.genre_shares},
            "net_arch": [64, 64],
        },
    )
    return model.learn(args.rollout * n)


def learn(model: PPO, args: Args) -> tuple[float, float]:
    """Seconds of one rollout, and of it and its update together."""
    watch, begin = Stopwatch(), time.perf_counter()
    model.learn(args.rollout * model.n_envs, callback=watch, reset_num_timesteps=False)
    return watch.seconds, time.perf_counter() - begin


def compare(world: World, n: int, args: Args) -> PPOComparison:
    """Both ways in turns."""
    models: dict[Way, PPO] = {way: learner(way, world, n, args) for way in get_args(Way)}
    taken = {way: np.zeros((args.repeats, 2)) for way in models}
    for repeat in range(args.repeats):
        for way, model in models.items():
            taken[way][repeat] = learn(model, args)
    ours, theirs = taken["SB3VecEnv"], taken["DummyVecEnv"]
    ratios = theirs / ours
    return PPOComparison(
        envs=n,
        user_steps={way: args.rollout * n / float(np.median(seconds[:, 1])) for way, seconds in taken.items()},
        ratio=Ratio(float(np.median(ratios[:, 1])), float(ratios[:, 1].min()), float(ratios[:, 1].max())),
        rollout_ratio=float(np.median(ratios[:, 0])),
        update_share={way: float(1 - seconds[:, 0].sum() / seconds[:, 1].sum()) for way, seconds in taken.items()},
    )


def main(args: Args) -> None:
    """Measure, print and write."""
    torch.set_num_threads(1)
    console = make_console()
    world = make_world(args.dataset, args.users)
    comparisons = tuple(compare(world, n, args) for n in args.envs)
    model = learner("SB3VecEnv", world, args.envs[-1], args)
    found = PPOThroughput(
        comparisons=comparisons,
        profile=PPOProfile(args.envs[-1], time_shares(lambda: learn(model, args))),
        setting=recorded(args),
        environment=environment_snapshot(),
        benchmarks={args.dataset: world.benchmark},
    )
    console.print(rich_table(ppo_table(found)))
    for name, share in found.profile.time_shares.items():
        console.print(f"{share:6.1%} {name}")
    found.save(args.output)


if __name__ == "__main__":
    main(tyro.cli(Args))
