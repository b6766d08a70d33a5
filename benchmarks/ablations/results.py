"""What the ablations found, as it goes into files, and their tables."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from personagym_benchmarks.variants.board import Measurement, VariantRow
from personagym_env.evaluation.core.result_file import Result
from personagym_env.evaluation.core.statistics import Interval
from personagym_env.evaluation.fidelity.group_signal import GroupSignal
from personagym_env.evaluation.reporting.figures import FIDELITY
from personagym_env.evaluation.reporting.table import Cell, Column, Row, Table, name_column, words_column
from personagym_recommenders.recbole.models import ModelType

Outcome = Literal["works", "refused", "fails", "out of time"]
BLENDED = ("rmse", "nll", "auc")
"""Figures in which blends are compared."""
STYLED = ("rmse", "nll")
"""Figures that response styles can move."""


@dataclass(frozen=True, kw_only=True)
class Blends(Result):
    """What blends of adapters change of the base without any."""

    KIND = "blends"
    FORMAT = 1
    COMMAND = "python benchmarks/ablations/blends.py"

    differences: Mapping[str, Mapping[str, Interval]]
    """Blend to figure to its difference from the base."""


@dataclass(frozen=True)
class Candidate:
    """A setting of a classical user that was tried on the last fifth of the training rows."""

    settings: str
    rmse: float
    mae: float
    seconds: float
    """That fitting took."""


@dataclass(frozen=True, kw_only=True)
class ClassicalUsers(Result):
    """How the defaults of classical users were chosen, and what they reach."""

    KIND = "choice of classical users"
    FORMAT = 1
    COMMAND = "python benchmarks/ablations/classical_users.py"

    validation: tuple[Candidate, ...]
    test: Mapping[str, Mapping[str, Interval]]
    """Users to figure to estimate on held-out rows."""


@dataclass(frozen=True)
class StyledLog:
    """What response styles are worth on one log."""

    rows: int
    """That were held out."""
    without: Mapping[str, Interval]
    """Figure to what users without styles reach."""
    difference: Mapping[str, Interval]
    """Figure to what users with styles reach, less that; paired over users."""


@dataclass(frozen=True, kw_only=True)
class ResponseStyles(Result):
    """What knowing how people and items use a scale is worth."""

    KIND = "response styles"
    FORMAT = 1
    COMMAND = "python benchmarks/ablations/response_styles.py"

    logs: Mapping[str, StyledLog]
    """By name."""


@dataclass(frozen=True, kw_only=True)
class GroupSignals(Result):
    """What personas, and random groups, would explain of the errors that are left."""

    KIND = "group signal"
    FORMAT = 1
    COMMAND = "python benchmarks/ablations/group_signal.py"

    groups: tuple[int, ...]
    """Users of each persona."""
    signal: GroupSignal


@dataclass(frozen=True)
class ModelAttempt:
    """What became of one of RecBole's models."""

    model: str
    type: ModelType
    outcome: Outcome
    reason: str
    """Why it is refused, or what went wrong; empty where it works."""
    seconds: float
    """Of the attempt, imports left out."""


@dataclass(frozen=True, kw_only=True)
class RecBoleModels(Result):
    """What became of every model of RecBole."""

    KIND = "sweep of RecBole's models"
    FORMAT = 1
    COMMAND = "python benchmarks/ablations/recbole_models.py"

    rows: tuple[ModelAttempt, ...]
    """By name."""


@dataclass(frozen=True, kw_only=True)
class ChatUsers(Result):
    """What a prompted model says to a few held-out rows, and what moves its answers."""

    KIND = "prompted users"
    FORMAT = 1
    COMMAND = "python benchmarks/ablations/chat_users.py"

    rows: tuple[VariantRow, ...]
    """The model, then floors on the same rows; a decision is two calls, for the wish and for the rating."""
    measurements: tuple[Measurement, ...]
    calls: int
    """Prompts of everything that was asked."""


@dataclass(frozen=True, kw_only=True)
class TextMemoriesFound(Result):
    """How memories in words rank, beside none and beside memories in numbers."""

    KIND = "memories in words"
    FORMAT = 1
    COMMAND = "python benchmarks/ablations/text_memories.py"

    measurements: tuple[Measurement, ...]
    counts: Mapping[str, Mapping[str, int]]
    """By what is learned from: choices, answers that held no text, and questions given up."""
    memories: tuple[str, ...]
    """What the users remember after learning from disagreement."""
    encounters: int
    """Choices lived through, of all users."""
    users: int


@dataclass(frozen=True, kw_only=True)
class SteeredAdapters(Result):
    """Steering against adapters of single users, by the time that either takes."""

    KIND = "steering against adapters"
    FORMAT = 1
    COMMAND = "python benchmarks/ablations/steered_adapters.py"

    measurements: tuple[Measurement, ...]
    users: int
    rows: int
    """Held-out ones, of these users."""


@dataclass(frozen=True, kw_only=True)
class ServedAnswers(Result):
    """How far the answers of a server are from those of the same weights here."""

    KIND = "answers of a server"
    FORMAT = 1
    COMMAND = "python benchmarks/ablations/served_answers.py"

    precision: str
    """Of the server's weights."""
    prompts: int
    prompt_tokens: int
    """That the server counted."""
    largest_chance: float
    """Difference of the chance of an answer, renormalised over the answers, at most."""
    mean_chance: float
    largest_log: float
    """The same of log probabilities, in nats."""
    same_likeliest: int
    """Prompts whose likeliest answer is the same."""
    local_seconds: float
    """Of the wall, for a prompt."""
    served_seconds: float


@dataclass(frozen=True)
class MixedVariant:
    """What a variant adds to users whose answers are mixed with its own."""

    name: str
    differences: Mapping[str, Interval]
    """Figure to that of the mixture less that of the users alone."""
    rating_shares: tuple[float, float]
    """Of the variant, for either half of the users, as the other half chose them."""
    choice_shares: tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class VariantsTogether(Result):
    """What variants add to the shipped users."""

    KIND = "variants mixed with users"
    FORMAT = 1
    COMMAND = "python benchmarks/ablations/variants_together.py"

    users: str
    figures: Mapping[str, Interval]
    """Of the users alone."""
    rows: tuple[MixedVariant, ...]


def variants_together_table(found: VariantsTogether) -> Table:
    """What each adds, and in which share."""
    columns = (
        name_column("mixed with"),
        *(FIDELITY[key].column(key) for key in BLENDED),
        words_column("rating", "share in ratings"),
        words_column("choice", "share in choices"),
    )
    rows = (
        Row(
            (
                Cell(one.name),
                *(Cell(one.differences[key], ".4f") for key in BLENDED),
                *(
                    Cell(" and ".join(f"{share:.0%}" for share in part))
                    for part in (one.rating_shares, one.choice_shares)
                ),
            )
        )
        for one in found.rows
    )
    return Table.plain(f"What mixing adds to {found.users} users", columns, rows)


def recbole_models_table(found: RecBoleModels) -> Table:
    """What became of each model."""
    words = (words_column(key, key) for key in ("type", "outcome"))
    columns = name_column("model"), *words, Column("seconds", "time", unit="s"), Column("reason", "why", "prose")
    rows = (
        Row((Cell(one.model), Cell(one.type), Cell(one.outcome), Cell(one.seconds, ".0f"), Cell(one.reason)))
        for one in found.rows
    )
    return Table.plain("RecBole's models", columns, rows)


def blends_table(found: Blends) -> Table:
    """What blends of adapters change of the base without any."""
    rows = (Row((Cell(name), *(Cell(one[key], ".4f") for key in BLENDED))) for name, one in found.differences.items())
    columns = (name_column("adapters, less none"), *(FIDELITY[key].column(key) for key in BLENDED))
    return Table.plain("Blends of adapters, less the base without any", columns, rows)


def response_styles_table(found: ResponseStyles) -> Table:
    """What users without styles reach, and what styles change of it."""
    columns = [name_column("data set"), Column("rows", "held-out rows")]
    for key in STYLED:
        title = FIDELITY[key].column(key).title
        columns += [
            Column(f"{key} without", f"{title} without"),
            Column(f"{key} change", f"{title}, with less without"),
        ]
    rows = (
        Row(
            (
                Cell(name),
                Cell(log.rows, ",.0f"),
                *(Cell(part[key], ".4f") for key in STYLED for part in (log.without, log.difference)),
            )
        )
        for name, log in found.logs.items()
    )
    return Table.plain("Matrix factorisation, linked with response styles and without", tuple(columns), rows)


def candidates_table(found: ClassicalUsers) -> Table:
    """Every setting that was tried."""
    columns = name_column("settings"), Column("rmse", "RMSE"), Column("mae", "MAE"), Column("seconds", "fit", unit="s")
    rows = (
        Row((Cell(one.settings), Cell(one.rmse, ".4f"), Cell(one.mae, ".4f"), Cell(one.seconds, ".1f")))
        for one in found.validation
    )
    return Table.plain("Last fifth of the training rows", columns, rows)


def classical_table(found: ClassicalUsers) -> Table:
    """What the defaults reach."""
    columns = (name_column("users"), *(figure.column(key) for key, figure in FIDELITY.items()))
    rows = (
        Row((Cell(name), *(Cell(figures.get(key), figure.form) for key, figure in FIDELITY.items())))
        for name, figures in found.test.items()
    )
    return Table.plain("Held-out rows", columns, rows)
