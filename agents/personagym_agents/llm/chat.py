"""The seam to a chat model: conversations in, answers out as they come, and what they cost."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol


class Message(NamedTuple):
    """One turn of a conversation."""

    role: Literal["system", "user"]
    """`system` gives the task, `user` the data."""
    content: str


Conversation = tuple[Message, ...]
"""What a chat model is asked: a task and its data; the answer is the next turn."""

Form = Mapping[str, object]
"""JSON schema of an answer, JSON-able."""


class Answer(NamedTuple):
    """What a chat model said."""

    text: str
    finished: bool
    """False if the model was cut off at the limit of tokens."""
    prompt_tokens: int | None
    """Tokens read; None if the back end does not say."""
    completion_tokens: int | None
    """Tokens written; None if the back end does not say."""


class ChatError(RuntimeError):
    """A chat model could not be asked; what was answered before is kept, and the same run goes on from there."""


class ChatModel(Protocol):
    """A frozen language model that answers conversations, each on its own."""

    @property
    def identity(self) -> Mapping[str, object]:
        """Everything but the conversation that decides an answer, JSON-able: part of the cache's key."""

    def answers(
        self, conversations: Sequence[Conversation], max_tokens: int, forms: Sequence[Form] | None = None
    ) -> Iterator[tuple[int, Answer]]:
        """Answer every conversation once.

        Args:
            conversations: what to ask.
            max_tokens: tokens of an answer at most.
            forms: that answers are held to, one per conversation, if the model can be held to any.

        Yields:
            Place of the conversation and its answer, in the order in which answers come.

        Raises:
            ChatError: an answer cannot be had.
        """


@dataclass(frozen=True)
class Prices:
    """What a back end charges, in the currency of the user's bill per million tokens."""

    prompt: float
    completion: float

    def __post_init__(self) -> None:
        if self.prompt < 0 or self.completion < 0:
            raise ValueError(f"prices per million tokens must not be below 0, got {self.prompt} and {self.completion}")


@dataclass
class Usage:
    """Answers and tokens, counted as they come."""

    answers: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    unreported: int = 0
    """Answers whose tokens the back end did not tell."""

    def add(self, answer: Answer) -> None:
        """Count an answer."""
        self.answers += 1
        if answer.prompt_tokens is None or answer.completion_tokens is None:
            self.unreported += 1
            return
        self.prompt_tokens += answer.prompt_tokens
        self.completion_tokens += answer.completion_tokens

    def cost(self, prices: Prices) -> float:
        """What the tokens cost.

        >>> Usage(answers=2, prompt_tokens=3_000_000, completion_tokens=500_000).cost(Prices(0.5, 2.0))
        2.5
        """
        return (self.prompt_tokens * prices.prompt + self.completion_tokens * prices.completion) / 1e6

    def report(self, prices: Prices | None) -> str:
        """One line for people."""
        line = f"{self.answers} answers, {self.prompt_tokens:,} tokens read, {self.completion_tokens:,} written"
        unknown = f", tokens of {self.unreported} answers not told" if self.unreported else ""
        return line + unknown + ("" if prices is None else f", cost {self.cost(prices):.4f}")
