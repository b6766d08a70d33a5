"""The tables of the agreement study."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from personagym_env.evaluation.agreement.judges import JUDGE_KINDS, FullAgreement
from personagym_env.evaluation.agreement.study import AgreementBoard
from personagym_env.evaluation.core.support import LEAST_NEAR, LEAST_SHARE, NEIGHBOURS
from personagym_env.evaluation.reporting.looks import JUDGES
from personagym_env.evaluation.reporting.table import Cell, Column, Row, Section, Table, name_column, words_column

GUESS = "a guess"
"""Stands beside a value that the log does not support."""
FIGURES = (
    Column("tau", "Kendall's tau", good="high"),
    Column("rho", "Spearman", good="high"),
    Column("pairwise", "pairs in order", good="high"),
    Column("clear_pairs", "clear pairs", good="high"),
    Column("regret", "regret", good="low"),
    Column("regret_share", "regret", unit="of the range", good="low"),
)
"""Fields of a judge's row that tables show."""
_FORMS = {"regret": ".3f", "regret_share": ".1%"}


def agreement_tables(board: AgreementBoard) -> Iterator[Table]:
    """Judges, what independence changes, whom each judge prefers, and the recommenders."""
    yield judges_table(board, board.judges)
    if board.differences:
        yield differences_table(board)
    yield preferences_table(board)
    yield recommenders_table(board)


def judges_table(board: AgreementBoard, rows: Sequence[FullAgreement]) -> Table:
    """How judges agree with real value, in sections by kind."""
    columns = (
        name_column("judge", "judge"),
        *(replace(column, unit=board.unit) if column.key == "regret" else column for column in FIGURES),
        words_column("without", "tau without a class"),
        words_column("winner", "its winner"),
    )
    sections = (
        Section(tuple(_judge(row) for row in rows if row.kind == kind), JUDGES[kind].title, kind)
        for kind in JUDGE_KINDS
    )
    reliability = board.reliability
    note = (
        "Simulated users rate the same picks; sessions show whole slates; metrics read the held-out log. 95 % "
        "intervals over users, in whose resamples near ties turn, so that they lie low. Pairs in order: share of pairs "
        "of recommenders that the judge orders as real users do; clear pairs: those whose real difference has an "
        "interval without 0. Regret: real value lost by taking the judge's first instead of the really best, in "
        f"{board.unit}, and as a share of the way from the really worst to the really best. Tau without a class: "
        "lowest and highest when one model class is left out. Tau between the real rankings of two random halves "
        f"of the users: {reliability.value:.2f} ({reliability.low:.2f} to {reliability.high:.2f})."
    )
    if (ceiling := board.noise_ceiling) is not None:
        note += (
            f" A judge that knew the true means would reach {ceiling.value:.2f} ({ceiling.low:.2f} to "
            f"{ceiling.high:.2f}) with so many users."
        )
    if board.without_liked:
        note += f" Metrics of liked rows leave out {board.without_liked:,} users who have no liked held-out row."
    title = f"{board.ground_truth}: agreement with real value"
    return Table(title, columns, tuple(section for section in sections if section.rows), note)


def _judge(row: FullAgreement) -> Row:
    figures = (Cell(getattr(row, column.key), _FORMS.get(column.key, ".2f")) for column in FIGURES)
    taus = row.without.values()
    without = Cell(f"{min(taus):.2f} to {max(taus):.2f}" if taus else None)
    aside = f"no value for {row.undefined}" if row.undefined else ""
    return Row((Cell(row.title, aside=aside), *figures, without, Cell(row.winner)))


def differences_table(board: AgreementBoard) -> Table:
    """One judge less another."""
    columns = (
        name_column("left less right"),
        Column("tau", "Kendall's tau"),
        Column("regret", "regret", unit=board.unit),
        Column("self_preference", "self-preference", unit="ranks"),
    )
    rows = (
        Row((Cell(f"{row.left} – {row.right}"), Cell(row.tau), Cell(row.regret), Cell(row.self_preference, ".2f")))
        for row in board.differences
    )
    note = "An interval that leaves out 0 is no accident of the sample of users."
    return Table.plain(f"{board.ground_truth}: paired differences between judges", columns, rows, note)


def preferences_table(board: AgreementBoard) -> Table:
    """Ranks by which a judge puts a model class higher than real users do."""
    classes = list(board.judges[0].class_shift)
    rows = (
        Row(
            (
                Cell(row.title),
                Cell(row.self_preference, ".2f"),
                *(
                    Cell(row.class_shift[one].value, "+.1f", emphasis="own" if one == row.model_class else "")
                    for one in classes
                ),
            )
        )
        for row in board.judges
        if row.kind != "metric"
    )
    columns = (
        name_column("judge", "judge"),
        Column("own", "its own class"),
        *(Column(f"class {one}", one) for one in classes),
    )
    return Table.plain(
        f"{board.ground_truth}: self-preference, ranks by which a judge puts a model class higher than real users do",
        columns,
        rows,
        "Means over the recommenders of a class; emphasised is the judge's own class.",
    )


def recommenders_table(board: AgreementBoard) -> Table:
    """Real value of every recommender's picks, and what simulated users say of them."""
    asked = [judge for judge in board.judges if judge.kind in ("users", "sessions")]
    judges = [judge.title for judge in asked if judge.figure in board.own]
    columns = (
        name_column("recommender"),
        words_column("class", "class"),
        Column("real", "real value"),
        Column("support", "supported", meaning="Share of the items shown that people like the user rated."),
        *(Column(f"judge {title}", title) for title in judges),
    )
    rows = (
        Row(
            (
                Cell(row.name),
                Cell(row.model_class),
                Cell(row.real),
                Cell(row.support, ".0%"),
                *(Cell(row.said[title].value, aside=GUESS if row.guessed else "") for title in judges),
            )
        )
        for row in board.recommenders
    )
    bounds = ", ".join(f"{name} {bound.value:.3f}" for name, bound in board.bounds.items())
    return Table.plain(
        f"{board.ground_truth}: recommenders by real value of their picks, and what simulated users say of them",
        columns,
        rows,
        f"{board.description}; {board.users:,} users, without {board.left_out:,} who have too few rows; 95 % intervals "
        f"over users; possible: {bounds or 'not known'}. Supported: share of the items shown with at least "
        f"{LEAST_NEAR} ratings among the {NEIGHBOURS} most similar users; under {LEAST_SHARE:.0%} users guess.",
    )
