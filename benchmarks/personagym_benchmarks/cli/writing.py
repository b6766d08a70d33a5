"""What `personagym profile` and `personagym reasons` have in common: a chat model writes from the training rows."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from personagym_benchmarks.cli.data import load_split
from personagym_benchmarks.console import make_console
from personagym_benchmarks.display import console_run, print_plain
from personagym_env.data.splits import Split
from personagym_env.data.tables import BoolArray


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
    forms: bool = False
    """Whether the server is told the JSON schema of an answer (`response_format`), and holds the model to it; a server
    that does not know it refuses. A model that runs here is held to it anyhow."""
    prices: tuple[float, float] | None = None
    """Price of a million tokens read and of a million written, for the report."""
    dataset: str = "ml-100k"
    """Name or path of the data."""
    split: str | None = None
    """Which rows are training rows; None for the usual ones of the log."""
    users: int | None = None
    """So many of the users with held-out rows, drawn at random, are written about; None for all users."""
    free_text: bool = True
    """Whether sentences stay that make no claim which ratings could bear out; they are counted either way."""

    def write(self, written_by: Callable[..., object], settings: object, run: Path) -> None:
        """Ask the chat model, with progress."""
        from personagym_agents.llm.chat import ChatError, Prices
        from personagym_agents.llm.profiling import open_chat

        console = make_console()
        dataset, split = load_split(self.dataset, self.split)
        chosen = None if self.users is None else drawn_users(split, self.users)
        opened = open_chat(
            self.model,
            base_url=self.base_url,
            key_variable=self.key_variable,
            concurrency=self.concurrency,
            forms=self.forms,
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
                    users=chosen,
                )
            except ChatError as error:
                raise SystemExit(str(error)) from error
        print_plain(console, f"written to {self.output}")


def drawn_users(split: Split, count: int) -> BoolArray:
    """(u,) so many of the users with held-out rows, the same at every call.

    Raises:
        ValueError: there are not as many.
    """
    asked = np.flatnonzero(split.test.counts)
    if not 1 <= count <= len(asked):
        raise ValueError(f"--users must lie in 1..{len(asked)}, the users with held-out rows, got {count}")
    chosen = np.zeros(split.train.n_users, np.bool_)
    chosen[np.random.default_rng(0).permutation(asked)[:count]] = True
    return chosen
