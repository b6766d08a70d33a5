"""What a Ray cluster costs and gives: `python benchmarks/speed/scale.py`, with the extra `scale`.

The same log is collected by one worker and by several, on a cluster of this machine's cores, and has to come out with
the same bytes. Seconds are told of the wall and of the processors that worked: on a machine that does other things too,
only the second ones say what a cluster adds to the work. A log of a million sessions of 20 decisions, whose users never
leave, is collected once, and tells how much memory that takes and when the first part of it is on the disk.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import tyro

from personagym_benchmarks.console import make_console
from personagym_env.evaluation.core.result_file import recorded
from personagym_env.evaluation.core.snapshot import environment_snapshot
from personagym_env.evaluation.reporting.terminal import rich_table
from personagym_env.logs.collect import collect
from personagym_env.logs.sessions import open_log
from personagym_env.workers import Workers, ray_workers
from personagym_env.world import World, make_world
from personagym_recommenders import EASE
from personagym_recommenders.stochastic.plackett_luce import PlackettLuce
from speed.machine_results import Clocked, LongLog, Scale, Scaled
from speed.process_memory import resident_and_private_mb, watched
from speed.tables import scale_table


@dataclass(frozen=True)
class Args:
    """What to measure."""

    dataset: str = "ml-100k"
    classical: int = 98_304
    """Sessions with factor-model users."""
    language: int = 1_024
    """Sessions with persona users; 0 for none."""
    classical_part: tuple[int, int] = (1_024, 8)
    language_part: tuple[int, int] = (64, 2)
    """Sessions of a part: side by side, and of each of these one after the other. There are enough parts for all."""
    long_log: int = 1_000_000
    """Sessions of factor-model users, who all stay for the longest; 0 for none."""
    longest: int = 20
    """Decisions of the longest session."""
    slate_size: int = 5
    candidates: int = 100
    workers: int = 2
    output: Path = Path("runs/scale.json")


@dataclass
class Measured:
    """Workers whose pieces tell what they took."""

    workers: Workers
    seconds: float = 0.0
    """Of processors."""
    worker_mb: tuple[float, float] = (0.0, 0.0)
    """The largest worker process."""
    began: float = 0.0
    """`time.perf_counter` before the first piece."""

    def done(self, work: Callable[[Any, Any], Any], shared: Any, tasks: Sequence[Any]) -> Iterator[tuple[int, Any]]:
        """See `Workers.done`."""
        for number, (result, seconds, memory) in self.workers.done(_measured, (work, shared), tasks):
            self.seconds += seconds
            self.worker_mb = max(self.worker_mb, memory)
            yield number, result


def _measured(what: tuple[Callable[[Any, Any], Any], Any], task: Any) -> tuple[Any, float, tuple[float, float]]:
    work, shared = what
    begin = time.process_time()
    result = work(shared, task)
    return result, time.process_time() - begin, resident_and_private_mb()


def collected(
    world: World, policy: PlackettLuce, folder: Path, sessions: int, part: tuple[int, int], args: Args, workers: int
) -> tuple[Clocked, Measured]:
    """Collect a log with so many workers."""
    with ray_workers("local", workers) as cluster:
        measured = Measured(cluster)
        list(measured.done(_nothing, None, range(2 * workers)))  # processes are started, and have imported
        measured.seconds, measured.began = 0.0, time.perf_counter()
        collect(
            policy,
            world,
            folder,
            episodes=sessions,
            policy_fingerprint="",
            slate_size=args.slate_size,
            max_episode_steps=args.longest,
            rows=part[0],
            episodes_per_row=part[1],
            workers=measured,
        )
        return Clocked(time.perf_counter() - measured.began, measured.seconds), measured


def never_leaving(world: World) -> World:
    """The world, but nobody leaves before the longest session ends."""
    leaving = replace(world.parameters.leaving, intercept=-1e3, satisfaction_weight=0.0, duration_weight=0.0)
    return replace(world, parameters=replace(world.parameters, leaving=leaving))


def long_log(args: Args) -> LongLog:
    """Collect many sessions of the longest length."""
    world = never_leaving(make_world(args.dataset, "mf"))
    policy = PlackettLuce(EASE(), candidates=args.candidates).fit(world.train, world.dataset.catalogue)
    folder = Path(tempfile.mkdtemp(prefix="scale-"))
    try:
        with watched(folder) as watch:
            part = args.classical_part
            took, measured = collected(world, policy, folder, args.long_log, part, args, args.workers)
        size = sum(path.stat().st_size for path in folder.iterdir())
        decisions = len(open_log(folder))
        first = (watch.first_part or time.perf_counter()) - measured.began
        return LongLog("mf", args.long_log, decisions, size, args.workers, took, first, watch.peak_gb)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _nothing(shared: None, task: int) -> int:
    import personagym_env.logs.collect  # noqa: F401 - every process imports once

    return task


def digest(folder: Path) -> str:
    """Of all files."""
    total = sha256()
    for path in sorted(folder.iterdir()):
        total.update(path.name.encode() + path.read_bytes())
    return total.hexdigest()


def scaled(users: str, sessions: int, part: tuple[int, int], args: Args) -> Scaled:
    """One worker against several.

    Raises:
        RuntimeError: they collected other logs.
    """
    world = make_world(args.dataset, users)
    policy = PlackettLuce(EASE(), candidates=args.candidates).fit(world.train, world.dataset.catalogue)
    place = Path(tempfile.mkdtemp(prefix="scale-"))
    try:
        one, _ = collected(world, policy, place / "one", sessions, part, args, 1)
        several, measured = collected(world, policy, place / "several", sessions, part, args, args.workers)
        if digest(place / "one") != digest(place / "several"):
            raise RuntimeError(f"{args.workers} workers collected another log of {users} users than one")
        size = sum(path.stat().st_size for path in (place / "one").iterdir())
        decisions = len(open_log(place / "one"))
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return Scaled(users, sessions, decisions, size, args.workers, one, several, measured.worker_mb)


def overhead() -> tuple[float, float]:
    """Seconds that Ray takes to start, and that a job of one piece takes then."""
    begin = time.perf_counter()
    with ray_workers("local", 1) as workers:
        started = time.perf_counter()
        list(workers.done(_nothing, None, [0]))
        return started - begin, time.perf_counter() - started


def main(args: Args) -> None:
    """Measure, print and write."""
    os.environ["OMP_NUM_THREADS"] = "1"  # of the workers, as Ray sets it
    start, smallest = overhead()
    runs = [scaled("mf", args.classical, args.classical_part, args)]
    if args.language:
        runs.append(scaled("persona", args.language, args.language_part, args))
    found = Scale(
        runs=tuple(runs),
        long_log=long_log(args) if args.long_log else None,
        start_seconds=start,
        smallest_job_seconds=smallest,
        setting=recorded(args),
        environment=environment_snapshot(),
    )
    console = make_console()
    console.print(rich_table(scale_table(found)))
    console.print(f"Ray starts in {start:.1f} s; a job of one piece takes {smallest:.1f} s")
    if (log := found.long_log) is not None:
        console.print(f"{log.decisions:,} decisions of {log.sessions:,} sessions, {log.file_bytes / 2**30:.2f} GiB:")
        console.print(f"{log.took.passed:.0f} s by the wall, {log.took.processor:.0f} s of processors on its parts")
        console.print(f"first part after {log.first_part:.1f} s; {log.peak_gb:.1f} GiB of memory at most")
    found.save(args.output)


if __name__ == "__main__":
    main(tyro.cli(Args))
