"""How variants judge recommenders, as it goes into files, and its table."""

from collections.abc import Mapping
from dataclasses import dataclass

from personagym_env.evaluation.core.result_file import Result
from personagym_env.evaluation.core.statistics import Interval
from personagym_env.evaluation.reporting.figures import ASKED
from personagym_env.evaluation.reporting.table import Cell, Column, Row, Table, name_column, words_column


@dataclass(frozen=True)
class JudgedVariant:
    """How one population agrees with one truth, beside itself with the core switched off."""

    truth: str
    judge: str
    figure: str
    """That is read off: a key of `reporting.figures.ASKED`, or `annotation`."""
    tau: Interval
    twin: Interval | None
    """Tau of the twin; None where there is none."""
    difference: Interval | None
    """Tau less that of the twin, over the same users, picks and resamples."""


@dataclass(frozen=True, kw_only=True)
class VariantJudges(Result):
    """Kendall's tau of variants and of their twins with what is known of real value."""

    KIND = "variants as judges"
    FORMAT = 1
    COMMAND = "python benchmarks/ablations/variant_judges.py"

    rows: tuple[JudgedVariant, ...]
    ceilings: Mapping[str, Interval]
    """Truth to the tau that a perfect judge would reach with so many users."""
    recommenders: tuple[str, ...]
    users: Mapping[str, int]
    """By truth."""


def variant_judges_table(found: VariantJudges) -> Table:
    """A row for every judge and truth."""
    columns = (
        words_column("truth", "truth"),
        name_column("judge"),
        words_column("figure", "by"),
        Column("tau", "tau", good="high", meaning="Kendall's tau-b with the order by real value."),
        Column("twin", "core off", good="high", meaning="Tau of the twin."),
        Column("difference", "difference", meaning="Tau less that of the twin, in pairs."),
    )
    rows = (
        Row(
            (
                Cell(one.truth),
                Cell(one.judge),
                Cell(ASKED[one.figure].title if one.figure in ASKED else one.figure),
                Cell(one.tau),
                Cell(one.twin),
                Cell(one.difference),
            ),
            "" if one.twin else "floor",
        )
        for one in found.rows
    )
    ceilings = ", ".join(f"{truth} {ceiling.value:.2f}" for truth, ceiling in found.ceilings.items())
    note = f"{len(found.recommenders)} recommenders. A perfect judge would reach: {ceilings}."
    return Table.plain("Variants as judges of recommenders", columns, rows, note)
