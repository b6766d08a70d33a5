"""What was found of variants; plain values only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from personagym_env.evaluation.core.result_file import Result
from personagym_env.evaluation.core.statistics import Interval
from personagym_env.evaluation.fidelity.board import Difference

COMPARED = ("rmse", "nll", "auc")
"""Figures of a variant and of its twin."""


@dataclass(frozen=True)
class Measurement:
    """What a variant's own measurements found: one figure in one setting."""

    question: str
    """What is asked, such as "error by history length"."""
    setting: str
    """Whom or where it was measured, such as "10 rows"."""
    figure: str
    """What was measured, with its unit, such as "RMSE"."""
    interval: Interval
    """The estimate; its bounds are NaN where it has none."""


@dataclass(frozen=True)
class VariantRow:
    """One population on the board."""

    name: str
    kind: Literal["floor", "users", "variant", "twin"]
    """A twin is a variant with its core switched off."""
    figures: Mapping[str, Interval]
    """Those of `COMPARED` that it has, with intervals over users."""
    fit_seconds: float | None = None
    """Processor seconds; None where nothing is fitted."""
    microseconds: float | None = None
    """Of a decision about one item, in slates of 10 for 64 users."""


@dataclass(frozen=True, kw_only=True)
class VariantPart(Result):
    """One variant and its twin; or all that needs no variant."""

    KIND = "part of a report on variants"
    FORMAT = 1
    COMMAND = "personagym fidelity --variants all"

    rows: tuple[VariantRow, ...]
    difference: Difference | None = None
    """The variant less its twin, over the same users, questions and resamples."""
    measurements: tuple[Measurement, ...] = ()
    users: Mapping[str, str | None] = field(default_factory=dict)
    """From `user_hashes`."""


@dataclass(frozen=True, kw_only=True)
class VariantReport(Result):
    """All variants that were asked for, on one log."""

    KIND = "report on variants"
    FORMAT = 1
    COMMAND = "personagym fidelity --variants all"

    dataset: str
    description: str
    """Which rows are training rows, in words."""
    rows: tuple[VariantRow, ...]
    differences: tuple[Difference, ...]
    measurements: Mapping[str, tuple[Measurement, ...]]
    """By variant."""
    failures: Mapping[str, str] = field(default_factory=dict)
    """Variants that could not be measured, and why."""
