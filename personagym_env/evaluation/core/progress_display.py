"""What people see while a benchmark runs."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from personagym_env.evaluation.core.offline import Progress as Advance


class ProgressDisplay:
    """One bar for the whole and one for what is going on; whatever is done leaves a line."""

    def __init__(self, console: Console) -> None:
        columns = (TextColumn("{task.description:<46}"), BarColumn(), MofNCompleteColumn())
        self.bars = Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console)

    @contextmanager
    def bar(self, description: str, total: int | None) -> Iterator[Advance]:
        """A bar for one piece of work; yields what counts its progress."""
        task = self.bars.add_task(escape(description), total=total)
        yield lambda done: self.bars.advance(task, done)
        self.bars.remove_task(task)

    def tell(self, line: str) -> None:
        """Leave a line above the bars."""
        self.bars.console.print(line, markup=False, highlight=False)
