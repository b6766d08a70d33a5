"""The report's first page: the leaderboard."""

from personagym_env.evaluation.agreement.judges import Agreement
from personagym_env.evaluation.leaderboard.board import RANKED_BY, FidelityRow, Leaderboard
from personagym_env.evaluation.reporting import plots
from personagym_env.evaluation.reporting.figures import FIDELITY, KIND_TITLES, OFFLINE, REAL, SIMULATED, judge_name
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
        "kinds": KIND_TITLES,
        "tiles": _tiles(board),
        "best_fidelity": _best_fidelity(board.fidelity),
    }
    title = "Which recommender is worth most to its users?"
    return Page("leaderboard", "Leaderboard", title, content, board.setting, board.environment)


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


def _tiles(board: Leaderboard) -> list[Tile]:
    judges = main_judges(board)
    tiles = []
    if "simulated" in judges:
        tau = judges["simulated"].tau
        tiles.append(Tile("simulated", f"{tau.value:+.2f}", "τ of simulated return with real value", between(tau)))
    if "offline" in judges:
        tau = judges["offline"].tau
        tiles.append(
            Tile("offline", f"{tau.value:+.2f}", f"τ of {OFFLINE[CONTRAST].title} with real value", between(tau))
        )
    fidelity = next((row for row in board.fidelity if row.name == board.agent), None)
    if fidelity is not None:
        for name, what in (
            ("rmse", "RMSE of the users’ held-out ratings"),
            ("auc", "AUC of the users’ held-out choices"),
        ):
            figure = fidelity.figures[name]
            tiles.append(Tile("simulated", number(figure.value), what, between(figure)))
    return tiles


def _best_fidelity(rows: tuple[FidelityRow, ...]) -> dict[str, float]:
    """Per figure the best value of all populations, to be set in bold."""
    best = {}
    for name, figure in FIDELITY.items():
        values = [row.figures[name].value for row in rows if name in row.figures]
        if values:
            best[name] = max(values) if figure.higher_is_better else min(values)
    return best
