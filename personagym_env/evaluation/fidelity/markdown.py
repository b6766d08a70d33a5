"""The fidelity board's tables in Markdown."""

from collections.abc import Iterable
from pathlib import Path

from personagym_env.evaluation.core.negatives import SUFFIX
from personagym_env.evaluation.fidelity.board import FidelityBoard, FidelityReport
from personagym_env.evaluation.reporting import markdown
from personagym_env.evaluation.reporting.figures import DISTRIBUTION, FIDELITY, RATING, TASTE, Figure

ABLATED_ADAPTERS = frozenset(("none", "single", "single-equal-rows", "random", "individual"))
"""Adapters other than those of personas, as `benchmarks/ablations/ablation.py` names them."""
NO_MEMORY = ", no memory"
"""Ends the names of its rows whose base has no memory."""
OTHERS = ", adapters of others"
"""Ends the names of its rows whose users answer with each other's adapters."""
ABLATED_SETTINGS = ("no memory", "averaging", "equal rows", "reasons")
"""What else sets its rows apart."""
PAPER = (
    ("LLaMA-3-8B, prompted, profile", 1.158, 0.847, 0.0),
    ("Phi-3-mini, profile", 1.203, 0.863, 0.0423),
    ("Phi-3-mini, profile and memory", 1.315, 0.952, 0.0293),
    ("Phi-3-mini, one adapter (5.2k rows), profile and memory", 1.150, 0.834, 0.0115),
    ("Phi-3-mini, one adapter (2.1k rows), profile and memory", 1.337, 1.042, 0.0301),
    ("Phi-3-mini, 4 personas, profile", 1.292, 0.937, 0.0229),
    ("Phi-3-mini, 4 personas, profile and memory", 1.171, 0.881, 0.0177),
)
"""Users, RMSE, MAE and URR in *Personas within Parameters* (arXiv 2509.09689), on ML-1M."""


def _is_ablation(name: str) -> bool:
    owned = name.removesuffix(OTHERS)
    kind, *told = owned.split(", ")
    return owned != name or kind in ABLATED_ADAPTERS or any(word.startswith(ABLATED_SETTINGS) for word in told)


def fidelity(board: FidelityBoard) -> str:
    """How true each population is to held-out people, floors first; the ablations have a table of their own."""
    shown = [row for row in board.rows if row.kind != "control" and not _is_ablation(row.name)]
    rows = ([row.title, *(markdown.cell(row.figures.get(name), 3) for name in FIDELITY)] for row in shown)
    return markdown.table(("users", *(figure.title for figure in FIDELITY.values())), rows)


def fidelity_boards(path: Path, prefix: str = "board") -> dict[str, str]:
    """The tables of a fidelity report by marker.

    Markers are `PREFIX-PROTOCOL-TABLE`, with fidelity, ratings, shares, taste, ablation, differences, by-user, by-item
    and by-persona as tables, and `board-paper-paper` for the paper's own figures beside ours.
    """
    made: dict[str, str] = {}
    for board in FidelityReport.load(path).boards:
        tables = {
            "fidelity": fidelity(board),
            "ratings": board_ratings(board),
            "shares": board_shares(board),
            "taste": board_taste(board),
            "ablation": board_ablation(board),
            "differences": board_differences(board),
        } | {f"by-{part.by.split()[-1]}": board_parts(board, part.by) for part in board.parts}
        tables |= {"paper": board_paper(board)} if board.protocol == "paper" else {}
        made |= {f"{prefix}-{board.protocol}-{name}": table for name, table in tables.items()}
    return made


def _titles(figures: Iterable[Figure]) -> list[str]:
    return [figure.title for figure in figures]


def board_ratings(board: FidelityBoard) -> str:
    """Errors and calibration of ratings, floors first."""
    rows = (
        [row.title, *(markdown.cell(row.figures.get(name), 3) for name in RATING)]
        for row in board.rows
        if "rmse" in row.figures
    )
    return markdown.table(("users", *_titles(RATING.values())), rows)


def board_shares(board: FidelityBoard) -> str:
    """Share of each rating among samples, beside the real ones."""
    real = ["*real*", *(f"{share:.1%}" for share in board.real_shares), *["–"] * len(DISTRIBUTION)]
    rows = (
        [
            row.title,
            *(f"{share:.1%}" for share in row.shares),
            *(markdown.cell(row.figures[name], 3) for name in DISTRIBUTION),
        ]
        for row in board.rows
        if row.shares is not None and not _is_ablation(row.name)
    )
    return markdown.table(
        ("users", *(f"{value:g}" for value in board.scale), *_titles(DISTRIBUTION.values())), [real, *rows]
    )


def board_taste(board: FidelityBoard) -> str:
    """How well real items are told from unseen ones: any, and as popular ones."""
    shown = [name for name in TASTE if name.startswith(("auc", "f1_", "choice_"))]
    figures = {name: TASTE[name].title for name in shown}
    figures |= {
        name + SUFFIX["popular"]: f"{TASTE[name].title}, popular"
        for name in shown
        if name.startswith(("auc", "choice_"))
    }
    rows = (
        [row.title, *(markdown.cell(row.figures.get(name), 3) for name in figures)]
        for row in board.rows
        if "auc" in row.figures and not _is_ablation(row.name)
    )
    return markdown.table(("users", *figures.values()), rows)


def board_ablation(board: FidelityBoard) -> str:
    """Language-model users by who shares an adapter, with and without a memory."""
    figures = _compared()
    rows = (
        [row.title, *(markdown.cell(row.figures.get(name), 4) for name in figures)]
        for row in sorted(board.rows, key=lambda row: NO_MEMORY in row.name)
        if row.name == "persona" or _is_ablation(row.name)
    )
    return markdown.table(("adapters", *figures.values()), rows)


def _compared() -> dict[str, str]:
    """Titles of the figures that differences are told in."""
    return {name: RATING[name].title for name in ("rmse", "mae", "nll")} | {"auc": TASTE["auc"].title}


def board_differences(board: FidelityBoard) -> str:
    """Paired differences with their intervals; one that leaves out 0 is no accident of the sample of users."""
    figures = _compared()
    rows = (
        [f"{row.left} – {row.right}", *(markdown.cell(row.figures.get(name), 4) for name in figures)]
        for row in board.differences
    )
    return markdown.table(("difference", *figures.values()), rows)


def board_parts(board: FidelityBoard, by: str) -> str:
    """RMSE over parts of the held-out rows."""
    parts = [part for part in board.parts if part.by == by]
    names = [row.name for row in board.rows if any(row.name in part.figures for part in parts)]
    rows = (
        [part.label, f"{part.rows:,}", *(markdown.cell(part.figures.get(name, {}).get("rmse"), 3) for name in names)]
        for part in parts
    )
    return markdown.table((by, "rows", *names), rows)


def board_paper(board: FidelityBoard) -> str:
    """The paper's own figures, and ours under its protocol."""
    theirs = ([f"{name} *(paper)*", f"{rmse:.3f}", f"{mae:.3f}", f"{urr:.2%}"] for name, rmse, mae, urr in PAPER)
    ours = (
        [
            row.title,
            *(markdown.cell(row.figures[name], 3) for name in ("rmse", "mae")),
            f"{row.figures['urr'].value:.2%}" if "urr" in row.figures else "–",
        ]
        for row in board.rows
        if "rmse" in row.figures and row.kind != "control"
    )
    return markdown.table(("users", "RMSE", "MAE", "URR"), [*theirs, *ours])
