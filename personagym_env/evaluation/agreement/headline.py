"""The head of an agreement study: each simulated quantity beside its own truth, and all quantities by all truths."""

from collections.abc import Iterator, Sequence

from personagym_env.evaluation.agreement.judges import FullAgreement
from personagym_env.evaluation.agreement.study import AgreementBoard, AgreementStudy
from personagym_env.evaluation.agreement.truths import TRUTH_TITLES
from personagym_env.evaluation.core.data_overlap import DATA_OVERLAPS, DataOverlap
from personagym_env.evaluation.reporting.figures import ASKED, SESSION, Figure
from personagym_env.evaluation.reporting.table import Cell, Column, Row, Section, Table, name_column

QUANTITIES: dict[str, Figure] = ASKED | SESSION


def headline_tables(study: AgreementStudy) -> Iterator[Table]:
    """Tau of each simulated quantity with its own truth, for single answers and for sessions; then all by all."""
    yield own_table(study, "users")
    if any(row.kind == "sessions" for board in study.boards for row in board.judges):
        yield own_table(study, "sessions")
    for rows in DATA_OVERLAPS:
        if any(row.rows == rows for board in study.boards for row in board.judges):
            yield cross_table(study, rows)


def own_table(study: AgreementStudy, kind: str) -> Table:
    """Tau of every population with each truth, by the quantity that measures the same thing.

    Args:
        study: all truths.
        kind: `users` or `sessions`.
    """
    boards = [board for board in study.boards if _own(board, kind)]
    people = dict.fromkeys((row.population, row.rows) for board in boards for row in board.judges if row.kind == kind)
    rows = tuple(
        Row((Cell(_title(population, known)), *(_tau(_found(board, kind, population, known)) for board in boards)))
        for population, known in people
        if population is not None and known is not None
    )
    what = "what users say of single items" if kind == "users" else "what sessions say"
    pairs = "; ".join(
        f"{board.ground_truth}, {TRUTH_TITLES[board.kind]}, beside {QUANTITIES[_own(board, kind)].title}"
        for board in boards
    )
    return Table(
        f"{study.dataset}: {what}, each quantity with its own truth (Kendall's tau)",
        (name_column("users"), *_truth_columns(boards)),
        (Section(rows), *_yardsticks(boards)),
        f"95 % intervals over users. Comparable pairs: {pairs}. A perfect judge knows the true mean of each "
        "recommender, but not which people were sampled.",
    )


def cross_table(study: AgreementStudy, known: DataOverlap) -> Table:
    """Tau of every simulated quantity with every truth; emphasised are pairs that measure the same thing.

    Args:
        study: all truths.
        known: training rows that the users know.
    """
    boards = study.boards
    people = dict.fromkeys(row.population for board in boards for row in board.judges if row.rows == known)
    sections = []
    for population in filter(None, people):
        found = {key: [board.find(key, population, known) for board in boards] for key in QUANTITIES}
        rows = [
            Row((Cell(QUANTITIES[key].title), *(_tau(row, own=_is_own(row, key, board)) for row, board in pairs)))
            for key, judges in found.items()
            if any(judges) and (pairs := list(zip(judges, boards, strict=True)))
        ]
        sections.append(Section(tuple(rows), _title(population, known), "users"))
    return Table(
        f"{study.dataset}: every simulated quantity with every truth (Kendall's tau), {known} rows",
        (name_column("quantity", "quantity"), *_truth_columns(boards)),
        (*sections, *_yardsticks(boards)),
        "Emphasised: quantity and truth measure the same thing, and only there is a tau below the ceiling a fault. "
        "An offline metric that reads the rows of a truth does not judge it.",
    )


def _own(board: AgreementBoard, kind: str) -> str:
    """The quantity of a kind, asked for, that a truth is comparable with first; empty if there is none."""
    table = ASKED if kind == "users" else SESSION
    asked = {row.figure for row in board.judges if row.kind == kind}
    return next((figure for figure in board.own if figure in table and figure in asked), "")


def _found(board: AgreementBoard, kind: str, population: str, known: DataOverlap) -> FullAgreement | None:
    return board.find(_own(board, kind), population, known)


def _is_own(row: FullAgreement | None, figure: str, board: AgreementBoard) -> bool:
    return row is not None and figure in board.own


def _truth_columns(boards: Sequence[AgreementBoard]) -> tuple[Column, ...]:
    return tuple(
        Column(f"truth {board.ground_truth}", board.ground_truth, meaning=TRUTH_TITLES[board.kind], good="high")
        for board in boards
    )


def _yardsticks(boards: Sequence[AgreementBoard]) -> Iterator[Section]:
    """The best offline metric of each truth, popularity, and what a perfect judge would reach."""
    metrics = [[row for row in board.judges if row.kind == "metric"] for board in boards]
    best = [max(rows, key=lambda row: row.tau.value, default=None) for rows in metrics]
    popular = [next((row for row in rows if row.figure == "popularity"), None) for rows in metrics]
    ceilings = (Cell(board.noise_ceiling, ".2f") for board in boards)
    yield Section(
        (
            Row((Cell("best offline metric"), *(_tau(row, named=True) for row in best))),
            Row((Cell("popularity of what is shown"), *map(_tau, popular))),
            Row((Cell("a perfect judge"), *ceilings), "reference"),
        ),
        "to compare with",
        "metric",
    )


def _tau(row: FullAgreement | None, *, own: bool = False, named: bool = False) -> Cell:
    if row is None:
        return Cell(None)
    return Cell(row.tau, ".2f", aside=row.title if named else "", emphasis="own" if own else "")


def _title(population: str, known: DataOverlap) -> str:
    return f"{population} ({known})"
