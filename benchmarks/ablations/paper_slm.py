"""The paper's table, row for row, with SmolLM2-135M-Instruct in the place of Phi-3-mini, on the paper's protocol.

`python benchmarks/ablations/paper_slm.py` works off a queue of rows, cheapest first: the base prompted without an
adapter, one adapter for all, adapters of four personas, and the same architecture from random weights, beside floors
that are fitted on all training rows. Adapters learn from rows of the 200 users alone, ratings only. All are asked about
the same held-out rows, drawn from each user's; prompts about the first few of them. A row that is done is kept, and a
training that was cut off goes on from its latest epoch, so the command can be stopped and given again, also with more
rows or seeds; the result holds the rows that are done.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import tyro

from ablations.paper_slm_results import PaperRow, PaperSLM, differences_table, paper_slm_table
from ablations.paper_slm_rows import ADAPTED, PROMPTED, Found, Questions, adapted, floor, prompted
from personagym_benchmarks.console import make_console
from personagym_benchmarks.display import console_run
from personagym_env.data.named_splits import named_split
from personagym_env.data.sources import load_dataset
from personagym_env.data.tables import BoolArray, FloatArray
from personagym_env.evaluation.core.result_file import recorded
from personagym_env.evaluation.core.snapshot import environment_snapshot
from personagym_env.evaluation.core.statistics import (
    RatioOfSums,
    RootMeanSquare,
    Statistic,
    interval,
    user_resamples,
)
from personagym_env.evaluation.reporting.terminal import rich_table
from personagym_env.files import write_atomically

FLOORS = ("bias", "mf", "stack")
COMPARED = (
    ("4 personas, profile", "one adapter (5.2k rows), profile"),
    ("4 personas, profile", "one adapter (5.2k rows), longer, profile"),
    ("one adapter (2.1k rows), profile", "one adapter (2.1k rows), profile, random base"),
    ("one adapter (5.2k rows), profile", "bias"),
    ("4 personas, profile", "bias"),
    ("one adapter (5.2k rows), profile and memory", "one adapter (5.2k rows), profile"),
    ("4 personas, profile and memory", "one adapter (5.2k rows), profile and memory"),
)
"""Pairs of rows whose difference is told, where both are there."""


@dataclass(frozen=True)
class Args:
    """What to measure."""

    base: str = "smollm2"
    """A chat model by name or path."""
    dataset: str = "ml-100k"
    """A name or path that `load_dataset` takes."""
    names: tuple[str, ...] = ()
    """Rows to make sure of, by name; all if empty."""
    seeds: int = 1
    """Trainings of each row with adapters."""
    per_user: int = 10
    """Held-out rows of each user that are asked about, drawn at random."""
    per_user_prompted: int = 5
    """Of these, how many prompts ask about."""
    generated: int = 64
    """Of these in all, how many are answered by free generation."""
    epochs: int = 1
    """Times that an adapter is shown its rows."""
    learning_rate: float = 1e-3
    """Of the adapters."""
    resamples: int = 2000
    """Draws of users for the intervals."""
    folder: Path = Path("runs/paper-slm")
    """Of rows that are done, and of checkpoints."""
    output: Path = Path("runs/paper-slm.json")


def queue(args: Args, questions: Questions) -> Mapping[str, Callable[[], Found]]:
    """What makes each row, cheapest first; several seeds of one row are several entries."""
    jobs: dict[str, Callable[[], Found]] = {name: lambda name=name: floor(name, questions) for name in FLOORS}  # type: ignore[misc]
    for told in PROMPTED:
        jobs[told] = lambda told=told: prompted(told, questions, args.base, args.generated)  # type: ignore[misc]
    for row in ADAPTED:
        for seed in range(args.seeds):
            one = replace(row, seed=seed, epochs=args.epochs, learning_rate=args.learning_rate)
            jobs[one.key] = lambda one=one: adapted(one, questions, args.base, args.folder)  # type: ignore[misc]
    return jobs


def done(place: Path) -> Found | None:
    """A row that is done already."""
    return Found(**json.loads(place.read_text())) if place.is_file() else None


def result(args: Args, questions: Questions, found: Mapping[str, Found]) -> PaperSLM:
    """All rows that are done, the mean of its seeds for each."""
    resamples = user_resamples(questions.n_users, args.resamples, np.random.default_rng(0))
    by_name: dict[str, list[Found]] = {}
    for one in found.values():
        by_name.setdefault(one.name, []).append(one)
    rows = tuple(_row(name, runs, questions, resamples) for name, runs in by_name.items())
    differences = {}
    for left, right in COMPARED:
        if left in by_name and right in by_name:
            ours, theirs = by_name[left], by_name[right]
            both = np.isfinite(ours[0].errors(questions)) & np.isfinite(theirs[0].errors(questions))
            samples = _rmse(ours, questions, resamples, both) - _rmse(theirs, questions, resamples, both)
            differences[f"{left} - {right}"] = interval(samples)
    return PaperSLM(
        setting=recorded(args) | {"data fingerprint": questions.dataset.fingerprint(), "users": questions.n_users},
        environment=environment_snapshot(),
        rows=rows,
        differences=differences,
    )


def _row(name: str, runs: list[Found], questions: Questions, resamples: FloatArray) -> PaperRow:
    asked = np.isfinite(runs[0].errors(questions))
    errors = [np.abs(run.errors(questions))[asked] for run in runs]
    owners = questions.owners[asked]
    mae: Statistic = RatioOfSums.of_users(owners, np.mean(errors, axis=0), questions.n_users)
    return PaperRow(
        name=name,
        rmse=interval(_rmse(runs, questions, resamples, asked)),
        mae=interval(mae.resampled(resamples)),
        asked=int(asked.sum()),
        unparsable=runs[0].unparsable,
        generated=runs[0].generated,
        rows=runs[0].rows,
        minutes=round(float(np.mean([run.minutes for run in runs])), 1),
    )


def _rmse(runs: list[Found], questions: Questions, resamples: FloatArray, asked: BoolArray) -> FloatArray:
    """(b,) mean of the runs' RMSE under each resample."""
    owners, users = questions.owners[asked], questions.n_users
    squares = [RatioOfSums.of_users(owners, run.errors(questions)[asked] ** 2, users) for run in runs]
    return np.asarray(np.mean([RootMeanSquare(square).resampled(resamples) for square in squares], axis=0))


def main(args: Args) -> None:
    """Make the rows that are missing, and write the result after each.

    Raises:
        ValueError: a row is unknown.
    """
    console = make_console()
    dataset = load_dataset(args.dataset)
    split = named_split(dataset, "paper").split
    questions = Questions.draw(dataset, split, args.per_user, args.per_user_prompted)
    jobs = queue(args, questions)
    if unknown := sorted(set(args.names) - {*jobs, *(name.partition(" #")[0] for name in jobs)}):
        raise ValueError(f"rows must be some of {', '.join(jobs)}, got {', '.join(unknown)}")
    found: dict[str, Found] = {}
    with console_run(console, args.folder) as context:
        for key, make in jobs.items():
            place = args.folder / "rows" / f"{key.replace(' ', '-').replace(',', '')}.json"
            known = done(place)
            if known is None and args.names and key.partition(" #")[0] not in args.names:
                continue
            if known is None:
                context.tell(f"{key} ...")
                begin = time.process_time()
                known = make()
                known = replace(known, minutes=(time.process_time() - begin) / 60)
                write_atomically(place, json.dumps(vars(known)))
            found[key] = known
            shown = result(args, questions, found)
            shown.save(args.output)
            context.tell(f"{key}: RMSE {shown.rows[-1].rmse}, {known.minutes:.1f} processor minutes")
    for table in (paper_slm_table, differences_table):
        console.print(rich_table(table(shown)))


if __name__ == "__main__":
    main(tyro.cli(Args, description=__doc__))
