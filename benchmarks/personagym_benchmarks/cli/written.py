"""What `personagym profile` and `personagym reasons` have in common: a chat model writes from the training rows."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from personagym_benchmarks.cli.data import load_split
from personagym_benchmarks.console import make_console


@dataclass(frozen=True)
class WritingCommand:
    """What a chat model writes from the training rows."""

    output: Path
    """File of what is written."""
    model: str
    """Chat model: a local one by name or path, or the server's name of it."""
    base_url: str | None = None
    """Server that speaks OpenAI's protocol, such as http://localhost:8000/v1; None runs the model here."""
    key_variable: str | None = None
    """Environment variable that holds the server's key; None sends none."""
    concurrency: int = 8
    """Requests under way at a time."""
    prices: tuple[float, float] | None = None
    """Price of a million tokens read and of a million written, for the report."""
    dataset: str = "ml-100k"
    """Name or path of the data."""
    free_text: bool = True
    """Whether sentences stay that make no claim which ratings could bear out; they are counted either way."""

    def write(self, written_by: Callable[..., object], settings: object, cache: Path) -> None:
        """Ask the chat model, with progress."""
        from personagym_agents.llm.chat import ChatError, Prices
        from personagym_agents.llm.profiling import open_chat, reflection_report

        console = make_console()
        dataset, split = load_split(self.dataset)
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
        opened = open_chat(
            self.model, base_url=self.base_url, key_variable=self.key_variable, concurrency=self.concurrency
        )
        with Progress(*columns, TimeRemainingColumn(), console=console) as progress, opened as chat:
            try:
                written_by(
                    dataset,
                    split.train,
                    chat,
                    settings,
                    place=self.output,
                    cache=cache,
                    prices=None if self.prices is None else Prices(*self.prices),
                    say=progress.console.print,
                    report=reflection_report(progress),
                )
            except ChatError as error:
                raise SystemExit(str(error)) from error
        console.print(f"written to {self.output}")
