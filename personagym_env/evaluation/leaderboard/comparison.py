"""Verdicts on pairs of recommenders: by simulated sessions, and by what the log itself can show."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from personagym_env.data.tables import IntArray
from personagym_env.evaluation.core.paired import (
    LEVEL,
    POWER,
    PairedDifference,
    Ratio,
    Verdict,
    holm,
    paired_difference,
    verdict,
)
from personagym_env.evaluation.core.result_file import Result
from personagym_env.evaluation.core.support import LEAST_SHARE
from personagym_env.evaluation.reporting.figures import SESSION
from personagym_env.evaluation.reporting.table import Cell, Column, Row, Table, name_column, words_column


@dataclass(frozen=True)
class PairVerdict:
    """One recommender beside another."""

    left: str
    right: str
    found: PairedDifference
    adjusted: float
    """P-value by Holm, over all pairs of the same measure."""
    verdict: Verdict
    """Of the left one."""

    def __str__(self) -> str:
        than = "from" if self.verdict == "not told apart" else "than"
        return f"{self.left} is {self.verdict} {than} {self.right}"


@dataclass(frozen=True)
class Measure:
    """All pairs by one measure."""

    title: str
    pairs: tuple[PairVerdict, ...]


@dataclass(frozen=True, kw_only=True)
class Comparison(Result):
    """A finished comparison."""

    KIND = "comparison"
    FORMAT = 1
    COMMAND = "personagym compare"

    dataset: str
    agent: str
    figure: str
    """Of sessions, a key of `reporting.figures.SESSION`."""
    simulated: Measure
    """What the verdict goes by."""
    real: tuple[Measure, ...]
    """What held-out rows say of the same recommenders."""
    difference: float | None = None
    """A size that matters."""
    support: Mapping[str, float] = field(default_factory=dict)
    """Recommender to the share of what it lists that people like the user rated; empty where nobody looked."""

    def guessed(self, pair: PairVerdict) -> str:
        """Whose slates of a pair the log does not support, so that simulated users would guess; empty if nobody's."""
        return next((one for one in (pair.left, pair.right) if self.support.get(one, 1.0) < LEAST_SHARE), "")


def compare_pairs(title: str, figures: Mapping[str, Ratio], owners: IntArray) -> Measure:
    """Every recommender with every later one.

    Args:
        title: of the measure, of which more is better.
        figures: by recommender, over the same sessions.
        owners: (j,) user of each session.
    """
    pairs = list(combinations(figures, 2))
    found = [paired_difference(figures[left], figures[right], owners) for left, right in pairs]
    adjusted = holm([one.p for one in found])
    return Measure(
        title,
        tuple(
            PairVerdict(left, right, one, p, verdict(one.difference.value, p))
            for (left, right), one, p in zip(pairs, found, adjusted, strict=True)
        ),
    )


def comparison_tables(comparison: Comparison) -> Iterator[Table]:
    """By simulated users, then by held-out rows."""
    note = (
        f"95 % intervals over users; verdicts at {LEVEL:.0%} over all pairs together (Holm). Smallest difference: what "
        f"such a comparison sees with a chance of {POWER:.0%}, and what it would see with endless sessions of each of "
        "these users: any, where they differ from each other by no more than their luck. Chance alone is told: how far "
        "simulated users can be trusted is what the agreement study says."
    )
    title = f"{comparison.dataset}: {comparison.simulated.title}, {comparison.agent} users"
    guesses = [pair for pair in comparison.simulated.pairs if comparison.guessed(pair)]
    yield _table(title, [comparison.simulated], note, comparison.difference, guesses)
    if not comparison.real:
        return
    note = "What the log itself can show of the same recommenders, with the held-out rows of its users."
    yield _table(f"{comparison.dataset}: held-out rows", comparison.real, note, None)


def _table(
    title: str,
    measures: Sequence[Measure],
    note: str,
    difference: float | None,
    guesses: Sequence[PairVerdict] = (),
) -> Table:
    columns = (
        name_column("left less right"),
        words_column("measure", "measure"),
        Column("difference", "difference"),
        Column("p", "p, adjusted"),
        words_column("verdict", "left is"),
        Column("detectable", "smallest difference"),
        Column("limit", "smallest with endless sessions"),
        Column("users", "users"),
    )
    rows = [
        Row(
            (
                Cell(f"{pair.left} – {pair.right}"),
                Cell(measure.title),
                Cell(pair.found.difference),
                Cell(pair.adjusted),
                Cell(pair.verdict, aside="a guess" if pair in guesses else ""),
                Cell(pair.found.detectable),
                Cell(pair.found.limit or "any"),
                Cell(pair.found.users, ",.0f"),
                *needs_of(pair.found, difference),
            ),
            "tie" if pair.verdict == "not told apart" else "",
        )
        for measure in measures
        for pair in measure.pairs
    ]
    wanted: tuple[Column, ...] = ()
    if difference is not None:
        wanted = (
            Column("users needed", f"users for {difference:g}"),
            Column("sessions needed", f"sessions each for {difference:g}"),
        )
    return Table.plain(title, (*columns, *wanted), rows, note)


def needs_of(found: PairedDifference, difference: float | None) -> tuple[Cell, ...]:
    """Users, with as many sessions each, and sessions of these users, who would show a difference."""
    if difference is None:
        return ()
    users = found.users_needed(difference)
    return Cell(users, ",.0f"), Cell(_sessions(found, difference))


def _sessions(found: PairedDifference, difference: float) -> str | None:
    if math.isnan(found.limit):
        return None
    sessions = found.sessions_needed(difference)
    return "no number suffices" if sessions is None else f"{sessions:,}"


def sentences(comparison: Comparison) -> Iterator[str]:
    """The verdicts in words."""
    figure = SESSION[comparison.figure].title
    for pair in comparison.simulated.pairs:
        yield (
            f"{pair}: {figure} {pair.found.difference.value:+.3f} ({pair.found.difference.low:.3f} to "
            f"{pair.found.difference.high:.3f}); a true difference below "
            f"{pair.found.detectable:.3f} would often be missed."
        )
        if guessed := comparison.guessed(pair):
            yield (
                f"of what {guessed} lists, people like the user rated {comparison.support[guessed]:.0%}: "
                "simulated users guess"
            )
