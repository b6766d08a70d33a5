"""The report's page with the simulation card."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from matplotlib.axes import Axes

from personagym_env.evaluation.reporting.card_tables import findings_table, laws_table, sensitivity_tables
from personagym_env.evaluation.reporting.looks import BLUE, INK, VERMILION
from personagym_env.evaluation.reporting.numbers import significant
from personagym_env.evaluation.reporting.pages import Page, Plot
from personagym_env.evaluation.reporting.svg import draw, log_axis
from personagym_env.evaluation.robustness.verdicts import Robustness

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
        robustness: on the same data; tells the sensitivity to more than one judge, in the place of what the card says.
    """
    parameters = card.get("parameters", {})
    origins = [entry["origin"] for entry in parameters.values()]
    content = {
        "title": card["title"],
        "rows": [_row(title, entry) for title, entry in parameters.items()],
        "origins": {origin: origins.count(origin) for origin in dict.fromkeys(origins)},
        "notes": list(card.get("notes", ())),
        "findings": findings_table(card.get("findings", {})),
        "statistics": {title: f"{value:,.4g}" for title, value in card.get("statistics", {}).items()},
        "sensitivity": list(sensitivity_tables(card, robustness)),
        "laws": laws_table(card.get("goodness", ())),
        "plots": [_plot(law) for law in card.get("goodness", ()) if law["curves"] is not None],
    }
    return Page("card", "Simulation card", "What is fitted, and what is assumed?", content)


def _row(title: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    found = entry.get("estimate")
    fitted = entry["origin"] == "fitted" and found is not None
    interval = "" if found is None else f"95 % in {significant(found['low'])} to {significant(found['high'])}"
    if found is not None and found.get("method"):
        interval += f" from {found['rows']:,} rows; {found['method']}"
    grounds = interval if fitted else entry["source"]
    if found is not None and not fitted:
        grounds = f"{grounds}; the log says {significant(found['value'])}, {interval}"
    return {
        "name": title,
        "value": significant(entry["value"], 4),
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
