"""The report's first page: the leaderboard."""

from personagym_env.evaluation.agreement.judges import Agreement, JudgeKind
from personagym_env.evaluation.agreement.plots import tau_plot
from personagym_env.evaluation.core.statistics import Interval
from personagym_env.evaluation.leaderboard.board import RANKED_BY, Leaderboard, Row
from personagym_env.evaluation.leaderboard.plots import against_real_plot, ranking_plot
from personagym_env.evaluation.leaderboard.tables import (
    CONTRAST,
    agreement_table,
    choice_table,
    fidelity_table,
    offline_table,
    ranking_table,
)
from personagym_env.evaluation.reporting.figures import OFFLINE, REAL, SIMULATED
from personagym_env.evaluation.reporting.numbers import between, number
from personagym_env.evaluation.reporting.pages import Page, Plot, Tile
from personagym_env.evaluation.reporting.table import Table

_TAU = (
    "Kendall’s τ between each judge’s order of the recommenders and the real one: 1 the same, 0 unrelated, −1 "
    "reversed. The grey band holds 95 % of random orders; a recommender that reads the users is left out."
)


def leaderboard_page(board: Leaderboard) -> Page:
    """Ranking, agreement of the judges, and fidelity of the users who rank."""
    content = {
        "board": board,
        "plots": _plots(board),
        "tiles": _tiles(board),
        "ranking": ranking_table(board),
        "offline": offline_table(board),
        "agreement": _all_judges(board),
        "fidelity": fidelity_table(board) if board.fidelity else None,
    }
    title = "Which recommender is worth most to its users?"
    return Page("leaderboard", "Leaderboard", title, content, board.setting, board.environment)


def _all_judges(board: Leaderboard) -> list[Table]:
    """Every judge by each truth that is known: how people rate, and what they went on to take."""
    found = []
    if board.agreements:
        found.append(agreement_table(board.agreements, ceiling=board.ceilings.get("rating")))
    if board.choice_agreements:
        found.append(choice_table(board.choice_agreements, ceiling=board.ceilings.get("choice")))
    return found


def main_judges(board: Leaderboard) -> dict[JudgeKind, Agreement]:
    """The agreements that a summary names: the population that ranks, and the contrasting metric."""
    ranking = (row for row in board.agreements if (row.population, row.figure) == (board.agent, RANKED_BY))
    contrast = (row for row in board.agreements if (row.kind, row.figure) == ("metric", CONTRAST))
    return {row.kind: row for row in (next(ranking, None), next(contrast, None)) if row is not None}


def _plots(board: Leaderboard) -> dict[str, list[Plot]]:
    rows = board.rows
    judges = main_judges(board)
    chance = [("chance", board.bounds["chance"].value)] if "chance" in board.bounds else []

    def title(kind: JudgeKind) -> str:
        return f"τ = {judges[kind].tau.value:+.2f}" if kind in judges else ""

    def returned(row: Row) -> Interval:
        return row.simulated[RANKED_BY]

    def contrast(row: Row) -> Interval:
        return row.offline[CONTRAST]

    ranked, contrasted = SIMULATED[RANKED_BY].label, OFFLINE[CONTRAST].label
    real = ranking_plot(rows, lambda row: row.real, REAL.label, "check", chance)
    returns = against_real_plot(rows, returned, ranked, "sessions", title("sessions"))
    contrasts = against_real_plot(rows, contrast, contrasted, "metric", title("metric"))
    return {
        "ranking": [
            Plot(
                ranking_plot(rows, returned, ranked, "sessions"), "Simulated return of each recommender with intervals"
            ),
            Plot(real, "Real value of each recommender "),
        ],
        "judges": [
            Plot(returns, "Simulated return against real value"),
            Plot(contrasts, f"{OFFLINE[CONTRAST].title} against real value"),
        ],
        "agreement": [Plot(tau_plot(board.agreements), "Kendall's tau of each judge with real value", _TAU)]
        if board.agreements
        else [],
    }


def _tiles(board: Leaderboard) -> list[Tile]:
    judges = main_judges(board)
    tiles = []
    if "sessions" in judges:
        tau = judges["sessions"].tau
        tiles.append(Tile("sessions", f"{tau.value:+.2f}", "τ of simulated return with real value", between(tau)))
    if "metric" in judges:
        tau = judges["metric"].tau
        tiles.append(
            Tile("metric", f"{tau.value:+.2f}", f"τ of {OFFLINE[CONTRAST].title} with real value", between(tau))
        )
    fidelity = next((row for row in board.fidelity if row.name == board.agent), None)
    if fidelity is not None:
        for name, what in (
            ("rmse", "RMSE of the users’ held-out ratings"),
            ("auc", "AUC of the users’ held-out choices"),
        ):
            figure = fidelity.figures[name]
            tiles.append(Tile("sessions", number(figure.value), what, between(figure)))
    return tiles
