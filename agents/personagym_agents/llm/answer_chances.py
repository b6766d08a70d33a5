"""The seam to a model that is asked for one word: chances of the words that may be answered, local or from a server.

A server tells them as log probabilities of the likeliest first tokens (`logprobs` and `top_logprobs` of OpenAI's
protocol, which llama.cpp, vLLM and SGLang speak), or, in a dialect of its own, of the answers' tokens; where one that
is asked in OpenAI's words tells none, answers are drawn and counted.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from personagym_agents.llm.chat import Answer, ChatError, Conversation, Usage
from personagym_agents.llm.dialects import (
    DIALECTS,
    ROUNDING,
    Dialect,
    LlamaCppServer,
    SglangServer,
    TokenServer,
    VllmServer,
)
from personagym_agents.llm.endpoint import EndpointChat, PassingError, read_answer
from personagym_agents.llm.prompted import Argument, Asked, conversation, first_token_chances
from personagym_agents.llm.safety import plain
from personagym_env.data.tables import FloatArray

Token = TypeVar("Token", str, int)
_IMPOSSIBLE = -9999.0
"""What servers tell in place of the logarithm of 0."""


class AnswerModel(Protocol):
    """A frozen language model that answers with one of some words."""

    def chances(self, conversations: Sequence[Conversation], words: Sequence[str]) -> FloatArray:
        """(k, w) chances of words of one token each as answers, renormalised over them.

        Raises:
            ChatError: an answer cannot be had.
            ValueError: a word is several tokens, where that can be known.
        """


@dataclass(frozen=True)
class LocalAnswers:
    """A model that runs here."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    """With a chat template."""

    def chances(self, conversations: Sequence[Conversation], words: Sequence[str]) -> FloatArray:
        """See `AnswerModel.chances`; all in one pass behind what the prompts have in common."""
        return first_token_chances(self.model, self.tokenizer, conversations, words)


@dataclass(frozen=True)
class EndpointAnswers:
    """A served model.

    In the dialects `vllm` and `sglang` it tells of exactly the answers; in the others of its likeliest tokens, and a
    word that is not among them counts as the least likely of them, which is the most it can be.
    """

    chat: EndpointChat
    dialect: Dialect = "openai"
    """Whose words it is asked in, see `dialects`."""
    top: int | None = None
    """Likeliest tokens that are asked for; None for as many as most servers of the dialect tell."""
    draws: int = 20
    """Answers that are drawn for a conversation where a server asked as `openai` tells no probabilities."""
    usage: Usage = field(default_factory=Usage)
    """Replies and their tokens, counted as they come."""
    _known: dict[str, int] = field(default_factory=dict, init=False, repr=False, compare=False)
    """Words and their tokens."""

    def __post_init__(self) -> None:
        if self.dialect not in DIALECTS:
            raise ValueError(f"a dialect must be one of {', '.join(DIALECTS)}, got {self.dialect!r}")

    @property
    def identity(self) -> Mapping[str, object]:
        """What decides the chances, as JSON; dialects in which servers tell the same have one in common."""
        if self.dialect in ("vllm", "sglang"):
            return {**self.chat.identity, "told": "the answers"}
        if self.dialect == "llama.cpp":
            return {**self.chat.identity, "told": "likeliest ids", "top": self._top}
        return {**self.chat.identity, "top": self._top, "draws": self.draws}

    @property
    def _top(self) -> int:
        usual = 200 if self.dialect == "llama.cpp" else 20
        return usual if self.top is None else self.top

    def chances(self, conversations: Sequence[Conversation], words: Sequence[str]) -> FloatArray:
        """See `AnswerModel.chances`."""
        if self.dialect == "openai":
            return self._by_text(conversations, words)
        try:
            return self._by_id(conversations, words)
        except ChatError as error:
            raise ChatError(f"{self.chat.settings.base_url}, asked in the dialect {self.dialect}: {error}") from error

    def _by_id(self, conversations: Sequence[Conversation], words: Sequence[str]) -> FloatArray:
        server, found = self._server(), np.zeros((len(conversations), len(words)))
        tokens = self._tokens(server, words)
        for place, told in server.told(conversations, tokens):
            self.usage.add(told.answer)
            found[place] = _renormalised(told.logs, tokens, words)
        return found

    def _server(self) -> TokenServer:
        if self.dialect == "llama.cpp":
            return LlamaCppServer(self.chat, self._top)
        return VllmServer(self.chat) if self.dialect == "vllm" else SglangServer(self.chat)

    def _tokens(self, server: TokenServer, words: Sequence[str]) -> list[int]:
        asked = [word for word in words if word not in self._known]
        for word, tokens in zip(asked, server.tokenized(asked), strict=True):
            if len(tokens) != 1:
                raise ValueError(
                    f"expected answers of one token each, got {word!r}, which the server's tokenizer makes {tokens}"
                )
            self._known[word] = tokens[0]
        found = [self._known[word] for word in words]
        if len(set(found)) < len(found):
            raise ValueError(f"expected answers of one token each, got {dict(zip(words, found, strict=True))}")
        return found

    def _by_text(self, conversations: Sequence[Conversation], words: Sequence[str]) -> FloatArray:
        fields = {"temperature": 0, "max_tokens": 1, "logprobs": True, "top_logprobs": self._top}
        found = np.zeros((len(conversations), len(words)))
        untold = []
        for place, told in self.chat.readings(conversations, fields, first_token):
            self.usage.add(told.answer)
            if told.likeliest is None:
                untold.append(place)
            else:
                found[place] = _renormalised(told.likeliest, words, words)
        for place in untold:
            found[place] = self._drawn(conversations[place], words)
        return found

    def _drawn(self, conversation: Conversation, words: Sequence[str]) -> FloatArray:
        """Shares of answers, one more of each word counted, since what was not drawn is not impossible."""
        count = np.ones(len(words))
        fields = {"temperature": 1, "max_tokens": 1}
        for _, told in self.chat.readings([conversation] * self.draws, fields, first_token):
            self.usage.add(told.answer)
            if (said := told.answer.text.strip()) in words:
                count[words.index(said)] += 1
        return np.asarray(count / count.sum())


def _renormalised(likeliest: Mapping[Token, float], tokens: Sequence[Token], words: Sequence[str]) -> FloatArray:
    """(w,) chances of words by the log probabilities of their tokens.

    Raises:
        ChatError: none of them is told, or none can be.
    """
    if not set(tokens) & set(likeliest):
        raise ChatError(
            f"none of the answers {', '.join(words)} is among the {len(likeliest)} likeliest tokens, such as "
            f"{', '.join(map(repr, list(likeliest)[:3]))}: raise `top`, or name a model that answers in one word"
        )
    least = min(likeliest.values())
    logs = np.array([likeliest.get(token, least) for token in tokens])
    if logs.max() <= _IMPOSSIBLE:
        raise ChatError(f"the server calls every one of the answers {', '.join(words)} impossible")
    chances = np.exp(logs - logs.max())
    return np.asarray(chances / chances.sum())


class FirstToken(NamedTuple):
    """What a reply says of its first token."""

    answer: Answer
    likeliest: Mapping[str, float] | None
    """Token to log probability; None where the server tells none."""


def first_token(body: bytes) -> FirstToken:
    """Read off a chat completion.

    Raises:
        PassingError: it is none, or its log probabilities are none.
    """
    answer = read_answer(body)
    told: Any = json.loads(body)["choices"][0].get("logprobs")
    if not told or not told.get("content"):
        return FirstToken(answer, None)
    try:
        first = told["content"][0]
        likeliest = {str(one["token"]): float(one["logprob"]) for one in (*first["top_logprobs"], first)}
    except (LookupError, TypeError, ValueError) as error:
        raise PassingError(f"expected log probabilities, got {plain(repr(told)[:200])}") from error
    if not all(value <= ROUNDING for value in likeliest.values()):
        raise PassingError(f"expected log probabilities of at most 0, got {sorted(likeliest.values())[-3:]}")
    return FirstToken(answer, likeliest)


def prompted_ratings(
    model: AnswerModel,
    asked: Asked,
    scale: tuple[int, int],
    argument: Argument | None = None,
) -> FloatArray:
    """(k, r) distributions over the ratings, by the chances of the answers' first tokens.

    Raises:
        ValueError: a rating of the scale is several tokens.
    """
    words = [str(rating) for rating in range(scale[0], scale[1] + 1)]
    return model.chances([conversation(asked.document, line, scale, argument) for line in asked.lines], words)
