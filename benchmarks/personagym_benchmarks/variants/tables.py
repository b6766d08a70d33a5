"""The tables of variants."""

from collections.abc import Iterator, Mapping

from personagym_benchmarks.variants.board import COMPARED, Measurement, VariantReport
from personagym_env.evaluation.reporting.figures import FIDELITY
from personagym_env.evaluation.reporting.table import Cell, Column, Row, Table, name_column, words_column

_FIGURES = {name: FIDELITY[name] for name in COMPARED}
LEAST_WIDTH = 130
"""Characters that the tables need."""


def variant_tables(report: VariantReport) -> Iterator[Table]:
    """Differences first, then everybody's figures, then each variant's own measurements."""
    yield differences_table(report)
    yield rows_table(report)
    for _, table in own_tables(report.measurements):
        yield table


def differences_table(report: VariantReport) -> Table:
    """Each variant less itself with the core switched off."""
    columns = name_column("variant less its twin"), *(figure.column(key) for key, figure in _FIGURES.items())
    rows = (
        Row((Cell(one.left), *(Cell(one.figures.get(key), ".4f") for key in _FIGURES))) for one in report.differences
    )
    note = f"{report.dataset}: {report.description}; 95 % intervals over users; one that leaves out 0 is no accident."
    return Table.plain("What each core adds", columns, rows, note)


def rows_table(report: VariantReport) -> Table:
    """Figures and times of all."""
    columns = (
        name_column("users"),
        *(figure.column(key) for key, figure in _FIGURES.items()),
        Column("fit", "fit", unit="s", meaning="Processor seconds."),
        Column("decision", "decision", unit="us", meaning="A decision about one item, in slates of 10 for 64 users."),
    )
    rows = (
        Row(
            (
                Cell(row.name),
                *(Cell(row.figures.get(key)) for key in _FIGURES),
                Cell(row.fit_seconds, ".1f"),
                Cell(row.microseconds, ",.2f"),
            ),
            "floor" if row.kind == "floor" else "",
        )
        for row in report.rows
    )
    return Table.plain(f"{report.dataset}: variants beside floors and users", columns, rows)


def own_tables(measurements: Mapping[str, tuple[Measurement, ...]]) -> Iterator[tuple[str, Table]]:
    """What each variant's own measurements found, by its name."""
    for name, found in measurements.items():
        words = (words_column(key, key) for key in ("question", "setting", "figure"))
        rows = (
            Row((Cell(one.question), Cell(one.setting), Cell(one.figure), Cell(one.interval, ".4f"))) for one in found
        )
        yield name, Table.plain(f"{name}: own measurements", (*words, Column("value", "found")), rows)
