"""Logs that a base has never read: how well its users answer there at once, beside users that are fitted there."""

import time
from typing import NamedTuple

import numpy as np

import personagym_agents
from personagym_benchmarks.transfer.board import MEASURES, Transfer, TransferBoard, TransferRow
from personagym_benchmarks.transfer.settings import TransferSettings
from personagym_env.benchmark import Benchmark, user_hashes
from personagym_env.data.named_splits import named_split
from personagym_env.data.sources import load_dataset
from personagym_env.data.splits import Split
from personagym_env.data.tables import Dataset, FloatArray
from personagym_env.evaluation.core.snapshot import environment_snapshot
from personagym_env.evaluation.core.statistics import Interval, interval, user_resamples
from personagym_env.evaluation.fidelity.contamination import blind
from personagym_env.evaluation.fidelity.fidelity_test import Fidelity, FidelityTest
from personagym_env.run_context import RunContext


class _Asked(NamedTuple):
    fidelity: Fidelity
    setup_seconds: float | None
    answer_seconds: float | None


def run(args: TransferSettings, context: RunContext) -> Transfer:
    """All logs, one after the other.

    Raises:
        ValueError: a data set or users are unknown, or a base may have read rows that judge its users.
    """
    begin = time.process_time()
    measured = [measure(args, load_dataset(source), context) for source in args.datasets]
    setting = {
        "seed": args.seed,
        "unseen items per user": args.negatives,
        "held-out rows at most": args.rows,
        "bootstrap resamples": args.resamples,
        "processor seconds": round(time.process_time() - begin),
    }
    return Transfer(
        boards=tuple(board for board, _ in measured),
        setting=setting,
        environment=environment_snapshot(),
        benchmarks={board.dataset: benchmark for board, benchmark in measured},
    )


def measure(args: TransferSettings, dataset: Dataset, context: RunContext) -> tuple[TransferBoard, Benchmark]:
    """One log, and what it was measured in."""
    rng = np.random.default_rng(args.seed)
    _, description, whole = named_split(dataset, args.split, args.train_share)
    split = _few(whole, args.rows, rng)
    test = FidelityTest.draw(split, rng, args.negatives)
    weights = user_resamples(split.test.n_users, args.resamples, rng)
    known = blind(dataset, split.train)
    asked, users = [_Asked(floor, None, None) for floor in test.floors()], dict[str, str | None]()
    for name in args.agents:
        with context.bar(f"{dataset.name}: {name}", None):
            started = time.process_time()
            agent = personagym_agents.load(name, known, split.train)
            made = time.process_time()
            users |= user_hashes([agent])
            fidelity = test.ask(agent)
            asked.append(_Asked(fidelity, round(made - started, 1), round(time.process_time() - made, 1)))
    board = TransferBoard(
        dataset=dataset.name,
        description=description,
        train_rows=len(split.train),
        held_out_rows=len(split.test),
        users=int((split.test.counts > 0).sum()),
        users_without_choices=int((split.test.counts > 0).sum()) - len(test.owners),
        rows=tuple(_row(one, weights) for one in asked),
        differences=_differences([one.fidelity for one in asked], weights),
    )
    return board, Benchmark.of(dataset, users)


def _few(split: Split, rows: int | None, rng: np.random.Generator) -> Split:
    """The split, with the held-out rows of as many users, drawn at random, as have no more rows; at least of one."""
    if rows is None or len(split.test) <= rows:
        return split
    users = rng.permutation(np.flatnonzero(split.test.counts))
    last = max(1, int((np.cumsum(split.test.counts[users]) <= rows).sum()))
    return split._replace(test=split.test.take(np.isin(split.test.users, users[:last])))


def _row(asked: _Asked, weights: FloatArray) -> TransferRow:
    figures = {name: interval(figure.resampled(weights)) for name, figure in asked.fidelity.statistics.items()}
    return TransferRow(asked.fidelity.name, figures, asked.setup_seconds, asked.answer_seconds)


def _differences(populations: list[Fidelity], weights: FloatArray) -> dict[str, dict[str, Interval]]:
    """The last population against each other one, in all that both were measured in."""
    last = populations[-1]
    mine = {name: figure.resampled(weights) for name, figure in last.statistics.items()}
    return {
        other.name: {
            name: interval(mine[name] - other.statistics[name].resampled(weights))
            for name in MEASURES
            if name in mine and name in other.statistics
        }
        for other in populations[:-1]
    }
