"""What knowing how people and items use a scale is worth: users of one rating model, linked with styles and without.

`python benchmarks/ablations/response_styles.py --datasets ml-100k path/to/another` prints a table and writes
`runs/response_styles.json`. Both populations have the same expectations; only the link from these to ratings differs.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro

from ablations.results import STYLED, ResponseStyles, StyledLog, response_styles_table
from personagym_agents.classical.calibration import fit_users
from personagym_agents.classical.users import ClassicalUsers
from personagym_benchmarks.console import make_console
from personagym_env.collaborative.factors import fit_factors
from personagym_env.data.named_splits import named_split
from personagym_env.data.sources import load_dataset
from personagym_env.data.splits import Split
from personagym_env.evaluation.core.result_file import recorded
from personagym_env.evaluation.core.snapshot import environment_snapshot
from personagym_env.evaluation.core.statistics import interval, user_resamples
from personagym_env.evaluation.fidelity.fidelity_test import FidelityTest
from personagym_env.evaluation.reporting.terminal import rich_table


@dataclass(frozen=True)
class Args:
    """Where to measure."""

    datasets: tuple[str, ...] = ("ml-100k",)
    """Names or paths that `load_dataset` takes; of each, the split that is usual there."""
    resamples: int = 2_000
    """Bootstrap resamples of users behind the intervals."""
    seed: int = 0
    """Draws the unseen items and the resamples."""
    output: Path = Path("runs/response_styles.json")
    """Where the JSON goes."""


def measure(split: Split, args: Args) -> StyledLog:
    """Both populations on the held-out rows."""
    train = split.train
    test = FidelityTest.draw(split, np.random.default_rng(args.seed))
    weights = user_resamples(split.test.n_users, args.resamples, np.random.default_rng(args.seed))

    def figures(with_style: bool) -> Iterator[np.ndarray]:
        fitted = fit_users(fit_factors, train, args.seed, with_affinity=True, with_style=with_style)
        users = ClassicalUsers("mf", train.scale, (train.n_users, train.n_items), *fitted, table_cells=0)
        asked = test.ask(users).statistics
        return (asked[key].resampled(weights) for key in STYLED)

    pairs = list(zip(figures(False), figures(True), strict=True))
    return StyledLog(
        rows=len(split.test),
        without={key: interval(plain) for key, (plain, _) in zip(STYLED, pairs, strict=True)},
        difference={key: interval(styled - plain) for key, (plain, styled) in zip(STYLED, pairs, strict=True)},
    )


def main(args: Args) -> None:
    """Measure, print and write."""
    logs = {}
    for name in args.datasets:
        dataset = load_dataset(name)
        logs[dataset.name] = measure(named_split(dataset).split, args)
    found = ResponseStyles(logs=logs, setting=recorded(args), environment=environment_snapshot())
    make_console().print(rich_table(response_styles_table(found)))
    found.save(args.output)


if __name__ == "__main__":
    main(tyro.cli(Args))
