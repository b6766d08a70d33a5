"""What an embedding of reasons is worth: how much the reasons nearest to an item tell of the rating it gets.

`python benchmarks/ablations/nearest_reasons.py` embeds the composed reasons of ML-100K by TF-IDF and by a pretrained
sentence encoder, and asks each held-out row of the paper's 200 users: by how much did the user rate the k nearest items
above what user and item mean let expect? That times a weight, which training rows give (each asks the rows before it),
is added to the means. Reasons in random order are the floor. No language model answers here: this is the signal that is
there for one to take.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import tyro

from ablations.memory_results import Nearest, NearestReasons, nearest_reasons_table
from personagym_agents.memory.reasons import ReasonMemory, compose_reasons, fit_reason_memory
from personagym_agents.memory.sentence_encoder import encoder_folder
from personagym_benchmarks.cli.data import load_split
from personagym_benchmarks.console import make_console
from personagym_env.data.splits import Split
from personagym_env.data.tables import Dataset, FloatArray, IntArray, Interactions
from personagym_env.data.traits import TRAIT_PRIOR
from personagym_env.evaluation.core.result_file import recorded
from personagym_env.evaluation.core.snapshot import environment_snapshot
from personagym_env.evaluation.core.statistics import RatioOfSums, RootMeanSquare, interval, user_resamples
from personagym_env.evaluation.reporting.terminal import rich_table
from personagym_env.fit_cache.kept import keeping_fits

CHANCE = "chance"


@dataclass(frozen=True)
class Args:
    """What to measure."""

    dataset: str = "ml-100k"
    """Name or path of the data."""
    split: str = "paper"
    """Which rows are training rows; users with held-out rows are asked."""
    encoders: tuple[str, ...] = ("minilm",)
    """Sentence encoders, see `--recall.encoder` of `personagym train`."""
    counts: tuple[int, ...] = (1, 3, 10)
    """Nearest reasons that are asked."""
    resamples: int = 2000
    """Draws of users for the intervals."""
    output: Path = Path("runs/nearest_reasons.json")
    """Where the JSON goes."""


@dataclass(frozen=True, eq=False)
class Asked:
    """Rows of the users who are asked, and what item and user means, of everybody's training rows, leave of them."""

    dataset: Dataset
    train: Interactions
    test: Interactions
    reasons: list[str]
    """(n,) of the training rows."""
    of_train: FloatArray
    """(n,) what is left of the training rows."""
    of_test: FloatArray
    """(t,) what is left of the held-out rows."""

    @classmethod
    def of(cls, dataset: Dataset, split: Split) -> "Asked":
        """Ratings less item and user mean, both shrunk."""
        train, test = split.train, split.test
        grand = train.ratings.mean()
        item = _shrunk(train.items, train.ratings - grand, train.n_items)
        apart = train.ratings - grand - item[train.items]
        user = _shrunk(train.users, apart, train.n_users)
        kept = test.counts[train.users] > 0
        reasons = compose_reasons(train, dataset.catalogue)
        return cls(
            dataset=dataset,
            train=train.take(kept),
            test=test,
            reasons=[reasons[row] for row in np.flatnonzero(kept)],
            of_train=(apart - user[train.users])[kept],
            of_test=test.ratings - grand - item[test.items] - user[test.users],
        )

    def memory(self, encoder: str | None) -> ReasonMemory:
        """Of the training rows."""
        return fit_reason_memory(self.train, self.dataset.catalogue, 1, self.reasons, encoder)


def _shrunk(groups: IntArray, values: FloatArray, count: int) -> FloatArray:
    """(count,) mean of each group, drawn to 0."""
    return np.asarray(np.bincount(groups, values, count) / (np.bincount(groups, minlength=count) + TRAIT_PRIOR))


def told(memory: ReasonMemory, residual: FloatArray, asked: Interactions, counts: tuple[int, ...]) -> FloatArray:
    """(rows, k) mean residual of so many rows nearest to each asked item, of the rows before it in the training log.

    Args:
        memory: embeds.
        residual: (n,) of training rows.
        asked: held-out rows, or the training rows themselves.
        counts: (k,) rows to ask.
    """
    train = memory.train
    found = np.zeros((len(asked), len(counts)))
    for user in np.flatnonzero(asked.counts):
        rows = np.arange(train.indptr[user], train.indptr[user + 1])
        places = np.arange(asked.indptr[user], asked.indptr[user + 1])
        if not len(rows):
            continue
        cosine = memory.items[asked.items[places]] @ memory.rows[rows].T
        later = np.arange(len(rows)) >= np.arange(len(places))[:, None] if asked is train else np.False_
        cosine[(train.items[rows] == asked.items[places][:, None]) | later] = -np.inf
        order = np.argsort(-cosine, axis=1, kind="stable")
        near = np.where(np.isfinite(np.take_along_axis(cosine, order, 1)), residual[rows][order], 0)
        found[places] = np.stack([near[:, :count].mean(axis=1) for count in counts], axis=1)
    return found


def measure(name: str, memory: ReasonMemory, asked: Asked, args: Args) -> Iterator[Nearest]:
    """A row for each number of reasons."""
    train, test = (told(memory, asked.of_train, rows, args.counts) for rows in (asked.train, asked.test))
    owners, real = np.unique(asked.test.users, return_inverse=True)[1], asked.of_test
    users = int(owners.max()) + 1
    resamples = user_resamples(users, args.resamples, np.random.default_rng(0))

    def rmse(errors: FloatArray) -> FloatArray:
        return RootMeanSquare(RatioOfSums.of_users(owners, errors**2, users)).resampled(resamples)

    def mean(values: FloatArray) -> FloatArray:
        return RatioOfSums.of_users(owners, values, users).resampled(resamples)

    for place, count in enumerate(args.counts):
        learned, heard = train[:, place], test[:, place]
        weight = learned @ asked.of_train / max(float(learned @ learned), 1e-12)
        error = rmse(real - weight * heard)
        spread = np.sqrt((mean(heard**2) - mean(heard) ** 2) * (mean(real**2) - mean(real) ** 2))
        correlation = (mean(heard * real) - mean(heard) * mean(real)) / np.maximum(spread, 1e-12)
        yield Nearest(name, count, interval(correlation), interval(error), interval(rmse(real) - error))


def memories(asked: Asked, encoders: tuple[str, ...]) -> Iterator[tuple[str, ReasonMemory]]:
    """Each embedding by its name, chance last."""
    fitted = asked.memory(None)
    yield "TF-IDF", fitted
    for name in encoders:
        with keeping_fits():
            yield name, asked.memory(name)
    rows, items = (np.random.default_rng(0).normal(size=part.shape) for part in (fitted.rows, fitted.items))
    yield CHANCE, replace(fitted, rows=rows.astype(np.float32), items=items.astype(np.float32))


def main(args: Args) -> None:
    """Measure, print and write.

    Raises:
        ValueError: an encoder is not there.
    """
    for name in args.encoders:
        encoder_folder(name)
    asked = Asked.of(*load_split(args.dataset, args.split))
    found = [one for name, memory in memories(asked, args.encoders) for one in measure(name, memory, asked, args)]
    result = NearestReasons(
        rows=len(asked.test), found=tuple(found), setting=recorded(args), environment=environment_snapshot()
    )
    make_console().print(rich_table(nearest_reasons_table(result)))
    result.save(args.output)


if __name__ == "__main__":
    main(tyro.cli(Args, description=__doc__))
