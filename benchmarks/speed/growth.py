"""Time per user-step and memory per user of the environment's core, from a hundred users to a million.

`python benchmarks/speed/growth.py` gives every user of a synthetic log an environment of its own and steps them all.
The users are a crowd without memory, so that what grows is the environment itself: sessions, diaries, observations, and
the log with what is looked up in it. Each size is timed in one process of its own and its memory counted, allocation by
allocation, in another, since counting takes time. Where the time of a step goes is told for the largest size.
"""

import tracemalloc
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tyro

from personagym_benchmarks.console import make_console
from personagym_env.data.sources import load_dataset
from personagym_env.data.tables import Catalogue, Dataset, FloatArray, IntArray, Interactions, Users
from personagym_env.evaluation.core.interleaved_timing import CLOCKS, Clock
from personagym_env.evaluation.core.result_file import recorded
from personagym_env.evaluation.core.snapshot import environment_snapshot
from personagym_env.evaluation.core.time_shares import time_shares
from personagym_env.evaluation.reporting.terminal import rich_table
from personagym_env.protocols import Reaction
from personagym_env.session.parameters import SessionParameters
from personagym_env.vector_env import PersonaRecVectorEnv
from personagym_env.world import World
from speed.results import Growth, GrowthProfile, Size
from speed.tables import growth_table

SCALE = (1.0, 2.0, 3.0, 4.0, 5.0)
STEPS = 3
"""Steps of a measurement at least."""


@dataclass(frozen=True)
class Args:
    """What to measure."""

    dataset: str = "ml-100k"
    """Whose catalogue it is."""
    users: tuple[int, ...] = (100, 1_000, 10_000, 100_000, 1_000_000)
    rows: int = 20
    """Training rows of each user."""
    slate_size: int = 10
    clock: Clock = "wall"
    """Which seconds; `processor` with one thread where other programs keep the machine busy."""
    seconds: float = 3.0
    """Length of a measurement at least; `STEPS` steps at least."""
    output: Path = Path("runs/growth.json")


class Times(NamedTuple):
    """Microseconds per user."""

    step_us: float
    """Of a step."""
    reset_us: float
    """Of the first reset, which makes a generator from each environment's seed."""


class Memory(NamedTuple):
    """Mebibytes beyond what the program holds before it makes the log."""

    held_mb: float
    """After some steps: log, what is looked up in it, sessions, the last observation and info."""
    peak_mb: float
    """The most at any time."""


@dataclass(frozen=True, eq=False)
class Crowd:
    """Users who all want what is popular and rate it alike."""

    choice_probability: FloatArray
    """(m,) float32."""
    n_users: int
    name: str = "crowd"
    scale: tuple[float, ...] = SCALE

    @property
    def n_items(self) -> int:
        """Items of the catalogue."""
        return len(self.choice_probability)

    def open(self, n: int) -> "Crowd":
        """A crowd remembers no session."""
        return self

    def start(self, rows: IntArray, users: IntArray) -> None:
        """Nothing to remember."""

    def react(self, rows: IntArray, slates: IntArray) -> Reaction:
        """The same for everybody."""
        rating = np.broadcast_to(np.float32(1 / len(SCALE)), (*slates.shape, len(SCALE)))
        return Reaction(self.choice_probability[slates], rating)

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


def crowded(users: int, args: Args) -> PersonaRecVectorEnv:
    """An environment for each of so many users."""
    catalogue = load_dataset(args.dataset).catalogue
    log = synthetic_log(users, catalogue, args.rows)
    dataset = Dataset("synthetic", catalogue, Users(tuple(map(str, range(users)))), log)
    choice_probability = np.random.default_rng(0).random(len(catalogue), np.float32)
    return PersonaRecVectorEnv(
        World(dataset, log, Crowd(choice_probability, users), SessionParameters()), users, args.slate_size
    )


def random_slates(env: PersonaRecVectorEnv, args: Args) -> IntArray:
    """(2, n, k) slates to show in turns."""
    m = len(env.world.dataset.catalogue)
    return np.random.default_rng(0).integers(0, m, (2, env.num_envs, args.slate_size))


def measure_times(users: int, args: Args) -> Times:
    """One size's, to be called in a process of its own."""
    env, now = crowded(users, args), CLOCKS[args.clock]
    begin = now()
    env.reset(seed=0)
    reset = now() - begin
    slates = random_slates(env, args)
    env.step(slates[0])
    steps, begin = 0, now()
    while steps < STEPS or now() - begin < args.seconds:
        env.step(slates[steps % len(slates)])
        steps += 1
    return Times(1e6 * (now() - begin) / steps / users, 1e6 * reset / users)


def measure_memory(users: int, args: Args) -> Memory:
    """One size's, to be called in a process of its own."""
    load_dataset(args.dataset)  # what it imports, and keeps, is not the users'
    tracemalloc.start()
    env = crowded(users, args)
    env.reset(seed=0)
    slates = random_slates(env, args)
    for step in range(STEPS):
        answer = env.step(slates[step % len(slates)])
    held, peak = (count - slates.nbytes for count in tracemalloc.get_traced_memory())
    del answer
    tracemalloc.stop()
    return Memory(held / 2**20, peak / 2**20)


def profile(users: int, args: Args) -> dict[str, float]:
    """The five functions with most of a step's time, to be called in a process of its own."""
    env = crowded(users, args)
    env.reset(seed=0)
    slates = random_slates(env, args)
    env.step(slates[0])
    return time_shares(lambda: env.step(slates[1]))


def size_of(users: int, times: Times, memory: Memory, smaller: Size | None) -> Size:
    """What one size took, beside the next smaller one."""
    further = None
    if smaller is not None:
        further = 1024 * (memory.held_mb - smaller.held_mb) / (users - smaller.users)
    return Size(users, *times, *memory, memory_kb=1024 * memory.held_mb / users, further_kb=further)


def main(args: Args) -> None:
    """Measure, print and write."""
    sizes: list[Size] = []
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        for users in args.users:
            times = pool.submit(measure_times, users, args).result()
            memory = pool.submit(measure_memory, users, args).result()
            sizes.append(size_of(users, times, memory, sizes[-1] if sizes else None))
        shares = pool.submit(profile, args.users[-1], args).result()
    found = Growth(
        sizes=tuple(sizes),
        profile=GrowthProfile(args.users[-1], shares, next(iter(shares))),
        setting=recorded(args),
        environment=environment_snapshot(),
    )
    console = make_console()
    console.print(rich_table(growth_table(found)))
    for name, share in shares.items():
        console.print(f"{share:6.1%} {name}")
    found.save(args.output)


if __name__ == "__main__":
    main(tyro.cli(Args))
