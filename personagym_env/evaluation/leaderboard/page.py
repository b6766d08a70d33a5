"""The report's first page: the leaderboard."""

from personagym_env.evaluation.agreement.judges import Agreement, JudgeKind
from personagym_env.evaluation.agreement.plots import tau_plot
from personagym_env.evaluation.core.statistics import Interval
from personagym_env.evaluation.leaderboard.board import RANKED_BY, FidelityRow, Leaderboard, Row
from personagym_env.evaluation.leaderboard.plots import against_real_plot, ranking_plot
from personagym_env.evaluation.reporting.figures import FIDELITY, OFFLINE, REAL, SIMULATED
from personagym_env.evaluation.reporting.looks import JUDGES
from personagym_env.evaluation.reporting.views import Page, Tile, between, number

CONTRAST = "ndcg"
"""The offline metric that the report sets beside the simulated users."""


def leaderboard_page(board: Leaderboard) -> Page:
    """Ranking, agreement of the judges, and fidelity of the users who rank."""
    content = {
        "board": board,
        "plots": _plots(board),
        "simulated": SIMULATED,
        "offline": OFFLINE,
        "fidelity": FIDELITY,
        "judges": JUDGES,
        "tiles": _tiles(board),
        "best_fidelity": _best_fidelity(board.fidelity),
    }
    title = "Which recommender is worth most to its users?"
    return Page("leaderboard", "Leaderboard", title, content, board.setting, board.environment)


def main_judges(board: Leaderboard) -> dict[JudgeKind, Agreement]:
    """The agreements that a summary names: the population that ranks, and the contrasting metric."""
    ranking = (row for row in board.agreements if (row.population, row.figure) == (board.agent, RANKED_BY))
    contrast = (row for row in board.agreements if (row.kind, row.figure) == ("metric", CONTRAST))
    return {row.kind: row for row in (next(ranking, None), next(contrast, None)) if row is not None}


def _plots(board: Leaderboard) -> dict[str, str]:
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
    svgs = {
        "simulated": ranking_plot(rows, returned, ranked, "sessions"),
        "real": ranking_plot(rows, lambda row: row.real, REAL.label, "check", chance),
        "scatter": against_real_plot(rows, returned, ranked, "sessions", title("sessions")),
        "contrast": against_real_plot(rows, contrast, contrasted, "metric", title("metric")),
    }
    return svgs | ({"agreement": tau_plot(board.agreements)} if board.agreements else {})


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


def _best_fidelity(rows: tuple[FidelityRow, ...]) -> dict[str, float]:
    """Per figure the best value of all populations, to be set in bold."""
    best = {}
    for name, figure in FIDELITY.items():
        values = [row.figures[name].value for row in rows if name in row.figures]
        if values:
            best[name] = max(values) if figure.higher_is_better else min(values)
    return best
