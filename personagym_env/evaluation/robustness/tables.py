"""The tables of the robustness report: how many verdicts flip, which of them, and every setting."""

from collections.abc import Iterator

from personagym_env.evaluation.reporting.looks import SETTINGS
from personagym_env.evaluation.reporting.numbers import number
from personagym_env.evaluation.reporting.table import Cell, Column, Row, Section, Table, name_column, words_column
from personagym_env.evaluation.robustness.verdicts import (
    PARAMETERS,
    SETTING_KINDS,
    Robustness,
    RobustnessRow,
    SettingKind,
)


def robustness_tables(report: Robustness) -> Iterator[Table]:
    """The summary, and every setting of each judge."""
    yield summary_table(report)
    for judge in report.judges:
        yield settings_table(report, judge)


def summary_table(report: Robustness) -> Table:
    """How many verdicts flip, by judge and by what was done otherwise."""
    kinds = [kind for kind in SETTING_KINDS if kind != "default" and any(row.kind == kind for row in report.rows)]
    rows = (Row((Cell(judge), *(_share(report, judge, kind) for kind in kinds))) for judge in report.judges)
    columns = (name_column("judge", "judge"), *(Column(kind, SETTINGS[kind].title) for kind in kinds))
    note = "How many of how many settings, and the smallest tau with the default verdict."
    return Table.plain(f"{report.dataset}: verdicts that flip, by what was done otherwise", columns, rows, note)


def _share(report: Robustness, judge: str, kind: SettingKind) -> Cell:
    rows = [row for row in report.of(judge) if row.kind == kind]
    if not rows:
        return Cell(None)
    flips = sum(bool(row.flips(report.stable)) for row in rows)
    least = number(min(row.tau_default for row in rows), 2)
    return Cell(f"{flips} of {len(rows)}", aside=f"τ ≥ {least}", emphasis="flip" if flips else "")


def flips_table(report: Robustness) -> Table | None:
    """Every verdict that flips, in a section per judge; None where all stand."""
    found = {judge: report.flipped(judge) for judge in report.judges}
    sections = tuple(
        Section(
            tuple(_line(row, report.stable) for row in _by_kind(rows)),
            f"{judge}: {len(rows)} of {len(report.of(judge))} verdicts flip",
        )
        for judge, rows in found.items()
        if rows
    )
    note = (
        "Order: tau with the default verdict is too low. Winner: another recommender comes first, by more than chance "
        "among users explains; a tie, if not."
    )
    return Table("Every verdict that flips", _COLUMNS, sections, note) if sections else None


def settings_table(report: Robustness, judge: str) -> Table:
    """A judge's verdict in every setting."""
    rows, flipped = report.of(judge), report.flipped(judge)
    orders = sum("order" in row.flips(report.stable) for row in rows)
    clear = sum(row.clear for row in rows)
    absent = f" {judge}: {report.absent[judge]}." if judge in report.absent else ""
    note = (
        f"Order: tau with the default verdict below {report.stable:g}, {orders} times. Winner: another first, {clear} "
        f"times by more than chance among users. Resampled users alone leave a tau of {report.chance[judge]:.2f} or "
        f"more in 95 % of draws.{absent}"
    )
    title = f"{report.dataset}: {judge}, {len(flipped)} of {len(rows)} verdicts flip"
    return Table.plain(title, _COLUMNS, (_line(row, report.stable) for row in _by_kind(rows)), note)


_COLUMNS = (
    name_column("setting"),
    Column("value", "tried"),
    words_column("flips", "what flips"),
    Column("default", "tau with the default verdict"),
    Column("tau", "tau with real value"),
    Column("regret", "regret", unit="of the range"),
    Column("mean", "mean said"),
    words_column("winner", "its winner"),
    words_column("usual", "winner by default"),
)


def _by_kind(rows: tuple[RobustnessRow, ...]) -> list[RobustnessRow]:
    return sorted(rows, key=lambda row: SETTING_KINDS.index(row.kind))


def _line(row: RobustnessRow, stable: float) -> Row:
    varied = row.kind in PARAMETERS
    across = f", up to {row.sessions} sessions" if varied and row.sessions and row.sessions > 1 else ""
    words = row.flip_words(stable)
    return Row(
        (
            Cell(row.setting, aside=f"{SETTINGS[row.kind].title}{across}"),
            Cell(row.value if varied else "", ".4g"),
            Cell(words or None, emphasis="flip" if words else ""),
            Cell(row.tau_default, ".2f"),
            Cell(row.tau, ".2f"),
            Cell(row.regret_share.value, ".1%"),
            Cell(row.mean, ".2f"),
            Cell(row.winner),
            Cell(row.default_winner),
        )
    )
