"""What a back-test found: every test replayed, and how far predictions can be trusted."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from personagym_env.evaluation.backtest.confidence import (
    LEAST_TESTS,
    TOLD_APART,
    ConfidenceBin,
    brier,
    confidence_bins,
    corrected,
    right_winner,
)
from personagym_env.evaluation.backtest.past_tests import PastTest
from personagym_env.evaluation.core.result_file import Result
from personagym_env.evaluation.core.statistics import Interval
from personagym_env.evaluation.reporting.table import Cell, Column, Row, Table, name_column, words_column


@dataclass(frozen=True)
class Replayed:
    """One test, predicted."""

    test: PastTest
    predicted: Interval
    """Simulated difference, in the users' own unit, with its interval over users."""
    probability: float
    """That a wins, over resamples of the users."""
    corrected: float
    """The same as the other tests correct it; NaN with few tests."""

    @property
    def named(self) -> str:
        """The predicted winner; empty where the verdict is withheld."""
        if max(self.probability, 1 - self.probability) < TOLD_APART:
            return ""
        return self.test.a if self.probability > 0.5 else self.test.b

    @property
    def winner(self) -> str:
        """The real one; empty where chance may have decided."""
        return "" if not self.test.clear else self.test.a if self.test.difference > 0 else self.test.b


@dataclass(frozen=True)
class Tally:
    """Some of the tests."""

    title: str
    tests: int
    right: float
    """Share of the predicted winners that won."""
    brier: float
    brier_corrected: float
    """NaN with few tests."""


@dataclass(frozen=True, kw_only=True)
class Backtest(Result):
    """All tests."""

    KIND = "back-test"
    FORMAT = 1
    COMMAND = "personagym backtest FILE"

    dataset: str
    agent: str
    tests: tuple[Replayed, ...]
    bins: tuple[ConfidenceBin, ...]
    tallies: tuple[Tally, ...]


def replay(
    tests: Sequence[PastTest], predicted: Sequence[Interval], probability: Sequence[float]
) -> tuple[Replayed, ...]:
    """Tests with what was predicted."""
    chance, outcome = np.array(probability), np.array([test.difference for test in tests])
    by_others = corrected(chance, outcome) if len(tests) >= LEAST_TESTS else np.full(len(tests), math.nan)
    return tuple(
        Replayed(test, found, float(p), float(q))
        for test, found, p, q in zip(tests, predicted, chance, by_others, strict=True)
    )


def tally(tests: Sequence[Replayed]) -> tuple[tuple[ConfidenceBin, ...], tuple[Tally, ...]]:
    """Tests by confidence; and all of them, those with a clear winner, and those whose winner was named."""
    groups = {
        "all tests": list(tests),
        "clear winner": [one for one in tests if one.winner],
        "winner named": [one for one in tests if one.named],
        "clear winner, winner named": [one for one in tests if one.winner and one.named],
        "clear winner, verdict withheld": [one for one in tests if one.winner and not one.named],
    }
    bins = confidence_bins(*_columns(tests)[:2])
    return bins, tuple(_tally(title, group) for title, group in groups.items() if group)


def _columns(tests: Sequence[Replayed]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return (
        np.array([one.probability for one in tests]),
        np.array([one.test.difference for one in tests]),
        np.array([one.corrected for one in tests]),
    )


def _tally(title: str, tests: Sequence[Replayed]) -> Tally:
    probability, outcome, by_others = _columns(tests)
    right = float(right_winner(probability, outcome).mean())
    return Tally(title, len(tests), right, brier(probability, outcome), brier(by_others, outcome))


def backtest_tables(study: Backtest, most: int = 40) -> Iterator[Table]:
    """What may be trusted, confidence, and the tests themselves."""
    yield tallies_table(study)
    yield bins_table(study)
    yield tests_table(study, most)


def tallies_table(study: Backtest) -> Table:
    """Shares of right winners, and Brier scores."""
    columns = (
        name_column("tests"),
        Column("number", "number"),
        Column("right", "predicted winner won", good="high"),
        Column("brier", "Brier", good="low"),
        Column("corrected", "Brier, corrected", good="low"),
    )
    rows = [
        Row(
            (
                Cell(one.title),
                Cell(float(one.tests), ",.0f"),
                Cell(one.right, ".0%"),
                Cell(one.brier),
                Cell(one.brier_corrected),
            )
        )
        for one in study.tallies
    ]
    note = (
        "Clear winner: the real difference has an interval without 0. A winner is named from a predicted probability "
        f"of {TOLD_APART:g} on. Brier: mean squared error of the probability, .25 for always saying 1/2; corrected: "
        "log odds shrunk as all other tests say."
    )
    return Table.plain(f"{study.dataset}: past tests replayed with {study.agent} users", columns, rows, note)


def bins_table(study: Backtest) -> Table:
    """How often the predicted winner won, by predicted probability."""
    columns = (
        name_column("predicted probability"),
        Column("tests", "tests"),
        Column("predicted", "mean predicted"),
        Column("right", "won"),
    )
    rows = [
        Row(
            (
                Cell(f"{one.low:g} to {one.high:g}"),
                Cell(float(one.tests), ",.0f"),
                Cell(one.predicted, ".2f"),
                Cell(one.right, ".2f"),
            )
        )
        for one in study.bins
    ]
    return Table.plain("Calibration: how often predicted winners won", columns, rows)


def tests_table(study: Backtest, most: int) -> Table:
    """Each test."""
    columns = (
        name_column("test"),
        words_column("outcome", "outcome"),
        Column("predicted", "predicted difference"),
        Column("probability", "a wins"),
        words_column("named", "named winner"),
        Column("real", "real difference"),
        words_column("winner", "real winner"),
    )
    rows = [
        Row(
            (
                Cell(one.test.name),
                Cell(one.test.outcome),
                Cell(one.predicted),
                Cell(one.probability, ".2f"),
                Cell({one.test.a: "a", one.test.b: "b", "": "withheld"}[one.named]),
                Cell(Interval(one.test.difference, one.test.low, one.test.high)),
                Cell({one.test.a: "a", one.test.b: "b", "": "chance"}[one.winner]),
            )
        )
        for one in study.tests[:most]
    ]
    note = f"The first {most} of {len(study.tests)}; the file has all." if len(study.tests) > most else ""
    return Table.plain("Tests", columns, rows, note)
