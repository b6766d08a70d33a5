"""Classical users: how their defaults were chosen inside the training rows, and what they reach on held-out rows.

`python benchmarks/ablations/classical_users.py` prints both tables and writes
`runs/classical_users.json`. The choice is made on each user's last fifth of the training rows; the
held-out rows are looked at once, by the defaults.
"""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import tyro
from rich.table import Table

from personagym_agents.classical.users import RATING_FITS, fit_classical
from personagym_benchmarks.console import make_console
from personagym_env.collaborative.factors import FactorSettings, fit_factors
from personagym_env.collaborative.neighbours import NeighbourSettings, fit_neighbours
from personagym_env.collaborative.rating_model import RatingModel, at_pairs
from personagym_env.data.sources import load_dataset
from personagym_env.data.splits import Split, temporal_split
from personagym_env.data.tables import Catalogue, FloatArray, IntArray, Interactions
from personagym_env.evaluation.core.snapshot import environment_snapshot
from personagym_env.evaluation.core.statistics import interval, user_resamples
from personagym_env.evaluation.fidelity.fidelity_test import Fidelity, FidelityTest
from personagym_env.files import write_atomically

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


def choose_settings(train: Interactions) -> list[dict[str, float | str]]:
    """RMSE, MAE and fitting time of each candidate on the last fifth of the training rows."""
    early, late = temporal_split(train, 0.8)
    rows: list[dict[str, float | str]] = []
    for name, fit in candidates():
        begin = time.perf_counter()
        model = fit(early)
        seconds = time.perf_counter() - begin
        predicted = at_pairs(_mean_of(model), late.users, late.items, late.n_items)
        error = predicted - late.ratings
        rmse, mae = float(np.sqrt(np.mean(error**2))), float(np.abs(error).mean())
        rows.append({"settings": name, "rmse": rmse, "mae": mae, "seconds": seconds})
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
    chosen = choose_settings(split.train)
    table = Table("settings", "rmse", "mae", "seconds", title="Last fifth of the training rows")
    for row in chosen:
        table.add_row(str(row["settings"]), *(f"{row[key]:.4f}" for key in ("rmse", "mae")), f"{row['seconds']:.1f}")
    console.print(table)

    weights = user_resamples(split.test.n_users, args.resamples, np.random.default_rng(args.seed))
    table = Table("users", "rmse", "mae", "nll", "auc", title=f"Held-out rows of {args.dataset}")
    results = {}
    for fidelity in measure(split, dataset.catalogue, args):
        estimates = {key: interval(value.resampled(weights)) for key, value in fidelity.statistics.items()}
        results[fidelity.name] = {key: list(map(float, value)) for key, value in estimates.items()}
        table.add_row(
            fidelity.name,
            *(str(estimates[key]) if key in estimates else "" for key in ("rmse", "mae", "nll", "auc")),
        )
    console.print(table)
    content = {"dataset": args.dataset, "train_share": args.train_share, "seed": args.seed, "validation": chosen}
    args.output.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(
        args.output, json.dumps({**content, "test": results, "environment": environment_snapshot()}, indent=1)
    )


if __name__ == "__main__":
    main(tyro.cli(Args))
