"""Time per user-step and memory per user of the environment's core, from a hundred users to a million.

`python benchmarks/growth.py` gives every user of a synthetic log an environment of its own and steps them all, each
size in a process of its own. The users are a crowd without memory, so that what grows is the environment itself:
sessions, diaries, observations, and the log with what is looked up in it.
"""

import json
import resource
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

from personagym_env.data.sources import load_dataset
from personagym_env.data.tables import Catalogue, Dataset, FloatArray, IntArray, Interactions, Users
from personagym_env.evaluation.result_file import write_atomically
from personagym_env.evaluation.snapshot import environment_snapshot
from personagym_env.protocols import Reaction
from personagym_env.session.parameters import SessionParameters
from personagym_env.vector_env import PersonaRecVectorEnv
from personagym_env.world import World

SCALE = (1.0, 2.0, 3.0, 4.0, 5.0)


@dataclass(frozen=True)
class Args:
    """What to measure."""

    dataset: str = "ml-100k"
    """Whose catalogue it is."""
    users: tuple[int, ...] = (100, 1_000, 10_000, 100_000, 1_000_000)
    rows: int = 20
    """Training rows of each user."""
    slate_size: int = 10
    seconds: float = 3.0
    """Length of a measurement at least; three steps at least."""
    output: Path = Path(__file__).parent / "results" / "growth.json"


@dataclass(frozen=True)
class Size:
    """What one size took."""

    users: int
    step_us: float
    """Microseconds per user-step."""
    reset_us: float
    """Microseconds per user of the first reset, which makes a generator from each environment's seed."""
    memory_kb: float
    """Kilobytes per user at the peak, beyond what the program holds before it makes the log."""


@dataclass(frozen=True, eq=False)
class Crowd:
    """Users who all want what is popular and rate it alike."""

    want: FloatArray
    """(m,) float32."""
    n_users: int
    name: str = "crowd"
    scale: tuple[float, ...] = SCALE

    @property
    def n_items(self) -> int:
        """Items of the catalogue."""
        return len(self.want)

    def open(self, n: int) -> "Crowd":
        """A crowd remembers no session."""
        return self

    def start(self, rows: IntArray, users: IntArray) -> None:
        """Nothing to remember."""

    def react(self, rows: IntArray, slates: IntArray) -> Reaction:
        """The same for everybody."""
        rating = np.broadcast_to(np.float32(1 / len(SCALE)), (*slates.shape, len(SCALE)))
        return Reaction(self.want[slates], rating)

    def consume(self, rows: IntArray, items: IntArray, ratings: IntArray) -> None:
        """Nothing to remember."""


def synthetic_log(users: int, catalogue: Catalogue, rows: int) -> Interactions:
    """Each user rates `rows` distinct items a minute apart."""
    rng = np.random.default_rng(0)
    m = len(catalogue)
    first, stride = rng.integers(m, size=(users, 1)), rng.integers(1, m // rows, size=(users, 1))
    items = (first + stride * np.arange(rows)) % m
    return Interactions(
        users=np.repeat(np.arange(users), rows),
        items=items.ravel(),
        ratings=rng.choice(SCALE, users * rows),
        timestamps=np.tile(60 * np.arange(rows), users),
        n_users=users,
        n_items=m,
        scale=SCALE,
    )


def _peak_kb() -> float:
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def measure(users: int, args: Args) -> Size:
    """One size; to be called in a process of its own, whose peak memory is then its own."""
    catalogue = load_dataset(args.dataset).catalogue
    before = _peak_kb()
    log = synthetic_log(users, catalogue, args.rows)
    dataset = Dataset("synthetic", catalogue, Users(tuple(map(str, range(users)))), log)
    want = np.random.default_rng(0).random(len(catalogue), np.float32)
    env = PersonaRecVectorEnv(World(dataset, log, Crowd(want, users), SessionParameters()), users, args.slate_size)
    begin = time.perf_counter()
    env.reset(seed=0)
    reset = time.perf_counter() - begin
    slates = np.random.default_rng(0).integers(0, len(catalogue), (2, users, args.slate_size))
    env.step(slates[0])
    steps, begin = 0, time.perf_counter()
    while steps < 3 or time.perf_counter() - begin < args.seconds:
        env.step(slates[steps % len(slates)])
        steps += 1
    step = (time.perf_counter() - begin) / steps
    return Size(users, 1e6 * step / users, 1e6 * reset / users, (_peak_kb() - before) / users)


def main(args: Args) -> None:
    """Measure, print and write."""
    sizes = []
    table = Table("users", "µs per user-step", "µs per reset", "kB per user", title=f"slate {args.slate_size}")
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        for users in args.users:
            size = pool.submit(measure, users, args).result()
            sizes.append(size)
            table.add_row(
                *(f"{value:,.{digits}f}" for value, digits in zip(asdict(size).values(), (0, 1, 1, 1), strict=True))
            )
    Console().print(table)
    result = {"snapshot": environment_snapshot(), "rows": args.rows, "sizes": [asdict(size) for size in sizes]}
    write_atomically(args.output, json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main(tyro.cli(Args))
