"""User-steps per second of the environment: one decision of one user is one step.

`python benchmarks/speed/throughput.py` steps the vector environment with random slates, classical users and the bundled
language-model users, and writes medians and spread over repeats, and where the time goes. Where SARDINE is installed
(`pip install sardine-rec`) its environment with slates of ten out of 1,000 items runs beside them. RecSim 0.2.4 does
not: it needs a part of TensorFlow that is gone since 2.16, and no older one fits Python 3.12 and NumPy 2.

Frozen users take turns with the classical ones, with a table that is full; it does not matter to a look-up who filled
it, so classical users have. How fast they are while language-model users fill their table is measured with slates out
of few items, as policies show, step by step from an empty table on.
"""

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import cycle
from pathlib import Path

import gymnasium as gym
import numpy as np
import tyro

from personagym_agents.classical.static_cached import StaticCachedUsers
from personagym_agents.inference.thread_pool import one_thread
from personagym_benchmarks.console import make_console
from personagym_env.evaluation.core.interleaved_timing import CLOCKS, Clock, TimedCall, interleaved_rates
from personagym_env.evaluation.core.result_file import recorded
from personagym_env.evaluation.core.snapshot import environment_snapshot
from personagym_env.evaluation.core.time_shares import time_shares
from personagym_env.evaluation.reporting.terminal import rich_table
from personagym_env.protocols import UserAgent
from personagym_env.vector_env import PersonaRecVectorEnv
from personagym_env.world import World, make_world
from speed.results import Filling, FillingStep, Frozen, Ratio, StepRate, Throughput
from speed.tables import throughput_table

SARDINE = "sardine:sardine/SlateTopK-Bored-v0"
"""Its environment whose slates are of ten places."""


@dataclass(frozen=True)
class Args:
    """What to measure."""

    dataset: str = "ml-100k"
    slate_size: int = 10
    language_envs: tuple[int, ...] = (1, 16, 64, 256)
    """Environments side by side with the language-model users."""
    classical_envs: tuple[int, ...] = (1, 64, 1024, 4096)
    """Environments side by side with the classical users."""
    frozen_envs: int = 1024
    """Environments side by side with frozen users."""
    filling_items: int = 100
    """Items, those with most training ratings, that slates are drawn from while a table fills."""
    filling_steps: int = 60
    """Steps of all environments from an empty table on."""
    repeats: int = 5
    seconds: float = 2.0
    """Length of one repeat at least."""
    clock: Clock = "wall"
    """Which seconds; `processor` with one thread where other programs keep the machine busy."""
    output: Path = Path("runs/throughput.json")


LANGUAGE_USERS = ("persona", "persona-fast")


def as_rates(taken: Mapping[str, list[float]], envs: int) -> list[StepRate]:
    """Medians and spread."""
    return [StepRate(name, envs, float(np.median(rates)), min(rates), max(rates)) for name, rates in taken.items()]


def stepping(world: World, envs: int, args: Args) -> TimedCall:
    """Steps with random slates, resets included, as training does."""
    env = PersonaRecVectorEnv(world, envs, args.slate_size)
    env.reset(seed=0)
    slates = cycle(np.random.default_rng(0).integers(0, len(world.dataset.catalogue), (32, envs, args.slate_size)))

    def work() -> int:
        env.step(next(slates))
        return envs

    return work


def stepping_sardine() -> TimedCall:
    """The same of SARDINE's environment, which has one user."""
    env: gym.Env[object, object] = gym.make(SARDINE)
    env.reset(seed=0)
    slates = cycle(np.random.default_rng(0).integers(0, 1000, (32, 10)))

    def work() -> int:
        _, _, terminated, truncated, _ = env.step(next(slates))
        if terminated or truncated:
            env.reset()
        return 1

    return work


def known_in_full(agent: UserAgent) -> StaticCachedUsers:
    """The users with a table that holds all their answers."""
    frozen = StaticCachedUsers(agent)
    rows = np.arange(frozen.n_users)
    sessions = frozen.open(len(rows))
    sessions.start(rows, rows)
    for item in range(frozen.n_items):
        sessions.react(rows, np.full((len(rows), 1), item))
    return frozen


def filling(world: World, args: Args) -> Filling:
    """Steps of frozen users whose table is empty at first."""
    frozen, rng = StaticCachedUsers(world.agent), np.random.default_rng(0)
    counts = np.bincount(world.train.items, minlength=frozen.n_items)
    shown = np.argsort(-counts, kind="stable")[: args.filling_items]
    env = PersonaRecVectorEnv(replace(world, agent=frozen), args.frozen_envs, args.slate_size)
    env.reset(seed=0)
    now, steps = CLOCKS[args.clock], []
    for _ in range(args.filling_steps):
        known = float(frozen.known.reshape(frozen.n_users, -1)[:, shown].mean())
        slates = shown[np.argsort(rng.random((args.frozen_envs, len(shown))), axis=1)[:, : args.slate_size]]
        begin = now()
        env.step(slates)
        steps.append(FillingStep(known, args.frozen_envs / (now() - begin)))
    return Filling(world.agent.name, args.filling_items, tuple(steps))


def classical(world: World, args: Args) -> tuple[list[StepRate], Ratio]:
    """Rates of classical users, and how many times as fast they are once frozen: median, lowest, highest."""
    name, frozen = world.agent.name, f"frozen {world.agent.name}, table full"
    rates: list[StepRate] = []
    times = np.empty(0)
    for envs in sorted({*args.classical_envs, args.frozen_envs}):
        ways = {name: stepping(world, envs, args)}
        if envs == args.frozen_envs:
            ways[frozen] = stepping(replace(world, agent=known_in_full(world.agent)), envs, args)
        taken = interleaved_rates(ways, args.repeats, args.seconds, args.clock)
        if frozen in taken:
            times = np.array(taken[frozen]) / np.array(taken[name])
        rates += as_rates(taken, envs)
    return rates, Ratio(float(np.median(times)), float(times.min()), float(times.max()))


def main(args: Args) -> None:
    """Measure, print and write."""
    console = make_console()
    worlds = {name: make_world(args.dataset, name) for name in ("mf", *LANGUAGE_USERS)}
    rates, times = classical(worlds["mf"], args)
    for envs in args.language_envs:
        ways = {name: stepping(worlds[name], envs, args) for name in LANGUAGE_USERS}
        rates += as_rates(interleaved_rates(ways, args.repeats, args.seconds, args.clock), envs)
    profiles = {}
    for name, envs in (("mf", args.classical_envs[-1]), ("persona", args.language_envs[-1])):
        step = stepping(worlds[name], envs, args)
        with one_thread():
            step()
            profiles[f"{name}, {envs} environments"] = time_shares(step)
    steps = filling(worlds["persona"], args)
    if importlib.util.find_spec("sardine") is None:
        console.print("SARDINE is not installed, so it does not run beside: pip install sardine-rec")
    else:
        rates += as_rates(interleaved_rates({"SARDINE": stepping_sardine()}, args.repeats, args.seconds, args.clock), 1)
    found = Throughput(
        rates=tuple(rates),
        frozen=Frozen(args.frozen_envs, times, steps),
        profiles=profiles,
        setting=recorded(args),
        environment=environment_snapshot(),
        benchmarks={args.dataset: worlds["persona"].benchmark},
    )
    console.print(rich_table(throughput_table(found)))
    console.print("frozen users with a full table are {:.2f} ({:.2f}..{:.2f}) times as fast".format(*times))
    for one in steps.steps:
        console.print(f"{one.known:6.1%} known: {one.user_steps:,.0f} user-steps/s")
    for what, shares in profiles.items():
        console.print(what, {name: f"{share:.0%}" for name, share in shares.items()})
    found.save(args.output)


if __name__ == "__main__":
    main(tyro.cli(Args))
