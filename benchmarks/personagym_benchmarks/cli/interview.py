"""`personagym interview USER`: a conversation with a simulated user."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Annotated

import tyro

from personagym_benchmarks.cli.data import load_split
from personagym_benchmarks.console import make_console
from personagym_benchmarks.display import print_plain

PROMPT = "you> "


@dataclass(frozen=True)
class InterviewCommand:
    """Talk to a user about its taste, its last session or an item; questions come from the terminal or a pipe.

    What is said is borne out by the user's training rows and by its own answers; a chat model may put it into words.
    """

    user: Annotated[int, tyro.conf.Positional]
    """Internal user id, from 0."""
    ask: tuple[str, ...] = ()
    """Questions, answered one after the other; by default they are read from standard input."""
    dataset: str = "ml-100k"
    agent: str = "default"
    """Users: a name or bundle path; what moved an answer is known of language-model users alone."""
    model: str | None = None
    """Chat model that speaks of the taste: a local one by name or path, or the server's name of it."""
    base_url: str | None = None
    """Server that speaks OpenAI's protocol, such as http://localhost:8000/v1; None runs the model here."""
    key_variable: str | None = None
    """Environment variable that holds the server's key; None sends none."""
    seed: int = 0
    """Of the unseen items that words are held against."""
    device: str | None = None
    """Where a language model runs, as `torch` names it; None takes a GPU if there is one."""

    def main(self) -> None:
        """Run the command.

        Raises:
            ValueError: there is no such user, or it cannot answer.
        """
        import numpy as np

        from personagym_agents import load
        from personagym_agents.interviews.interview import HELP, Interview
        from personagym_agents.interviews.speech import ChatVoice
        from personagym_agents.llm.chat import ChatError
        from personagym_agents.llm.profiling import open_chat
        from personagym_env.fit_cache.kept import keeping_fits

        if self.model is None and (self.base_url or self.key_variable):
            raise ValueError("a server speaks for the user only with the name of its model: give --model")
        console = make_console()
        dataset, split = load_split(self.dataset)
        with keeping_fits():
            agent = load(self.agent, dataset, split.train, device=self.device)
        if not 0 <= self.user < agent.n_users:
            raise ValueError(f"user must lie in 0..{agent.n_users - 1}, got {self.user}")
        interview = Interview(agent, dataset, split.train, rng=np.random.default_rng(self.seed))
        with ExitStack() as stack:
            if self.model is not None:
                opened = open_chat(self.model, base_url=self.base_url, key_variable=self.key_variable)
                interview.voice = ChatVoice(stack.enter_context(opened), dataset, split.train, interview.evidence)
            if not self.ask:
                print_plain(console, HELP)
            for question in self._questions():
                try:
                    reply = interview.ask(self.user, question)
                except ChatError as error:
                    raise SystemExit(str(error)) from error
                left_out = f"  ({reply.left_out} left out, not borne out)" if reply.left_out else ""
                print_plain(console, f"user {self.user}> {reply.text}{left_out}")

    def _questions(self) -> Iterator[str]:
        """The questions given, or lines of standard input, with a prompt where that is a terminal."""
        if self.ask:
            for question in self.ask:
                print(f"{PROMPT}{question}")
                yield question
            return
        while True:
            if sys.stdin.isatty():
                print(PROMPT, end="", flush=True)
            line = sys.stdin.readline()
            if not line or line.strip().lower() in ("quit", "exit", "bye"):
                return
            if line.strip():
                yield line.strip()
