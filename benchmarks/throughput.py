"""User-steps per second of the environment: one decision of one user is one step.

`python benchmarks/throughput.py` steps the vector environment with random slates, classical users and the bundled
language-model users, and writes medians and spread over repeats, and where the time goes. Where SARDINE is installed
(`pip install sardine-rec`) its environment with slates of ten out of 1,000 items runs beside them. RecSim 0.2.4 does
not: it needs a part of TensorFlow that is gone since 2.16, and no older one fits Python 3.12 and NumPy 2.
"""

import importlib.util
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import gymnasium as gym
import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

from personagym_env.evaluation.profiling import time_shares
from personagym_env.evaluation.result_file import write_atomically
from personagym_env.evaluation.snapshot import environment_snapshot
from personagym_env.vector_env import PersonaRecVectorEnv
from personagym_env.world import World, make_world

RESULTS = Path(__file__).parent / "results"
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
    repeats: int = 5
    seconds: float = 2.0
    """Length of one repeat at least."""
    output: Path = RESULTS / "throughput.json"


@dataclass(frozen=True)
class Rate:
    """User-steps per second over repeats."""

    users: str
    envs: int
    median: float
    low: float
    high: float


def measure(step: Callable[[int], object], name: str, envs: int, args: Args) -> Rate:
    """Repeat steps, which are told their number, for so long."""
    rates = []
    for repeat in range(args.repeats + 1):
        steps, begin = 0, time.perf_counter()
        while time.perf_counter() - begin < args.seconds:
            step(steps)
            steps += 1
        if repeat:  # the first one warms up
            rates.append(steps * envs / (time.perf_counter() - begin))
    return Rate(name, envs, float(np.median(rates)), min(rates), max(rates))


def stepping(world: World, envs: int, args: Args) -> Callable[[int], object]:
    """Steps with random slates, resets included, as training does."""
    env = PersonaRecVectorEnv(world, envs, args.slate_size)
    env.reset(seed=0)
    slates = np.random.default_rng(0).integers(0, len(world.dataset.catalogue), (32, envs, args.slate_size))
    return lambda number: env.step(slates[number % len(slates)])


def stepping_sardine() -> Callable[[int], object]:
    """The same of SARDINE's environment, which has one user."""
    env: gym.Env[object, object] = gym.make(SARDINE)
    env.reset(seed=0)
    slates = np.random.default_rng(0).integers(0, 1000, (32, 10))

    def step(number: int) -> None:
        _, _, terminated, truncated, _ = env.step(slates[number % len(slates)])
        if terminated or truncated:
            env.reset()

    return step


def main(args: Args) -> None:
    """Measure, print and write."""
    console = Console()
    table = Table("users", "environments", "user-steps/s", "lowest", "highest", title=f"slate {args.slate_size}")
    rates, profiles = [], {}
    for name, sizes in (("mf", args.classical_envs), ("persona", args.language_envs)):
        world = make_world(args.dataset, name)
        rates += [measure(stepping(world, envs, args), name, envs, args) for envs in sizes]
        step = stepping(world, sizes[-1], args)
        step(0)
        profiles[f"{name}, {sizes[-1]} environments"] = time_shares(partial(step, 1))
    if importlib.util.find_spec("sardine") is None:
        console.print("SARDINE is not installed, so it does not run beside: pip install sardine-rec")
    else:
        rates.append(measure(stepping_sardine(), "SARDINE", 1, args))
    for rate in rates:
        table.add_row(rate.users, str(rate.envs), f"{rate.median:,.0f}", f"{rate.low:,.0f}", f"{rate.high:,.0f}")
    console.print(table)
    for what, shares in profiles.items():
        console.print(what, {name: f"{share:.0%}" for name, share in shares.items()})
    result = {
        "snapshot": environment_snapshot(),
        "slate_size": args.slate_size,
        "rates": [asdict(rate) for rate in rates],
        "profiles": profiles,
    }
    write_atomically(args.output, json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main(tyro.cli(Args))
