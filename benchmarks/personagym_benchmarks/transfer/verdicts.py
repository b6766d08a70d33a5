"""Is a base that travels better than what a log gives by itself? Each log and compared population against floors."""

from collections.abc import Iterable, Iterator

from personagym_benchmarks.transfer.board import Comparison, Transfer, TransferBoard
from personagym_env.evaluation.core.statistics import Interval
from personagym_env.evaluation.reporting.table import NOTHING, Cell, Row, Table, name_column, words_column

CLASSICAL = ("bias", "knn", "mf", "trees")
"""Users who are fitted to a log, by name."""
ROWS = 100_000
"""Training rows that set-up is told for."""
_LOW_IS_GOOD = {"rmse": True, "nll": True, "tau": False}


def verdict_table(study: Transfer) -> Table:
    """Better, level or worse: by paired intervals over users that leave out 0, or hold it."""
    columns = (
        name_column("data set and users"),
        words_column("bias_rmse", "RMSE against bias"),
        words_column("bias_nll", "NLL against bias"),
        words_column("best", "RMSE against the best of bias, kNN, MF and trees"),
        words_column("cold", "cold items, RMSE against the best floor"),
        words_column("few", "users of up to 5 ratings, RMSE against the best floor"),
        words_column("tau", "tau against the best classical judge"),
        words_column("setup", f"set-up of {ROWS:,} rows"),
    )
    rows = (
        Row((Cell(f"{board.dataset}: {name}"), *map(Cell, _verdicts(board, name))))
        for board in study.boards
        for name in board.compared
    )
    note = (
        "Better and worse: the paired 95 % interval of the difference leaves out 0. The best floor is the one whose "
        "own figure is best. Set-up in processor seconds, scaled to the rows of the log."
    )
    return Table.plain("What travels, against what a log gives by itself", columns, rows, note)


def _verdicts(board: TransferBoard, name: str) -> Iterator[str]:
    answers = board.answers
    yield verdict(answers, name, ("bias",), "rmse")
    yield verdict(answers, name, ("bias",), "nll")
    yield verdict(answers, name, CLASSICAL, "rmse")
    for part in (board.cold_items, board.few_ratings):
        yield NOTHING if part is None else verdict(part, name, _others(board, part), "rmse")
    yield verdict(answers, name, CLASSICAL, "tau")
    row = answers.row(name)
    seconds = None if row is None else row.setup_seconds
    yield NOTHING if seconds is None else f"{seconds * ROWS / answers.train_rows:.0f} s"


def _others(board: TransferBoard, part: Comparison) -> list[str]:
    """Floors and classical users: all that is not compared itself."""
    classical = {*CLASSICAL}
    return [row.name for row in part.rows if row.kind == "floor" or row.name in classical - {*board.compared}]


def verdict(part: Comparison, name: str, others: Iterable[str], measure: str) -> str:
    """How a population stands against the best of others by a measure; a dash where they have no figure."""
    low_is_good = _LOW_IS_GOOD[measure]
    figures = {other: row.figures.get(measure) for other in others if other != name and (row := part.row(other))}
    known: dict[str, Interval] = {other: figure for other, figure in figures.items() if figure is not None}
    if not known:
        return NOTHING
    best = min(known, key=lambda other: known[other].value * (1 if low_is_good else -1))
    found = part.difference(name, best, measure)
    if found is None:
        return NOTHING
    low, high = (found.low, found.high) if low_is_good else (-found.high, -found.low)
    word = "better" if high < 0 else "worse" if low > 0 else "level"
    return f"{word} ({best} {found.value:+.4f}, {found.low:+.4f} to {found.high:+.4f})"
