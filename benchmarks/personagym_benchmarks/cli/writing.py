"""What `personagym profile` and `personagym reasons` have in common: a chat model writes from the training rows."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from personagym_benchmarks.cli.data import load_split
from personagym_benchmarks.console import make_console
from personagym_benchmarks.display import console_run, print_plain


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

    def write(self, written_by: Callable[..., object], settings: object, run: Path) -> None:
        """Ask the chat model, with progress."""
        from personagym_agents.llm.chat import ChatError, Prices
        from personagym_agents.llm.profiling import open_chat

        console = make_console()
        dataset, split = load_split(self.dataset)
        opened = open_chat(
            self.model, base_url=self.base_url, key_variable=self.key_variable, concurrency=self.concurrency
        )
        with console_run(console, run) as context, opened as chat:
            try:
                written_by(
                    dataset,
                    split.train,
                    chat,
                    settings,
                    place=self.output,
                    prices=None if self.prices is None else Prices(*self.prices),
                    context=context,
                )
            except ChatError as error:
                raise SystemExit(str(error)) from error
        print_plain(console, f"written to {self.output}")
