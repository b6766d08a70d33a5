"""Classical users: how their defaults were chosen inside the training rows, and what they reach on held-out rows.

`python benchmarks/ablations/classical_users.py` prints both tables and writes
`runs/classical_users.json`. The choice is made on each user's last fifth of the training rows; the
held-out rows are looked at once, by the defaults.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import tyro

from ablations.results import Candidate, ClassicalUsers, candidates_table, classical_table
from personagym_agents.classical.users import RATING_FITS, fit_classical
from personagym_benchmarks.console import make_console
from personagym_env.collaborative.factors import FactorSettings, fit_factors
from personagym_env.collaborative.neighbours import NeighbourSettings, fit_neighbours
from personagym_env.collaborative.rating_model import RatingModel, at_pairs
from personagym_env.data.sources import load_dataset
from personagym_env.data.splits import Split, temporal_split
from personagym_env.data.tables import Catalogue, FloatArray, IntArray, Interactions
from personagym_env.evaluation.core.result_file import recorded
from personagym_env.evaluation.core.snapshot import environment_snapshot
from personagym_env.evaluation.core.statistics import interval, user_resamples
from personagym_env.evaluation.fidelity.fidelity_test import Fidelity, FidelityTest
from personagym_env.evaluation.reporting.terminal import rich_table

RANKS = (0, 2, 4, 8, 16, 32)
SHRINKAGES = (30.0, 100.0, 300.0)
NEIGHBOURS = (40, 80, 200)


@dataclass(frozen=True)
class Args:
    """What to measure."""

    dataset: str = "ml-100k"
    """A name or path that `load_dataset` takes."""
    train_share: float = 0.8
    """Share of each user's rows, by time, that is learned from."""
    resamples: int = 1_000
    """Bootstrap resamples of users behind the intervals."""
    seed: int = 0
    """Draws the unseen items and the resamples."""
    output: Path = Path("runs/classical_users.json")
    """Where the JSON goes."""


def candidates() -> Iterator[tuple[str, Callable[[Interactions], RatingModel]]]:
    """Every setting that was tried, the defaults among them."""
    for rank in RANKS:
        yield f"mf, rank {rank}", partial(fit_factors, settings=FactorSettings(rank=rank))
    for shrinkage in SHRINKAGES:
        for neighbours in NEIGHBOURS:
            settings = NeighbourSettings(neighbours=neighbours, shrinkage=shrinkage)
            name = f"knn, {neighbours} neighbours, shrinkage {shrinkage:.0f}"
            yield name, partial(fit_neighbours, settings=settings)


def _mean_of(model: RatingModel) -> Callable[[IntArray], FloatArray]:
    return lambda users: model.predict(users).mean


def choose_settings(train: Interactions) -> list[Candidate]:
    """RMSE, MAE and fitting time of each candidate on the last fifth of the training rows."""
    early, late = temporal_split(train, 0.8)
    rows: list[Candidate] = []
    for name, fit in candidates():
        begin = time.perf_counter()
        model = fit(early)
        seconds = time.perf_counter() - begin
        predicted = at_pairs(_mean_of(model), late.users, late.items, late.n_items)
        error = predicted - late.ratings
        rmse, mae = float(np.sqrt(np.mean(error**2))), float(np.abs(error).mean())
        rows.append(Candidate(name, rmse, mae, seconds))
    return rows


def measure(split: Split, catalogue: Catalogue, args: Args) -> list[Fidelity]:
    """Floors and classical users on the held-out rows."""
    test = FidelityTest.draw(split, np.random.default_rng(args.seed))
    return test.floors() + [test.ask(fit_classical(name, split.train, catalogue=catalogue)) for name in RATING_FITS]


def main(args: Args) -> None:
    """Measure, print and write."""
    console = make_console()
    dataset = load_dataset(args.dataset)
    split = temporal_split(dataset.interactions, args.train_share)
    weights = user_resamples(split.test.n_users, args.resamples, np.random.default_rng(args.seed))
    found = ClassicalUsers(
        validation=tuple(choose_settings(split.train)),
        test={
            one.name: {figure: interval(value.resampled(weights)) for figure, value in one.statistics.items()}
            for one in measure(split, dataset.catalogue, args)
        },
        setting=recorded(args),
        environment=environment_snapshot(),
    )
    for table in (candidates_table(found), classical_table(found)):
        console.print(rich_table(table))
    found.save(args.output)


if __name__ == "__main__":
    main(tyro.cli(Args))
