"""The settings under which verdicts are compared: other luck, splits, catalogues, picks, and session parameters."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np

from personagym_env.card import simulation_card
from personagym_env.data.splits import Split, leave_last_n_split, random_split, temporal_split
from personagym_env.data.tables import Catalogue, Dataset, IntArray, Interactions
from personagym_env.evaluation.entrants import Bench
from personagym_env.evaluation.judge_rows import Halving, deal_rows
from personagym_env.evaluation.robustness import Kind
from personagym_env.evaluation.truths import Truth, closed_pool
from personagym_env.session.fit import SessionFit
from personagym_env.session.parameters import Assumption, SessionParameters

PICKS = (5, 3, 10)
"""Items that contestants pick; the first number is the default."""
LEAST = 10
"""Held-out items that a user needs, and twice the picks at least."""
LEFT_OUT = 2 * LEAST
"""Rows of each user that the split by the last rows holds out."""
RESERVED = 1_000
"""Seeds of catalogues begin here, so that they are none of the halves'."""


@dataclass(frozen=True)
class DataSetting:
    """One way to come by contestants, judges and truth from a data set."""

    kind: Kind
    name: str
    split: Callable[[Interactions], Split] = temporal_split
    halving: Halving = "alternate"
    seed: int = 0
    catalogue_seed: int | None = None
    """Draws the half of the items that is left; None keeps all."""
    picks: tuple[int, ...] = PICKS[:1]

    def bench(self, dataset: Dataset) -> Bench:
        """The data set split and dealt, with a closed pool for each number of picks, by the names of `pool_name`.

        Raises:
            ValueError: the data set is too small for the setting.
        """
        if self.catalogue_seed is not None:
            dataset = half_catalogue(dataset, np.random.default_rng(self.catalogue_seed))
        split = self.split(dataset.interactions)
        dealt = deal_rows(split.train, self.halving, np.random.default_rng(self.seed))
        return Bench(dataset, split, dealt, tuple(_pool(split, k) for k in self.picks))


def pool_name(k: int) -> str:
    """What the closed pool with k picks is called."""
    return f"{k} picks"


def _pool(split: Split, k: int) -> Truth:
    return replace(closed_pool(split, k=k, least=max(LEAST, 2 * k)), name=pool_name(k))


def data_settings(seeds: int) -> Iterator[DataSetting]:
    """The default setting, and those that change one thing about the data.

    Args:
        seeds: random halves of the rows, and random halves of the items, to try.
    """
    yield DataSetting("default", "temporal 80/20, halves in turns", picks=PICKS)
    for seed in range(seeds):
        yield DataSetting("seed", f"halves dealt at random, seed {seed}", halving="random", seed=seed)
    yield DataSetting("split", "temporal 70/30", partial(temporal_split, train_share=0.7))
    yield DataSetting("split", f"last {LEFT_OUT} of each user", partial(leave_last_n_split, n=LEFT_OUT))
    yield DataSetting("split", "random 80/20", lambda log: random_split(log, rng=np.random.default_rng(0)))
    for seed in range(seeds):
        yield DataSetting("catalogue", f"random half of the items, seed {seed}", catalogue_seed=RESERVED + seed)


def half_catalogue(dataset: Dataset, rng: np.random.Generator) -> Dataset:
    """The data set with a random half of its items, as if there were no others.

    Raises:
        ValueError: there are fewer than four items.
    """
    m = len(dataset.catalogue)
    if m < 4:
        raise ValueError(f"data set {dataset.name!r} has {m} items, which cannot be halved")
    kept = np.sort(rng.permutation(m)[: m // 2])
    number = np.full(m, -1)
    number[kept] = np.arange(len(kept))
    log = dataset.interactions
    rows = log.take(number[log.items] >= 0)
    smaller = replace(rows, items=number[rows.items], n_items=len(kept))
    return replace(dataset, catalogue=_take_items(dataset.catalogue, kept), interactions=smaller)


def _take_items(catalogue: Catalogue, kept: IntArray) -> Catalogue:
    return replace(
        catalogue,
        ids=tuple(catalogue.ids[item] for item in kept),
        titles=tuple(catalogue.titles[item] for item in kept),
        years=catalogue.years[kept],
        genres=catalogue.genres[kept],
    )


class ParameterSetting(NamedTuple):
    """A parameter of sessions at another value."""

    name: str
    """Part and field, for example `examination.decay`."""
    value: float

    def apply(self, parameters: SessionParameters) -> SessionParameters:
        """The parameters with this one changed."""
        part, _, entry = self.name.partition(".")
        return parameters.updated({part: {entry: self.value}})


def parameter_settings(parameters: SessionParameters, fit: SessionFit) -> Iterator[ParameterSetting]:
    """Every assumed parameter at half and at double its value, within what is valid.

    Where the value is 0, which has no half, the ends of the plausible range stand in. What the log was fitted to is
    not varied: it has an interval.
    """
    for entry in simulation_card("", parameters, fit).entries:
        if entry.origin == "assumed":
            for value in _others(entry.assumption, entry.value):
                yield ParameterSetting(entry.assumption.name, value)


def _others(known: Assumption, value: float) -> list[float]:
    tried = (value / 2, 2 * value) if value else known.plausible
    low, high = known.valid
    return sorted({min(max(float(one), low), high) for one in tried} - {value})
