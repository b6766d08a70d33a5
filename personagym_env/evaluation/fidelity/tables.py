"""The tables of the fidelity board."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby

from personagym_env.evaluation.core.negatives import SUFFIX, Negatives
from personagym_env.evaluation.fidelity.board import BoardRow, FidelityBoard
from personagym_env.evaluation.reporting.figures import DISTRIBUTION, FIDELITY, RATING, TASTE, Figure
from personagym_env.evaluation.reporting.table import Cell, Column, Row, Section, Table, name_column

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
_UNSEEN: Mapping[Negatives, str] = {
    "uniform": "unseen items",
    "popular": "unseen items as popular as the real ones",
}
_COMPARED = {key: FIDELITY[key] for key in ("rmse", "mae", "nll", "auc")}
_CHOSEN = {f"choice_5{SUFFIX[kind]}": TASTE["choice_5"] for kind in SUFFIX}


def fidelity_tables(board: FidelityBoard) -> Iterator[Table]:
    """Ratings, their distribution, taste, paired differences and breakdowns of a protocol."""
    yield ratings_table(board)
    yield shares_table(board, board.rows)
    for kind in SUFFIX:
        yield taste_table(board, kind)
    if board.published:
        yield published_table(board)
    if board.differences:
        yield differences_table(board)
    for by in dict.fromkeys(part.by for part in board.parts):
        yield parts_table(board, by)


def overview_table(board: FidelityBoard) -> Table:
    """How true each population is to held-out people, floors first; what is left out or changed has its own table."""
    rows = [row for row in board.rows if row.kind in ("floor", "users")]
    return _figures(f"{board.protocol}: fidelity to held-out people", rows, FIDELITY)


def ratings_table(board: FidelityBoard) -> Table:
    """Errors and calibration of ratings."""
    title = f"{board.dataset}, {board.protocol}: ratings of held-out rows"
    return _figures(title, board.rows, RATING, note=f"{board.description}; 95 % intervals over users.")


def taste_table(board: FidelityBoard, kind: Negatives) -> Table:
    """How well real items are told from unseen ones of a kind."""
    figures = {key + SUFFIX[kind]: figure for key, figure in TASTE.items() if not key.startswith("own_")}
    return _figures(f"{board.protocol}: real items among {_UNSEEN[kind]}", board.rows, figures)


def short_taste_table(board: FidelityBoard, rows: Iterable[BoardRow]) -> Table:
    """How well real items are told from unseen ones of both kinds, in fewer figures."""
    figures = {key: figure for key, figure in TASTE.items() if key.startswith(("auc", "f1_", "choice_"))}
    figures |= {
        key + SUFFIX["popular"]: figure._replace(title=f"{figure.title}, popular")
        for key, figure in figures.items()
        if not key.startswith("f1_")
    }
    return _figures(f"{board.protocol}: real items among unseen ones, and among as popular ones", rows, figures)


def shares_table(board: FidelityBoard, rows: Iterable[BoardRow]) -> Table:
    """Share of each rating among samples, beside the real ones."""
    shares = (Cell(share, ".1%") for share in board.real_shares)
    real = Row((Cell("real"), *shares, *(Cell(None) for _ in DISTRIBUTION)), "reference")
    sampled = (
        Row(
            (
                Cell(row.title),
                *(Cell(share, ".1%") for share in row.shares),
                *(Cell(row.figures[key], figure.form) for key, figure in DISTRIBUTION.items()),
            )
        )
        for row in rows
        if row.shares is not None
    )
    columns = (
        name_column("users"),
        *(Column(f"rating {value:g}", f"{value:g}") for value in board.scale),
        *(figure.column(key) for key, figure in DISTRIBUTION.items()),
    )
    sections = Section((real,)), Section(tuple(sampled))
    return Table(f"{board.protocol}: sampled ratings against real ones, same pairs", columns, sections)


def ablation_table(board: FidelityBoard) -> Table:
    """The users as they are and with parts left out or changed; those without a memory stand last."""
    rows = [row for row in board.rows if row.kind == "ablation" or (row.kind == "users" and row.memory)]
    rows.sort(key=lambda row: row.memory is False)
    return _figures(f"{board.protocol}: what each part adds", rows, _COMPARED, "adapters", ".4f")


def differences_table(board: FidelityBoard) -> Table:
    """Paired differences; an interval that leaves out 0 is no accident of the sample of users."""
    figures = _COMPARED | _CHOSEN
    columns = [name_column("left less right"), *(figure.column(key) for key, figure in figures.items())]
    columns[-1] = Column(columns[-1].key, f"{columns[-1].title}, popular", meaning=columns[-1].meaning, good="high")
    rows = (
        Row((Cell(f"{row.left} – {row.right}"), *(Cell(row.figures.get(key), ".4f") for key in figures)))
        for row in board.differences
    )
    note = "An interval that leaves out 0 is no accident of the sample of users."
    return Table.plain(f"{board.protocol}: paired differences", columns, rows, note)


def parts_table(board: FidelityBoard, by: str) -> Table:
    """RMSE over parts of the held-out rows."""
    parts = [part for part in board.parts if part.by == by]
    names = [row.name for row in board.rows if any(row.name in part.figures for part in parts)]
    rows = (
        Row(
            (
                Cell(part.label),
                Cell(part.rows, ",d"),
                Cell(part.users, ",d"),
                *(Cell(part.figures.get(name, {}).get("rmse")) for name in names),
            )
        )
        for part in parts
    )
    columns = (
        name_column(by),
        Column("rows", "rows"),
        Column("users", "users"),
        *(Column(f"population {name}", name) for name in names),
    )
    return Table.plain(f"{board.protocol}: RMSE by {by}", columns, rows)


def paper_table(board: FidelityBoard) -> Table:
    """The paper's own figures, and ours under its protocol."""
    theirs = (Row((Cell(f"{name} (paper)"), Cell(rmse), Cell(mae), Cell(urr, ".2%"))) for name, rmse, mae, urr in PAPER)
    ours = (
        Row(
            (
                Cell(row.title),
                Cell(row.figures["rmse"]),
                Cell(row.figures["mae"]),
                Cell(row.figures["urr"].value if "urr" in row.figures else None, ".2%"),
            )
        )
        for row in board.rows
        if "rmse" in row.figures and row.kind != "control"
    )
    columns = (name_column("users"), *(RATING[key].column(key) for key in ("rmse", "mae", "urr")))
    title = "Beside *Personas within Parameters*"
    return Table(title, columns, (Section(tuple(theirs)), Section(tuple(ours))))


def published_table(board: FidelityBoard) -> Table:
    """Figures of others, and the board's own under the same protocol."""
    theirs = (
        Row((Cell(one.name), Cell(one.rmse), Cell(one.mae), Cell(one.source)), "reference") for one in board.published
    )
    ours = (
        Row((Cell(row.title), *(Cell(row.figures.get(key)) for key in ("rmse", "mae")), Cell("this project")))
        for row in board.rows
        if "rmse" in row.figures and row.kind in ("floor", "users")
    )
    columns = name_column("users"), *(RATING[key].column(key) for key in ("rmse", "mae"))
    note = f"{board.description}; intervals over {board.sizes['users']:,} users, where this project measured."
    title = f"{board.protocol}: beside published figures"
    return Table(
        title, (*columns, Column("source", "source", "prose")), (Section(tuple(theirs)), Section(tuple(ours))), note
    )


def _figures(
    title: str,
    rows: Iterable[BoardRow],
    figures: Mapping[str, Figure],
    head: str = "users",
    form: str | None = None,
    note: str = "",
) -> Table:
    """Figures of those who have any of them, a section for each kind."""
    shown = (row for row in rows if set(figures) & set(row.figures))
    sections = (
        Section(
            tuple(
                Row(
                    (
                        Cell(row.title),
                        *(Cell(row.figures.get(key), form or figure.form) for key, figure in figures.items()),
                    ),
                    "floor" if row.kind == "floor" else "",
                )
                for row in group
            )
        )
        for _, group in groupby(shown, key=lambda row: row.kind)
    )
    columns = (name_column(head), *(figure.column(key) for key, figure in figures.items()))
    return Table(title, columns, tuple(sections), note)
