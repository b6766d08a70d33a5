"""The tables of the simulation card: what the log says besides, how well laws fit, and what moving a parameter does."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from personagym_env.card import SensitivityPoint
from personagym_env.evaluation.core.statistics import Interval
from personagym_env.evaluation.reporting.numbers import number, significant
from personagym_env.evaluation.reporting.table import Cell, Column, Row, Section, Table, name_column
from personagym_env.evaluation.robustness.verdicts import Robustness

_HOW_TO_READ = (
    "Each parameter alone: a fitted one at the ends of its interval, an assumed one at half and double its value or, "
    "at 0, at the ends of its plausible range. Mean: return of an episode, over recommenders. τ: Kendall’s, between "
    "their ranking under the tried value and that with all as they are; in bold where the verdict flips, in its order, "
    "in its winner, or in a winner tied within chance among users."
)
_Moved = Mapping[tuple[str, float], Mapping[str, SensitivityPoint]]
"""Parameter and value to judge to point."""


def findings_table(found: Mapping[str, Mapping[str, Any]]) -> Table | None:
    """What the log says of quantities that are no parameter."""
    if not found:
        return None
    rows = (
        Row((Cell(name), Cell(_estimate(entry), ".4g"), Cell(entry["rows"], ",d"), Cell(entry["method"])))
        for name, entry in found.items()
    )
    columns = name_column("finding"), Column("value", "value"), Column("rows", "rows"), Column("how", "method", "prose")
    return Table.plain("What else the log says", columns, rows)


def laws_table(found: Sequence[Mapping[str, Any]]) -> Table | None:
    """Fitted laws against simple ones on rows that neither has seen."""
    if not found:
        return None
    columns = (
        name_column("part"),
        Column("law", "fitted law", "prose"),
        Column("baseline", "simple law", "prose"),
        Column("cases", "cases"),
        Column("gain", "gain"),
        Column("ks", "KS"),
        Column("ks of baseline", "KS, simple"),
    )
    return Table.plain(
        "How well the fitted laws describe sessions that they were not fitted to",
        columns,
        map(_law, found),
        "Gain: mean log likelihood of a held-out observation under the fitted law less that under the simple one, in "
        "nats; above 0 the fitted law is the better one. KS: largest gap to the observed curve.",
    )


def _law(law: Mapping[str, Any]) -> Row:
    curves = law["curves"]
    far = (None if curves is None else curves[f"{one}_distance"] for one in ("fitted", "baseline"))
    return Row(
        (
            Cell(law["name"]),
            Cell(law["law"]),
            Cell(law["baseline"]),
            Cell(law["cases"], ",d"),
            Cell(_estimate(law["gain"])),
            *map(Cell, far),
        )
    )


def _estimate(found: Mapping[str, Any]) -> Interval:
    return Interval(found["value"], found["low"], found["high"])


def sensitivity_tables(card: Mapping[str, Any], robustness: Robustness | None) -> Iterator[Table]:
    """What other values of the parameters do: a table for each number of sessions that an episode may have."""
    parameters = card.get("parameters", {})
    values = {name: float(entry["value"]) for name, entry in parameters.items()}
    if robustness is None:
        own = {name: entry["sensitivity"] for name, entry in parameters.items() if entry.get("sensitivity")}
        judged, note = {card["sensitivity_of"]: own} if own else {}, ""
    else:
        judged = {judge: robustness.sensitivity(judge) for judge in robustness.session_judges}
        note = _reservations(robustness, values)
    found = _by_sessions(judged)
    for sessions, moved in found.items():
        across = "one session per episode" if sessions == 1 else f"up to {sessions:.0f} sessions per episode"
        yield Table(
            f"Sensitivity: what moves when a parameter moves, {across}",
            (
                name_column("parameter"),
                Column("tried", "tried"),
                *(column for judge in judged for column in _judge_columns(judge)),
            ),
            tuple(_sections(moved, list(judged), values)),
            f"{_HOW_TO_READ} {note}".strip() if sessions == max(found) else "",
        )


def _judge_columns(judge: str) -> tuple[Column, Column]:
    return Column(f"mean {judge}", f"{judge}: mean"), Column(f"tau {judge}", "τ")


def _sections(moved: _Moved, judges: list[str], values: Mapping[str, float]) -> Iterator[Section]:
    """The usual returns, and what each parameter at each other value does."""
    points = next(iter(moved.values()))
    usual = [Cell(points[judge]["usual_return"] if judge in points else "", ".2f") for judge in judges]
    beside = (cell for one in usual for cell in (one, Cell("")))
    yield Section((Row((Cell("all as they are"), Cell(""), *beside), "reference"),))
    rows = []
    for (name, setting), points in moved.items():
        instead = f"for {significant(values[name], 4)}" if name in values else ""
        cells = (cell for judge in judges for cell in _moves(points.get(judge)))
        rows.append(Row((Cell(name), Cell(setting, ".4g", instead), *cells)))
    yield Section(tuple(rows))


def _moves(point: SensitivityPoint | None) -> tuple[Cell, Cell]:
    """Return and tau."""
    if point is None:
        return Cell(None), Cell(None)
    flips = point["flips"]
    return Cell(point["return"], ".2f"), Cell(point["tau"], ".2f", flips, "flip" if flips else "")


def _by_sessions(judged: Mapping[str, Mapping[str, Sequence[SensitivityPoint]]]) -> dict[float, _Moved]:
    """Sessions per episode to what moves."""
    found: dict[float, dict[tuple[str, float], dict[str, SensitivityPoint]]] = {}
    for judge, measured in judged.items():
        for name, points in measured.items():
            for point in points:
                moved = found.setdefault(point["sessions"], {})
                moved.setdefault((name, point["setting"]), {})[judge] = point
    return {sessions: found[sessions] for sessions in sorted(found)}


def _reservations(robustness: Robustness, values: Mapping[str, float]) -> str:
    """What resampled users alone do to an order, and which values have changed since."""
    chance = ", ".join(
        f"{number(robustness.chance[judge], 2)} ({judge})"
        for judge in robustness.session_judges
        if judge in robustness.chance
    )
    told = f"Resampled users alone leave a τ of {chance} or more in 95 % of draws." if chance else ""
    changed = ", ".join(f"{name} ({significant(robustness.values[name], 4)})" for name in robustness.outdated(values))
    return f"{told} Measured in a run of its own, in which other values held of: {changed}." if changed else told
