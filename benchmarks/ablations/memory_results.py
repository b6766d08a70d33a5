"""What the studies of written texts and of recalled reasons found, and their tables."""

from collections.abc import Mapping
from dataclasses import dataclass

from personagym_agents.llm.answers import HABITS
from personagym_env.evaluation.core.result_file import Result
from personagym_env.evaluation.core.statistics import Interval
from personagym_env.evaluation.reporting.table import Cell, Column, Row, Table, name_column


@dataclass(frozen=True)
class Nearest:
    """How much the nearest reasons tell of a held-out rating."""

    embedding: str
    count: int
    """Reasons that are asked."""
    correlation: Interval
    """Of what the nearest reasons' ratings are above what was to be expected with what the rating is."""
    rmse: Interval
    """Of user and item mean with that, weighted as training rows say."""
    gain: Interval
    """RMSE of user and item mean alone less this one."""


@dataclass(frozen=True, kw_only=True)
class NearestReasons(Result):
    """What an embedding of reasons is worth."""

    KIND = "nearest reasons"
    FORMAT = 1
    COMMAND = "python benchmarks/ablations/nearest_reasons.py"

    rows: int
    """Held-out rows that were asked."""
    found: tuple[Nearest, ...]


@dataclass(frozen=True, kw_only=True)
class WrittenTexts(Result):
    """What became of the texts that a chat model wrote."""

    KIND = "written texts"
    FORMAT = 1
    COMMAND = "python benchmarks/ablations/written_texts.py"

    users: int
    profiles: int
    """That were written, those that leave a fold out among them."""
    counts: Mapping[str, int]
    """Of answers, claims and sentences of profiles; words for habits are claims too."""
    habits: int
    """Words for habits that stayed."""
    likings_by_chance: Interval
    """Share that holds of all likings that could have been claimed of the users."""
    reason_counts: Mapping[str, int]
    """Of reasons; empty where none were written."""


def nearest_reasons_table(found: NearestReasons) -> Table:
    """A row for each embedding and number of reasons."""
    columns = (
        name_column("reasons embedded by"),
        Column("count", "nearest asked"),
        Column("correlation", "correlation"),
        Column("rmse", "RMSE"),
        Column("gain", "RMSE of means, less"),
    )
    rows = (
        Row(
            (
                Cell(one.embedding),
                Cell(one.count, ".0f"),
                Cell(one.correlation, ".3f"),
                Cell(one.rmse, ".4f"),
                Cell(one.gain, ".4f"),
            )
        )
        for one in found.found
    )
    return Table.plain(f"What the nearest reasons tell, {found.rows:,} held-out rows", columns, rows)


def written_texts_table(found: WrittenTexts) -> Table:
    """What was asked, what was turned away, what stayed."""
    counts, reasons = found.counts, found.reason_counts
    habits = found.profiles * len(HABITS)
    likings = counts["claims grounded"] + counts["claims ungrounded"] - habits
    held = counts["claims grounded"] - found.habits
    refused = ("answers malformed", "answers too long", "questions given up")
    lines: list[tuple[str, int | float | Interval]] = [
        ("users", found.users),
        ("profiles, with those that leave rows out", found.profiles),
        ("answers that were no profile or note", sum(counts.get(name, 0) for name in refused)),
        ("words for habits", habits),
        ("share of them that ratings bear out; by chance a third", found.habits / max(habits, 1)),
        ("likings", likings),
        ("share of them that ratings bear out", held / max(likings, 1)),
        ("the same of all likings that could be claimed", found.likings_by_chance),
        ("sentences that claim nothing", counts["sentences without a claim"]),
    ]
    if reasons:
        lines += [
            ("reasons that stayed", reasons["reasons written"]),
            ("reasons that were thrown out, or too long", reasons["reasons ungrounded"] + reasons["reasons too long"]),
            ("reasons missing", reasons["reasons missing"]),
        ]
    columns = name_column("written"), Column("value", "value")
    shown = (Row((Cell(name), Cell(value, ",.0f" if isinstance(value, int) else ".3f"))) for name, value in lines)
    return Table.plain("Texts by a chat model, and what stayed of them", columns, shown)
