"""What the kills found, as it goes into a file."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from personagym_env.evaluation.core.result_file import Result
from personagym_env.evaluation.reporting.table import Cell, Column, Row, Table, name_column


class Kill(NamedTuple):
    """One run that was killed and begun again."""

    moment: float
    """Seconds from the start to the kill."""
    running: bool
    """Whether the command still ran then; on a machine whose load changes it may have ended before its time."""
    found: Mapping[str, int]
    """Files that the killed run left, hidden ones left out, and how many of each; `*` stands for numbers and hashes."""
    damaged: tuple[str, ...]
    """Those of them that are not whole."""
    digest: str
    """Of what the second run wrote in the end."""


@dataclass(frozen=True)
class KilledCommand:
    """A command that was killed at several moments."""

    command: str
    seconds: float
    """Of the run that nobody killed."""
    digest: str
    """Of what that run wrote."""
    kills: tuple[Kill, ...]

    @property
    def faults(self) -> list[str]:
        """What went wrong, in words; empty if every run came to the same result."""
        told = []
        for kill in self.kills:
            where = f"{self.command} killed after {kill.moment:.2f} s"
            told += [f"{where} left half of {', '.join(kill.damaged)}"] if kill.damaged else []
            told += [] if kill.digest == self.digest else [f"{where} came to another result when it was begun again"]
        return told


@dataclass(frozen=True, kw_only=True)
class Kills(Result):
    """Commands that were killed and begun again."""

    KIND = "record of kills"
    FORMAT = 1
    COMMAND = "python benchmarks/kills/kill.py"

    commands: tuple[KilledCommand, ...]


def kills_table(found: Kills) -> Table:
    """What became of each command."""
    columns = (
        name_column("command"),
        Column("seconds", "seconds of a whole run"),
        Column("kills", "kills"),
        Column("running", "in the middle"),
        Column("files", "files left by then"),
        Column("damaged", "damaged files"),
        Column("other", "other results"),
    )
    return Table.plain("Commands that were killed and begun again", columns, (_row_of(one) for one in found.commands))


def _row_of(one: KilledCommand) -> Row:
    counts = [sum(kill.found.values()) for kill in one.kills]
    return Row(
        (
            Cell(f"`personagym {one.command}`"),
            Cell(one.seconds, ".0f"),
            Cell(len(one.kills), "d"),
            Cell(sum(kill.running for kill in one.kills), "d"),
            Cell(f"{min(counts)} to {max(counts)}"),
            Cell(sum(len(kill.damaged) for kill in one.kills), "d"),
            Cell(sum(kill.digest != one.digest for kill in one.kills), "d"),
        )
    )
