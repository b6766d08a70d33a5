"""The report's page with the simulation card."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from matplotlib.axes import Axes

from personagym_env.evaluation.plots import INK, draw, log_axis
from personagym_env.evaluation.report_views import Cell, Grid, Line, Page, Plot, heads, name, number, words
from personagym_env.evaluation.robustness import Robustness

_MARGIN = 0.06
"""Share of the axis that stays empty at either end."""


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
        robustness: on the same data, for a card that does not tell its own sensitivity.
    """
    judge = "" if robustness is None else next(iter(robustness.session_judges), "")
    measured = robustness.sensitivity(judge) if robustness is not None and judge else {}
    parameters = {
        title: entry if entry.get("sensitivity") else {**entry, "sensitivity": measured.get(title)}
        for title, entry in card.get("parameters", {}).items()
    }
    origins = [entry["origin"] for entry in parameters.values()]
    content = {
        "title": card["title"],
        "rows": [_row(title, entry) for title, entry in parameters.items()],
        "origins": {origin: origins.count(origin) for origin in dict.fromkeys(origins)},
        "notes": list(card.get("notes", ())),
        "findings": _findings(card.get("findings", {})),
        "statistics": {title: f"{value:,.4g}" for title, value in card.get("statistics", {}).items()},
        "sensitivity": _sensitivity(parameters, judge),
        "laws": _laws(card.get("goodness", ())),
        "plots": [_plot(law) for law in card.get("goodness", ()) if law["curves"] is not None],
    }
    return Page("card", "Simulation card", "What is fitted, and what is assumed?", content)


def _digits(value: float, digits: int = 3) -> str:
    return f"{value:.{digits}g}".replace("-", "−")


def _row(title: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    found = entry.get("estimate")
    fitted = entry["origin"] == "fitted" and found is not None
    interval = "" if found is None else f"95 % in {_digits(found['low'])} to {_digits(found['high'])}"
    if found is not None and found.get("method"):
        interval += f" from {found['rows']:,} rows; {found['method']}"
    grounds = interval if fitted else entry["source"]
    if found is not None and not fitted:
        grounds = f"{grounds}; the log says {_digits(found['value'])}, {interval}"
    return {
        "name": title,
        "value": _digits(entry["value"], 4),
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
                Cell(_digits(entry["value"], 4), f"{_digits(entry['low'])} to {_digits(entry['high'])}"),
                Cell(f"{entry['rows']:,}"),
                Cell(entry["method"], style="t w"),
            )
        )
        for title, entry in found.items()
    ]
    return Grid((*heads("finding", ("value", "rows")), Cell("method", style="t")), lines, "What else the log says")


def _sensitivity(parameters: Mapping[str, Mapping[str, Any]], judge: str) -> Grid | None:
    """What other values of a parameter do."""
    lines = [
        Line(
            (
                name(title if number_of == 0 else ""),
                Cell(_digits(entry["value"], 4) if number_of == 0 else ""),
                Cell(_digits(point["setting"], 4)),
                Cell(number(point["return"], 2)),
                Cell(number(point["tau"], 2)),
            )
        )
        for title, entry in parameters.items()
        for number_of, point in enumerate(entry.get("sensitivity") or ())
    ]
    if not lines:
        return None
    return Grid(
        heads("parameter", ("value", "tried instead", "mean return", "τ with the ranking under the value")),
        lines,
        "Sensitivity: what moves when an assumption moves",
        "τ: Kendall’s, between the ranking of recommenders under the tried value and under the default one."
        + (f" Judge: {judge}, in a run of its own." if judge else ""),
    )


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
        ax.plot(curves["at"], curves["fitted"], color="#0072B2", lw=1.9, label="fitted law")
        ax.plot(curves["at"], curves["baseline"], color="#D55E00", lw=1.9, ls=(0, (5, 1.6)), label="simple law")
        if min(curves["at"]) > 0:
            log_axis(ax)
        ax.set_ylim(0, 1.02)
        ax.set_xlabel(curves["quantity"])
        ax.set_ylabel("share that lasts longer")
        ax.set_title(law["name"], loc="left", fontsize=11, fontweight="bold")
        ax.legend(frameon=False, labelcolor=INK, fontsize=9.5)

    return Plot(draw((4.5, 3.3), paint), f"{law['name']}: held-out cases and two laws")
