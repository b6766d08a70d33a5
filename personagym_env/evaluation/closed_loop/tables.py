"""The tables of a closed loop."""

from collections.abc import Iterator

from personagym_env.evaluation.closed_loop.board import FIGURES, ClosedLoop, LoopRound
from personagym_env.evaluation.reporting.table import Cell, Column, Row, Table, name_column, words_column


def tables(found: ClosedLoop) -> Iterator[Table]:
    """What became of every arm, what one has more than another, and who was seen."""
    yield arms_table(found)
    yield differences_table(found)
    yield providers_table(found)


def arms_table(found: ClosedLoop) -> Table:
    """The first round, which all have in common, and every arm's last."""
    last, first = found.n_rounds - 1, found.arms[0]
    rows = [_arm("at the beginning", found.at(first, 0)), *(_arm(arm, found.at(arm, last)) for arm in found.arms)]
    note = (
        f"Round {last} of {found.n_rounds}; {found.repetitions} loops of {found.sessions:,} sessions a round with users"
        f" {found.users}, intervals over loops. Chance alone has real value {found.chance}, a clairvoyant {found.best}."
        f" In the last round weighted impressions are worth {found.effective_share:.0%} of as many equal ones."
    )
    columns = (name_column("recommender"), *(figure.column(key) for key, figure in FIGURES.items()))
    return Table.plain("The closed loop, last round", columns, rows, note)


def _arm(name: str, one: LoopRound) -> Row:
    return Row((Cell(name), *(Cell(one.figures[key], figure.form) for key, figure in FIGURES.items())))


def differences_table(found: ClosedLoop) -> Table:
    """What one arm has more than another, loop by loop."""
    columns = (
        words_column("figure", "figure"),
        name_column("policy"),
        words_column("other", "less"),
        Column("mean", "all rounds after the first"),
        Column("last", "last round"),
    )
    rows = (
        Row((Cell(figure.title), Cell(mean.left), Cell(mean.right), *(Cell(one.value, ".3f") for one in (mean, last))))
        for key, figure in FIGURES.items()
        for mean, last in zip(found.differences[key], found.last_differences[key], strict=True)
    )
    return Table.plain("Differences, loop by loop", columns, rows)


def providers_table(found: ClosedLoop) -> Table:
    """Each provider's share of the exposure in the last round, the largest share of the catalogue first."""
    last = found.n_rounds - 1
    columns = (
        name_column("provider"),
        Column("catalogue", "share of the catalogue"),
        *(Column(arm, arm) for arm in found.arms),
    )
    ends = [found.at(arm, last) for arm in found.arms]
    catalogue = ends[0].catalogue
    rows = (
        Row(
            (
                Cell(found.providers[at]),
                Cell(catalogue[at], ".1%"),
                *(Cell(one.exposure[at], ".1%") for one in ends),
            )
        )
        for at in sorted(range(len(catalogue)), key=lambda at: -catalogue[at])
    )
    return Table.plain("Providers' shares of the exposure, last round", columns, rows)
