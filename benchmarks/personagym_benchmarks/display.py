"""What people see while a command runs, and what it prints when it is done."""

import shlex
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from personagym_env.evaluation.reporting.table import Table
from personagym_env.evaluation.reporting.terminal import rich_table
from personagym_env.run_context import Bar, RunContext
from personagym_env.workers import ray_workers


class _DoneColumn(ProgressColumn):
    """Steps done of all, or the share of a work that is counted in shares."""

    def render(self, task: Task) -> Text:
        """How far the task is."""
        if task.total is None:
            return Text("")
        words = f"{task.completed:.0%}" if task.total <= 1 else f"{task.completed:,.0f}/{task.total:,.0f}"
        return Text(words, style="progress.download")


class ConsoleBar:
    """One bar on the console."""

    def __init__(self, bars: Progress, task: TaskID, description: str) -> None:
        self._bars, self._task, self._description = bars, task, description

    def __call__(self, done: float, /) -> None:
        """Move the bar."""
        self._bars.advance(self._task, done)

    def note(self, text: str) -> None:
        """Show a text behind the description."""
        self._bars.update(self._task, description=escape(f"{self._description}: {text}"))


class ConsoleDisplay:
    """One bar for the whole and one for what is going on; whatever is done leaves a line."""

    def __init__(self, console: Console) -> None:
        columns = (TextColumn("{task.description:<46}"), BarColumn(), _DoneColumn(), TimeElapsedColumn())
        self.bars = Progress(*columns, TimeRemainingColumn(), console=console)

    @contextmanager
    def bar(self, description: str, total: float | None) -> Iterator[Bar]:
        """A bar for one piece of work; yields what counts its progress."""
        task = self.bars.add_task(escape(description), total=total)
        yield ConsoleBar(self.bars, task, description)
        self.bars.remove_task(task)

    def tell(self, line: str) -> None:
        """Leave a line above the bars."""
        self.bars.console.print(line, markup=False, highlight=False)


Ray = Annotated[
    str | None,
    tyro.conf.arg(
        help="Where pieces of the work are done that do not depend on each other: `auto` for the Ray cluster on this "
        "machine, `local` for one that is started on its cores, or the address of a cluster; by default in this "
        "process. The results are the same."
    ),
]
"""The option of every command whose work has such pieces."""


@contextmanager
def console_run(
    console: Console, folder: Path, command: str | None = None, ray: str | None = None
) -> Iterator[RunContext]:
    """The context of a run that a person started and watches.

    Args:
        console: shows the progress.
        folder: of the run.
        command: that started the run; None for that of `personagym`.
        ray: where pieces of the work are done, see `ray_workers`; None for this process.
    """
    display = ConsoleDisplay(console)
    with nullcontext() if ray is None else ray_workers(ray) as workers, display.bars:
        yield RunContext(folder, command or shlex.join(["personagym", *sys.argv[1:]]), display, workers=workers)


def print_tables(console: Console, tables: Iterable[Table], least_width: int) -> None:
    """Print tables, which a terminal that is narrower than `least_width` characters wraps."""
    console.width = max(console.width, least_width)
    for table in tables:
        console.print(rich_table(table), crop=False)


def print_plain(console: Console, *lines: object) -> None:
    """Print lines as they are: no markup, no colours, no line breaks of the console's own."""
    for line in lines:
        console.print(str(line), markup=False, highlight=False, soft_wrap=True)
