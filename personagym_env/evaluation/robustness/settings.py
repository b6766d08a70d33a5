"""The settings under which verdicts are compared: random draws, splits, catalogues, picks, parameters of sessions."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np

from personagym_env.card import simulation_card
from personagym_env.data.splits import Split, leave_last_n_split, random_split, temporal_split
from personagym_env.data.tables import Catalogue, Dataset, IntArray, Interactions
from personagym_env.evaluation.agreement.fitted_recommenders import Bench
from personagym_env.evaluation.agreement.ground_truth import GroundTruth, closed_pool
from personagym_env.evaluation.core.data_overlap import HalfSplit, deal_rows
from personagym_env.evaluation.robustness.verdicts import SettingKind
from personagym_env.session.fitting.sessions import SessionFit
from personagym_env.session.parameters import Assumption, SessionParameters

PICKS = (5, 3, 10)
"""Items that recommenders pick; the first number is the default."""
SLATES = (10, 3, 5)
"""Places of a slate; the first is the default."""
LEAST = 10
"""Held-out items that a user needs, and twice the picks at least."""
LEFT_OUT = 2 * LEAST
"""Rows of each user that the split by the last rows holds out."""
RESERVED = 1_000
"""Seeds of catalogues begin here, so that they are none of the halves'."""


@dataclass(frozen=True)
class DataSetting:
    """One way to come by recommenders, judges and ground truth from a data set."""

    kind: SettingKind
    name: str
    split: Callable[[Interactions], Split] = temporal_split
    half_split: HalfSplit = "alternate"
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
        dealt = deal_rows(split.train, self.half_split, np.random.default_rng(self.seed))
        return Bench(dataset, split, dealt, tuple(_pool(split, k) for k in self.picks))


def pool_name(k: int) -> str:
    """What the closed pool with k picks is called."""
    return f"{k} picks"


def _pool(split: Split, k: int) -> GroundTruth:
    return replace(closed_pool(split, k=k, least=max(LEAST, 2 * k)), name=pool_name(k))


def data_settings(seeds: int) -> Iterator[DataSetting]:
    """The default setting, and those that change one thing about the data.

    Args:
        seeds: random halves of the rows, and random halves of the items, to try.
    """
    yield DataSetting("default", "temporal 80/20, halves in turns", picks=PICKS)
    for seed in range(seeds):
        yield DataSetting("seed", f"halves dealt at random, seed {seed}", half_split="random", seed=seed)
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


SESSIONS = 3
"""Sessions that an episode may have where parameters are varied that say nothing of a single one."""
NUMBER_OF_SESSIONS = "returning.max_sessions"
"""The parameter that makes the default setting of several sessions."""


def several_sessions(parameters: SessionParameters) -> SessionParameters:
    """The parameters with `SESSIONS` sessions in an episode."""
    return ParameterSetting(NUMBER_OF_SESSIONS, SESSIONS, "assumed").apply(parameters)


class ParameterSetting(NamedTuple):
    """A parameter of sessions at another value."""

    name: str
    """Part and field, for example `examination.decay`."""
    value: float
    kind: SettingKind
    """`assumed` or `fitted`."""

    @property
    def across(self) -> bool:
        """Whether the parameter says something only of users who may come back."""
        returning = self.name.startswith("returning.") and self.name != NUMBER_OF_SESSIONS
        return returning or self.name == "reward.retention"

    def apply(self, parameters: SessionParameters) -> SessionParameters:
        """The parameters with this one changed."""
        part, _, entry = self.name.partition(".")
        return parameters.updated({part: {entry: self.value}})


def parameter_settings(parameters: SessionParameters, fit: SessionFit) -> Iterator[ParameterSetting]:
    """Every parameter at two other values, one parameter at a time.

    What the log was fitted to is tried at both ends of its 95 % interval. What is assumed is tried at half and at
    double its value, within what is valid; where the value is 0, which has no half, the ends of the plausible range
    stand in. Sessions per episode, which count whole ones, are tried at `SESSIONS` besides. What users say moves none
    of the recommenders, which do not listen, and is left out.
    """
    for entry in simulation_card("", parameters, fit).entries:
        if entry.assumption.name.startswith("instructions."):
            continue
        known, estimate = entry.assumption, entry.estimate if entry.origin == "fitted" else None
        kind: SettingKind = "assumed" if estimate is None else "fitted"
        tried = _others(known, entry.value) if estimate is None else (estimate.low, estimate.high)
        low, high = known.valid
        for value in sorted({min(max(float(one), low), high) for one in tried} - {entry.value}):
            yield ParameterSetting(known.name, value, kind)


def _others(known: Assumption, value: float) -> tuple[float, ...]:
    if known.name == NUMBER_OF_SESSIONS:
        return 2 * value, SESSIONS
    return (value / 2, 2 * value) if value else known.plausible
