"""`personagym user`: the document of a user."""

from dataclasses import dataclass
from typing import Annotated

import tyro

from personagym_benchmarks.cli.data import load_split
from personagym_benchmarks.console import make_console
from personagym_benchmarks.display import print_plain


@dataclass(frozen=True)
class UserCommand:
    """Print the document that a language-model user begins a session with."""

    user: Annotated[int, tyro.conf.Positional]
    """Internal user id, from 0."""
    dataset: str = "ml-100k"
    agent: str = "persona"
    """`persona` for the shipped bundle, or the folder of another one."""
    device: str | None = None
    """Where the language model runs, as `torch` names it; None takes a GPU if there is one."""

    def main(self) -> None:
        """Run the command."""
        from personagym_agents import load

        dataset, split = load_split(self.dataset)
        agent = load(self.agent, dataset, split.train, device=self.device)
        if not hasattr(agent, "document"):
            raise ValueError(f"{agent.name!r} users have no document: name a bundle of language-model users")
        if not 0 <= self.user < agent.n_users:
            raise ValueError(f"user must lie in 0..{agent.n_users - 1}, got {self.user}")
        print_plain(make_console(), agent.document(self.user))
