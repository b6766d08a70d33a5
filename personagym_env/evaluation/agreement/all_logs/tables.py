"""The tables of the study on every log."""

from collections.abc import Iterator, Sequence

from personagym_env.evaluation.agreement.all_logs.board import AllLogs, LogJudge
from personagym_env.evaluation.agreement.all_logs.meta_analysis import random_effects
from personagym_env.evaluation.agreement.judges import JudgeKind
from personagym_env.evaluation.agreement.replay import REPLAY
from personagym_env.evaluation.agreement.truths import TRUTH_KINDS, TRUTH_TITLES, TruthKind
from personagym_env.evaluation.backtest.confidence import TOLD_APART, ConfidenceBin
from personagym_env.evaluation.core.statistics import Interval
from personagym_env.evaluation.reporting.table import Cell, Column, Row, Section, Table, name_column, words_column

METRICS = ("popularity", "NDCG@10", "NDCG@10, liked", f"{REPLAY} (disjoint)")
"""Offline metrics that the table of all logs has; the file has all."""


def all_logs_tables(study: AllLogs) -> Iterator[Table]:
    """Logs, then by truth all judges on all logs, what the logs say together, and what silence gains."""
    yield logs_table(study)
    for kind in known_kinds(study):
        yield taus_table(study, kind)
    yield together_table(study)
    yield differences_table(study)
    yield silence_table(study)
    yield pairs_table(study)


def known_kinds(study: AllLogs) -> list[TruthKind]:
    """Kinds of truth that some log can tell."""
    return [kind for kind in TRUTH_KINDS if any(True for _ in study.truths(kind))]


def logs_table(study: AllLogs) -> Table:
    """What the logs are like, and who took part."""
    columns = (
        name_column("log"),
        *(Column(key, title) for key, title in (("users", "users"), ("items", "items"), ("rows", "rows"))),
        Column("per_user", "rows of a user", meaning="Median."),
        Column("selection", "selection", meaning="Standard deviation over items of the log odds of being rated."),
        Column("liked", "liked", meaning="Rank correlation of how often and how well items are rated."),
        Column("evaluated", "evaluated users"),
        Column("recommenders", "recommenders"),
        Column("seconds", "their fits", unit="s"),
    )
    rows = [
        Row(
            (
                Cell(board.dataset),
                Cell(float(board.shape.users), ",.0f"),
                Cell(float(board.shape.items), ",.0f"),
                Cell(float(board.shape.rows), ",.0f"),
                Cell(board.shape.rows_per_user, ".0f"),
                Cell(board.shape.selection, ".2f"),
                Cell(board.shape.liked_selection, ".2f"),
                Cell(float(board.evaluated), ".0f"),
                Cell(float(len(board.line_up)), ".0f"),
                Cell(sum(row.seconds for row in board.line_up), ".0f"),
            )
        )
        for board in study.boards
    ]
    refused = "; ".join(
        f"{board.dataset}, {name}: {why}" for board in study.boards for name, why in board.refused.items()
    )
    return Table.plain("Logs", columns, rows, f"Not told: {refused}." if refused else "")


def taus_table(study: AllLogs, kind: TruthKind) -> Table:
    """Tau of every judge on every log that has a truth of the kind."""
    found = list(study.truths(kind))
    columns = (
        name_column("judge"),
        *(Column(f"log {board.dataset}", board.dataset, good="high") for board, _ in found),
    )

    def section(kind_of_judge: JudgeKind, title: str) -> Section:
        titles = dict.fromkeys(
            row.title
            for _, truth in found
            for row in truth.judges
            if row.kind == kind_of_judge and (kind_of_judge == "users" or row.title in METRICS)
        )
        rows = [
            Row((Cell(name), *(_tau([row for row in truth.judges if row.title == name]) for _, truth in found)))
            for name in sorted(titles, key=lambda name: (name.rpartition("(")[2], name))
        ]
        return Section(tuple(rows), title, kind_of_judge)

    best = Row(
        (
            Cell("best offline metric"),
            *(_tau([row for row in truth.judges if reads_held_out(row)], named=True) for _, truth in found),
        )
    )
    ceiling = Row((Cell("a perfect judge"), *(Cell(truth.ceiling, ".2f") for _, truth in found)), "reference")
    metrics = section("metric", "offline metrics")
    return Table(
        f"{TRUTH_TITLES[kind]}: Kendall's tau",
        columns,
        (section("users", "simulated users"), Section((*metrics.rows, best, ceiling), metrics.title, "metric")),
        "95 % intervals over users.",
    )


def together_table(study: AllLogs) -> Table:
    """What all logs say of every judge: mean tau, share of the ceiling, winners and regret."""
    columns = (
        name_column("judge"),
        words_column("truth", "truth"),
        Column("logs", "logs"),
        Column("tau", "mean tau", good="high"),
        Column("spread", "between logs", meaning="Standard deviation of tau between logs, beyond their users' noise."),
        Column("ceiling", "of the ceiling", meaning="Mean share of a perfect judge's tau.", good="high"),
        Column("winner", "right winner", good="high"),
        Column("regret", "regret", unit="of the range", good="low"),
    )
    sections = []
    for kind in known_kinds(study):
        found = list(study.truths(kind))
        titles = dict.fromkeys(row.title for _, truth in found for row in truth.judges)
        rows = []
        for title in titles:
            mine = [(row, truth.ceiling) for _, truth in found for row in truth.judges if row.title == title]
            if len(mine) < min(2, len(found)) or not (mine[0][0].kind == "users" or title in METRICS):
                continue
            pooled = random_effects([row.tau for row, _ in mine])
            n = len(mine)
            # Where recommenders are not told apart at all, a perfect judge has nothing to reach.
            shares = [row.tau.value / ceiling.value for row, ceiling in mine if ceiling.value > 0]
            rows.append(
                (
                    pooled.mean.value,
                    Row(
                        (
                            Cell(title),
                            Cell(kind),
                            Cell(float(n), ".0f"),
                            Cell(pooled.mean, ".2f"),
                            Cell(pooled.spread, ".2f"),
                            Cell(_mean(shares), ".2f"),
                            Cell(f"{sum(row.winner_right for row, _ in mine)} of {n}"),
                            Cell(sum(row.regret_share.value for row, _ in mine) / n, ".1%"),
                        )
                    ),
                )
            )
        ordered = tuple(row for _, row in sorted(rows, key=lambda one: -one[0]))
        sections.append(Section(ordered, f"{kind}: {TRUTH_TITLES[kind]}", "users"))
    note = "Random-effects means over logs with 95 % intervals over logs (Hartung and Knapp)."
    return Table("All logs together", columns, tuple(sections), note)


def differences_table(study: AllLogs) -> Table:
    """Tau of populations less that of the best other one on each log, over logs."""
    columns = (
        name_column("judge"),
        words_column("less", "less"),
        *(Column(f"truth {kind}", kind, meaning=TRUTH_TITLES[kind]) for kind in known_kinds(study)),
    )
    cells: dict[tuple[str, str], dict[TruthKind, list[Interval]]] = {}
    for kind in known_kinds(study):
        for _, truth in study.truths(kind):
            for one in truth.differences:
                cells.setdefault((one.left, one.right), {}).setdefault(kind, []).append(one.tau)
    rows = [
        Row(
            (
                Cell(left),
                Cell(right),
                *(
                    Cell(random_effects(found[kind]).mean if kind in found else None, "+.2f")
                    for kind in known_kinds(study)
                ),
            )
        )
        for (left, right), found in cells.items()
    ]
    note = (
        "Random-effects means over logs, 95 % intervals over logs. The other one is the best of its kind on each log, "
        "picked by that log's own truth, which favours it."
    )
    return Table.plain("Tau less that of the best other judge", columns, rows, note)


def silence_table(study: AllLogs) -> Table:
    """What judges gain by silence about some recommenders, less what silence about as many at random gains."""
    kinds = known_kinds(study)
    columns = (
        name_column("silent about"),
        *(Column(f"truth {kind}", kind, meaning=TRUTH_TITLES[kind]) for kind in kinds),
        Column("silent", "silent about", meaning="Mean number of recommenders, where there was one."),
    )
    gains: dict[str, dict[TruthKind, list[float]]] = {}
    silent: dict[str, list[int]] = {}
    for kind in kinds:
        for _, truth in study.truths(kind):
            for row in truth.judges:
                for rule, one in row.abstentions.items():
                    gains.setdefault(rule, {}).setdefault(kind, []).append(one.tau - one.chance)
                    silent.setdefault(rule, []).append(len(one.silent))
    rows = [
        Row(
            (
                Cell(rule),
                *(Cell(_mean(found.get(kind, [])), "+.3f", aside=f"{len(found.get(kind, []))}") for kind in kinds),
                Cell(_mean(silent[rule]), ".1f"),
            )
        )
        for rule, found in gains.items()
    ]
    note = (
        "Tau of what is left less its mean where as many were dropped at random; means over all users on all logs, "
        "whose number follows."
    )
    return Table.plain("What silence gains", columns, rows, note)


def pairs_table(study: AllLogs) -> Table:
    """Pairs of recommenders as A/B tests: how often the predicted winner won, by predicted probability."""
    judges: dict[str, list[tuple[ConfidenceBin, ...]]] = {}
    kinds = known_kinds(study)
    for kind in kinds:
        for _, truth in study.truths(kind):
            for row in truth.judges:
                if row.kind == "users":
                    judges.setdefault(row.title, []).append(row.pairs)
    lows = sorted({one.low for many in judges.values() for bins in many for one in bins})
    columns = (name_column("judge"), *(Column(f"from {low}", f"from {low:g}") for low in lows))
    rows = [
        Row((Cell(title), *(_right([one for bins in many for one in bins if one.low == low]) for low in lows)))
        for title, many in sorted(judges.items())
    ]
    note = (
        "Share of pairs whose predicted winner won, by its predicted probability (over resamples of one half of the "
        f"users; the outcome is of the other half), all truths and logs together. From {TOLD_APART:g} on a winner is "
        "named."
    )
    return Table.plain("Pairs of recommenders as A/B tests", columns, rows, note)


def reads_held_out(row: LogJudge) -> bool:
    """Whether it is a metric of held-out rows, or of what is shown, and not of rows that a judge knows."""
    return row.kind == "metric" and row.judge != REPLAY


def _right(bins: Sequence[ConfidenceBin]) -> Cell:
    tests = sum(one.tests for one in bins)
    share = sum(one.right * one.tests for one in bins) / tests if tests else None
    return Cell(share, ".2f", aside=f"{tests:,}" if tests else "")


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _tau(rows: Sequence[LogJudge], *, named: bool = False) -> Cell:
    """The best of some judges."""
    row = max(rows, key=lambda row: row.tau.value, default=None)
    return Cell(None) if row is None else Cell(row.tau, ".2f", aside=row.title if named else "")
