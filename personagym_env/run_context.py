"""What a run is given besides its settings: a folder, a display for people, and the command for the record."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from personagym_env.workers import Workers


class Bar(Protocol):
    """The progress of one piece of work; called with what was done since the last call."""

    def __call__(self, done: float, /) -> None:
        """So much more is done."""
        ...

    def note(self, text: str) -> None:
        """Say behind the description how it stands, in place of what was said before."""
        ...


class Display(Protocol):
    """Shows people what happens."""

    def tell(self, line: str) -> None:
        """Leave a line."""
        ...

    def bar(self, description: str, total: float | None) -> AbstractContextManager[Bar]:
        """A bar that stays until the context ends; `total` is None where nobody knows it."""
        ...


class FigureLog(Protocol):
    """Keeps figures that change with the steps of a training."""

    def __call__(self, name: str, step: int, figures: Mapping[str, float], /) -> None:
        """The figures after a step of the training of that name."""
        ...


class SilentBar:
    """Shows nothing."""

    def __call__(self, done: float, /) -> None:
        """Nothing to show."""

    def note(self, text: str) -> None:
        """Nothing to show."""


class SilentDisplay:
    """Shows nothing."""

    def tell(self, line: str) -> None:
        """Nothing to show."""

    @contextmanager
    def bar(self, description: str, total: float | None) -> Iterator[Bar]:
        """A bar that nobody sees."""
        yield SilentBar()


def no_figures(name: str, step: int, figures: Mapping[str, float], /) -> None:
    """Keep no figures."""


@dataclass(frozen=True)
class RunContext:
    """What a run is given besides its settings; nothing in it moves a figure."""

    folder: Path = Path("runs")
    """Checkpoints, caches and logs: a run that was cut off goes on from there."""
    command: str = ""
    """What a reader types to do the run again, for the record."""
    display: Display = field(default_factory=SilentDisplay)
    figures: FigureLog = no_figures
    workers: Workers | None = None
    """Who do the pieces of the work that do not depend on each other; None for this process, as suits each work."""

    def __reduce__(self) -> tuple[type["RunContext"], tuple[Path, str]]:
        """In another process nothing is shown, and a piece of a run is done as a whole."""
        return RunContext, (self.folder, self.command)

    def tell(self, line: str) -> None:
        """Leave a line for people."""
        self.display.tell(line)

    def bar(self, description: str, total: float | None) -> AbstractContextManager[Bar]:
        """A bar for one piece of work."""
        return self.display.bar(description, total)
