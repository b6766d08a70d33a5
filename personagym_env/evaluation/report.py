"""One self-contained HTML page of a leaderboard: it opens offline, prints, fits a phone and asks no server."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from personagym_env.evaluation import plots
from personagym_env.evaluation.agreement import Agreement
from personagym_env.evaluation.figures import FIDELITY, KIND_TITLES, OFFLINE, REAL, SIMULATED, judge_name
from personagym_env.evaluation.leaderboard import RANKED_BY, FidelityRow, Leaderboard, write_atomically
from personagym_env.evaluation.snapshot import describe
from personagym_env.evaluation.statistics import Interval

CONTRAST = "ndcg"
"""The offline metric that the report sets beside the simulated users."""


def render_report(board: Leaderboard) -> str:
    """The page as text; every name from outside is escaped."""
    environment = Environment(
        loader=PackageLoader("personagym_env.evaluation"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters["number"] = _number
    template = environment.get_template("report.html.j2")
    return template.render(
        board=board,
        plots={name: Markup(svg) for name, svg in _plots(board).items()},
        simulated=SIMULATED,
        offline=OFFLINE,
        fidelity=FIDELITY,
        kinds=KIND_TITLES,
        ranked_by=RANKED_BY,
        headline=_headline(board),
        best_fidelity=_best_fidelity(board.fidelity),
        machine=describe(board.environment) if board.environment else "",
        card_rows=_card_rows(board.card),
    )


def write_report(board: Leaderboard, path: Path) -> None:
    """Render the page and put it in place whole."""
    write_atomically(path, render_report(board))


def main_judges(board: Leaderboard) -> dict[str, Agreement]:
    """The agreements that a summary names: the population that ranks, the contrasting metric, and chance."""
    by_name = {row.judge: row for row in board.agreements}
    wanted = {
        "simulated": judge_name(SIMULATED[RANKED_BY], board.agent),
        "offline": OFFLINE[CONTRAST].title,
        "floor": "random judge",
    }
    return {kind: by_name[name] for kind, name in wanted.items() if name in by_name}


def _plots(board: Leaderboard) -> dict[str, str]:
    rows = board.rows
    judges = main_judges(board)
    chance = [("chance", board.bounds["chance"].value)] if "chance" in board.bounds else []

    def note(kind: str) -> str:
        return f"τ = {judges[kind].tau.value:+.2f}" if kind in judges else ""

    svgs = {
        "simulated": plots.ranking(rows, lambda row: row.simulated[RANKED_BY], SIMULATED[RANKED_BY].label),
        "real": plots.ranking(rows, lambda row: row.real, REAL.label, chance, "closed pool"),
        "scatter": plots.scatter(
            rows,
            lambda row: row.simulated[RANKED_BY],
            SIMULATED[RANKED_BY].label,
            REAL.label,
            "simulated",
            note("simulated"),
        ),
        "contrast": plots.scatter(
            rows, lambda row: row.offline[CONTRAST], OFFLINE[CONTRAST].label, REAL.label, "offline", note("offline")
        ),
    }
    if board.agreements:
        svgs["agreement"] = plots.agreement_bars(board.agreements)
    return svgs


def _headline(board: Leaderboard) -> list[tuple[str, str, str, str]]:
    """Tiles of (kind, figure, what it is, interval)."""
    judges = main_judges(board)
    tiles = []
    if "simulated" in judges:
        tau = judges["simulated"].tau
        tiles.append(("simulated", f"{tau.value:+.2f}", "τ of simulated return with real value", _between(tau)))
    if "offline" in judges:
        tau = judges["offline"].tau
        tiles.append(("offline", f"{tau.value:+.2f}", f"τ of {OFFLINE[CONTRAST].title} with real value", _between(tau)))
    fidelity = next((row for row in board.fidelity if row.name == board.agent), None)
    if fidelity is not None:
        for name, what in (
            ("rmse", "RMSE of the users’ held-out ratings"),
            ("auc", "AUC of the users’ held-out choices"),
        ):
            figure = fidelity.figures[name]
            tiles.append(("simulated", _number(figure.value), what, _between(figure)))
    return tiles


def _between(interval: Interval) -> str:
    return f"95 % in {interval.low:.2f} to {interval.high:.2f}"


def _best_fidelity(rows: tuple[FidelityRow, ...]) -> dict[str, float]:
    """Per figure the best value of all populations, to be set in bold."""
    best = {}
    for name, figure in FIDELITY.items():
        values = [row.figures[name].value for row in rows if name in row.figures]
        if values:
            best[name] = max(values) if figure.higher_is_better else min(values)
    return best


def _number(value: float, digits: int = 3) -> str:
    """A number as tables show it: enough digits to compare, no more; a dash for NaN."""
    if math.isnan(value):
        return "–"
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.{digits if abs(value) < 10 else 1}f}"
    return text.replace("-", "−")


def _card_rows(card: Mapping[str, Any]) -> list[dict[str, str]]:
    rows = []
    for name, entry in card.get("parameters", {}).items():
        estimate = entry.get("estimate")
        fitted = entry["origin"] == "fitted" and estimate is not None
        grounds = f"95 % in {estimate['low']:.3g} to {estimate['high']:.3g}" if fitted else entry["source"]
        rows.append(
            {
                "name": name,
                "value": f"{entry['value']:.4g}",
                "unit": entry["unit"],
                "origin": entry["origin"],
                "grounds": grounds,
            }
        )
    return rows
