"""Decisions per second of `personagym collect`, from fitted recommender to part files on disk.

`python benchmarks/speed/collect.py` lets Plackett-Luce over EASE collect logs from factor-model users, with candidates
and with the whole catalogue, in turns. It tells decisions per second that pass, with parts side by side, and per second
of one processor, which other programs on the machine do not stretch.
"""

import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import tyro

from personagym_benchmarks.console import make_console
from personagym_env.evaluation.core.result_file import recorded
from personagym_env.evaluation.core.snapshot import environment_snapshot
from personagym_env.evaluation.reporting.terminal import rich_table
from personagym_env.logs.collect import ROWS, collect
from personagym_env.logs.sessions import open_log
from personagym_env.workers import ThreadWorkers
from personagym_env.world import World, make_world
from personagym_recommenders import EASE
from personagym_recommenders.stochastic.plackett_luce import PlackettLuce
from speed.machine_results import CollectRate, CollectSpeed
from speed.tables import collect_table


@dataclass(frozen=True)
class Args:
    """What to measure."""

    dataset: str = "ml-100k"
    users: str = "mf"
    candidates: tuple[int, ...] = (100, 0)
    """Items that the recommender draws from; 0 for the whole catalogue."""
    episodes: int = 16_384
    """Of a log with candidates; a quarter with the whole catalogue."""
    slate_size: int = 5
    workers: int = 2
    """Parts that are played side by side."""
    repeats: int = 3
    output: Path = Path("runs/collect.json")


def collected(policy: PlackettLuce, world: World, episodes: int, args: Args) -> tuple[float, float]:
    """Decisions per second that passes, and per second of a processor, of one log."""
    folder = Path(tempfile.mkdtemp(prefix="collect-"))
    rows = min(ROWS, max(1, episodes // args.workers))
    try:
        passed, spent = time.perf_counter(), time.process_time()
        collect(
            policy,
            world,
            folder,
            episodes=episodes,
            policy_fingerprint="",
            slate_size=args.slate_size,
            rows=rows,
            episodes_per_row=max(1, episodes // (args.workers * rows)),
            workers=ThreadWorkers(args.workers),
        )
        passed, spent = time.perf_counter() - passed, time.process_time() - spent
        decisions = len(open_log(folder))
    finally:
        shutil.rmtree(folder)
    return decisions / passed, decisions / spent


def main(args: Args) -> None:
    """Measure in turns, one of them before the others to warm up, print and write."""
    console, world = make_console(), make_world(args.dataset, args.users)
    policies = {
        count: PlackettLuce(EASE(), candidates=count or None).fit(world.train, world.dataset.catalogue)
        for count in args.candidates
    }
    taken: dict[int, list[tuple[float, float]]] = {count: [] for count in policies}
    for repeat in range(args.repeats + 1):
        for count, policy in policies.items():
            rates = collected(policy, world, args.episodes if count else max(args.episodes // 4, 1), args)
            if repeat:
                taken[count].append(rates)
    found = CollectSpeed(
        rates=tuple(
            CollectRate(
                count or None,
                *(value for column in zip(*rates, strict=True) for value in (median(column), min(column), max(column))),
            )
            for count, rates in taken.items()
        ),
        setting=recorded(args),
        environment=environment_snapshot(),
        benchmarks={args.dataset: world.benchmark},
    )
    console.print(rich_table(collect_table(found)))
    found.save(args.output)


if __name__ == "__main__":
    main(tyro.cli(Args))
