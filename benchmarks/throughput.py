"""User-steps per second of the environment: one decision of one user is one step.

`python benchmarks/throughput.py` steps the vector environment with random slates, classical users and the bundled
language-model users, and writes medians and spread over repeats.
"""

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

from personagym_env.evaluation.leaderboard import write_atomically
from personagym_env.evaluation.snapshot import environment_snapshot
from personagym_env.vector_env import PersonaRecVectorEnv
from personagym_env.world import World, make_world

RESULTS = Path(__file__).parent / "results"


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


def measure(world: World, name: str, envs: int, args: Args) -> Rate:
    """Step with random slates, resets included, as training does."""
    env = PersonaRecVectorEnv(world, envs, args.slate_size)
    env.reset(seed=0)
    slates = np.random.default_rng(0).integers(0, len(world.dataset.catalogue), (32, envs, args.slate_size))
    rates = []
    for repeat in range(args.repeats + 1):
        steps, begin = 0, time.perf_counter()
        while time.perf_counter() - begin < args.seconds:
            env.step(slates[steps % len(slates)])
            steps += 1
        if repeat:  # the first one warms up
            rates.append(steps * envs / (time.perf_counter() - begin))
    return Rate(name, envs, float(np.median(rates)), min(rates), max(rates))


def main(args: Args) -> None:
    """Measure, print and write."""
    console = Console()
    table = Table("users", "environments", "user-steps/s", "lowest", "highest", title=f"slate {args.slate_size}")
    rates = []
    for name, sizes in (("mf", args.classical_envs), ("persona", args.language_envs)):
        world = make_world(args.dataset, name)
        for envs in sizes:
            rate = measure(world, name, envs, args)
            rates.append(rate)
            table.add_row(name, str(envs), f"{rate.median:,.0f}", f"{rate.low:,.0f}", f"{rate.high:,.0f}")
    console.print(table)
    result = {"snapshot": environment_snapshot(), "slate_size": args.slate_size, "rates": [asdict(r) for r in rates]}
    write_atomically(args.output, json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main(tyro.cli(Args))
