"""The report's page with the simulation card."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from matplotlib.axes import Axes

from personagym_env.card import SensitivityPoint
from personagym_env.evaluation.reporting.looks import BLUE, INK, VERMILION
from personagym_env.evaluation.reporting.svg import draw, log_axis
from personagym_env.evaluation.reporting.views import (
    NOTHING,
    Cell,
    Grid,
    Line,
    Page,
    Plot,
    digits,
    heads,
    name,
    number,
    words,
)
from personagym_env.evaluation.robustness.verdicts import Robustness

_MARGIN = 0.06
"""Share of the axis that stays empty at either end."""

_HOW_TO_READ = (
    "Each parameter alone: a fitted one at the ends of its interval, an assumed one at half and double its value or, "
    "at 0, at the ends of its plausible range. Mean: return of an episode, over recommenders. τ: Kendall’s, between "
    "their ranking under the tried value and that with all as they are; in bold where the verdict flips, in its order, "
    "in its winner, or in a winner tied within chance among users."
)


class Bar(NamedTuple):
    """A parameter on an axis of its own from 0 to 100: plausible range, interval of the fit, value."""

    low: float
    """Where the plausible range begins."""
    width: float
    interval: tuple[float, float] | None
    """Begin and width of the fit's interval."""
    value: float


def card_page(card: Mapping[str, Any], robustness: Robustness | None = None) -> Page:
    """Every parameter, fitted or assumed, and what moving it does.

    Args:
        card: as `SimulationCard.to_json` has it; under `goodness` may stand what `GoodnessOfFit.to_dict` gives of each
            fitted law.
        robustness: on the same data; tells the sensitivity to more than one judge, in the place of what the card says.
    """
    parameters = card.get("parameters", {})
    origins = [entry["origin"] for entry in parameters.values()]
    content = {
        "title": card["title"],
        "rows": [_row(title, entry) for title, entry in parameters.items()],
        "origins": {origin: origins.count(origin) for origin in dict.fromkeys(origins)},
        "notes": list(card.get("notes", ())),
        "findings": _findings(card.get("findings", {})),
        "statistics": {title: f"{value:,.4g}" for title, value in card.get("statistics", {}).items()},
        "sensitivity": list(_sensitivity(card, robustness)),
        "laws": _laws(card.get("goodness", ())),
        "plots": [_plot(law) for law in card.get("goodness", ()) if law["curves"] is not None],
    }
    return Page("card", "Simulation card", "What is fitted, and what is assumed?", content)


def _row(title: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    found = entry.get("estimate")
    fitted = entry["origin"] == "fitted" and found is not None
    interval = "" if found is None else f"95 % in {digits(found['low'])} to {digits(found['high'])}"
    if found is not None and found.get("method"):
        interval += f" from {found['rows']:,} rows; {found['method']}"
    grounds = interval if fitted else entry["source"]
    if found is not None and not fitted:
        grounds = f"{grounds}; the log says {digits(found['value'])}, {interval}"
    return {
        "name": title,
        "value": digits(entry["value"], 4),
        "unit": entry["unit"],
        "origin": entry["origin"],
        "grounds": grounds,
        "bar": _bar(entry),
    }


def _bar(entry: Mapping[str, Any]) -> Bar | None:
    """None where no plausible range is known."""
    plausible = entry.get("plausible")
    if plausible is None:
        return None
    found = entry.get("estimate")
    ends = [entry["value"], *plausible, *(() if found is None else (found["low"], found["high"]))]
    low, high = min(ends), max(ends)
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        return None

    def at(value: float) -> float:
        return round(float(100 * (_MARGIN + (1 - 2 * _MARGIN) * (value - low) / (high - low))), 2)

    def span(left: float, right: float) -> tuple[float, float]:
        return at(left), round(at(right) - at(left), 2)

    interval = None if found is None else span(found["low"], found["high"])
    return Bar(*span(*plausible), interval, at(entry["value"]))


def _findings(found: Mapping[str, Mapping[str, Any]]) -> Grid | None:
    """What the log says of quantities that are no parameter."""
    if not found:
        return None
    lines = [
        Line(
            (
                name(title),
                Cell(digits(entry["value"], 4), f"{digits(entry['low'])} to {digits(entry['high'])}"),
                Cell(f"{entry['rows']:,}"),
                Cell(entry["method"], style="t w"),
            )
        )
        for title, entry in found.items()
    ]
    return Grid((*heads("finding", ("value", "rows")), Cell("method", style="t")), lines, "What else the log says")


def _sensitivity(card: Mapping[str, Any], robustness: Robustness | None) -> Iterator[Grid]:
    """What other values of the parameters do: a table for each number of sessions that an episode may have."""
    parameters = card.get("parameters", {})
    if robustness is None:
        own = {title: entry["sensitivity"] for title, entry in parameters.items() if entry.get("sensitivity")}
        judged = {card["sensitivity_of"]: own} if own else {}
        note = ""
    else:
        judged = {judge: robustness.sensitivity(judge) for judge in robustness.session_judges}
        note = _reservations(robustness, {title: entry["value"] for title, entry in parameters.items()})
    found = _by_sessions(judged)
    for sessions, moved in found.items():
        usual = next(iter(moved.values()))
        returns = (Cell(number(usual[judge]["usual_return"], 2)) if judge in usual else Cell("") for judge in judged)
        lines = [Line((name("all as they are"), Cell(""), *_beside(returns)), "reference-line")]
        for (title, setting), points in moved.items():
            value = f"for {digits(parameters[title]['value'], 4)}" if title in parameters else ""
            cells = [cell for judge in judged for cell in _moves(points.get(judge))]
            lines.append(Line((Cell(title, style="t n b"), Cell(digits(setting, 4), value), *cells)))
        across = "one session per episode" if sessions == 1 else f"up to {sessions:.0f} sessions per episode"
        yield Grid(
            heads("parameter", ("tried", *(title for judge in judged for title in (f"{judge}: mean", "τ")))),
            lines,
            f"Sensitivity: what moves when a parameter moves, {across}",
            f"{_HOW_TO_READ} {note}" if sessions == max(found) else "",
        )


def _by_sessions(
    judged: Mapping[str, Mapping[str, Sequence[SensitivityPoint]]],
) -> dict[float, dict[tuple[str, float], dict[str, SensitivityPoint]]]:
    """Sessions per episode to parameter and value to judge to point."""
    found: dict[float, dict[tuple[str, float], dict[str, SensitivityPoint]]] = {}
    for judge, measured in judged.items():
        for title, points in measured.items():
            for point in points:
                moved = found.setdefault(point["sessions"], {})
                moved.setdefault((title, point["setting"]), {})[judge] = point
    return dict(sorted(found.items()))


def _beside(returns: Iterable[Cell]) -> Iterator[Cell]:
    """Returns with an empty cell after each, where tau stands in other lines."""
    for cell in returns:
        yield cell
        yield Cell("")


def _moves(point: SensitivityPoint | None) -> tuple[Cell, Cell]:
    """Return and tau."""
    if point is None:
        return Cell(NOTHING), Cell(NOTHING)
    return Cell(number(point["return"], 2)), Cell(
        number(point["tau"], 2), point["flips"], "flip" * bool(point["flips"])
    )


def _reservations(robustness: Robustness, values: Mapping[str, float]) -> str:
    """What resampled users alone do to an order, and which values have changed since."""
    chance = ", ".join(
        f"{number(robustness.chance[judge], 2)} ({judge})"
        for judge in robustness.session_judges
        if judge in robustness.chance
    )
    told = f"Resampled users alone leave a τ of {chance} or more in 95 % of draws." if chance else ""
    changed = ", ".join(f"{title} ({digits(robustness.values[title], 4)})" for title in robustness.outdated(values))
    return f"{told} Measured in a run of its own, in which other values held of: {changed}." if changed else told


def _laws(found: Sequence[Mapping[str, Any]]) -> Grid | None:
    """Fitted laws against simple ones on rows that neither has seen."""
    if not found:
        return None

    def line(law: Mapping[str, Any]) -> Line:
        gain, curves = law["gain"], law["curves"]
        far = ("–", "–") if curves is None else (number(curves[f"{one}_distance"]) for one in ("fitted", "baseline"))
        return Line(
            (
                name(law["name"]),
                Cell(law["law"], style="t w"),
                Cell(law["baseline"], style="t w"),
                Cell(f"{law['cases']:,}"),
                Cell(number(gain["value"]), f"{number(gain['low'])} to {number(gain['high'])}"),
                *map(Cell, far),
            )
        )

    return Grid(
        (
            *heads("part", ()),
            words("fitted law"),
            words("simple law"),
            *map(Cell, ("cases", "gain", "KS", "KS, simple")),
        ),
        [line(law) for law in found],
        "How well the fitted laws describe sessions that they were not fitted to",
        "Gain: mean log likelihood of a held-out observation under the fitted law less that under the simple one, in "
        "nats; above 0 the fitted law is the better one. KS: largest gap to the observed curve.",
    )


def _plot(law: Mapping[str, Any]) -> Plot:
    """Held-out survival curve, and what the two laws say."""
    curves = law["curves"]

    def paint(ax: Axes) -> None:
        ax.plot(curves["at"], curves["observed"], color=INK, lw=2.2, drawstyle="steps-post", label="held out")
        ax.plot(curves["at"], curves["fitted"], color=BLUE, lw=1.9, label="fitted law")
        ax.plot(curves["at"], curves["baseline"], color=VERMILION, lw=1.9, ls=(0, (5, 1.6)), label="simple law")
        if min(curves["at"]) > 0:
            log_axis(ax)
        ax.set_ylim(0, 1.02)
        ax.set_xlabel(curves["quantity"])
        ax.set_ylabel("share above")
        ax.set_title(law["name"], loc="left", fontsize=11, fontweight="bold")
        ax.legend(frameon=False, labelcolor=INK, fontsize=9.5)

    return Plot(draw((4.5, 3.3), paint), f"{law['name']}: held-out cases and two laws")
