"""The seam to a model that is asked for one word: chances of the words that may be answered, local or from a server.

A server tells them as log probabilities of the likeliest first tokens (`logprobs` and `top_logprobs` of OpenAI's
protocol, which llama.cpp, vLLM and SGLang speak); where it tells none, answers are drawn and counted.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from personagym_agents.llm.chat import Answer, ChatError, Conversation, Usage
from personagym_agents.llm.endpoint import EndpointChat, PassingError, read_answer
from personagym_agents.llm.prompted import Argument, Asked, conversation, first_token_chances
from personagym_agents.llm.safety import plain
from personagym_env.data.tables import FloatArray

_ROUNDING = 1e-3
"""By which a log probability may be above 0."""


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

    A word that is not among the likeliest tokens counts as the least likely of them, which is the most it can be.
    """

    chat: EndpointChat
    top: int = 20
    """Likeliest tokens that are asked for: as many as most servers tell; llama.cpp tells any number."""
    draws: int = 20
    """Answers that are drawn for a conversation where the server tells no probabilities."""
    usage: Usage = field(default_factory=Usage)
    """Replies and their tokens, counted as they come."""

    @property
    def identity(self) -> Mapping[str, object]:
        """What decides the chances, as JSON."""
        return {**self.chat.identity, "top": self.top, "draws": self.draws}

    def chances(self, conversations: Sequence[Conversation], words: Sequence[str]) -> FloatArray:
        """See `AnswerModel.chances`."""
        fields = {"temperature": 0, "max_tokens": 1, "logprobs": True, "top_logprobs": self.top}
        found = np.zeros((len(conversations), len(words)))
        untold = []
        for place, told in self.chat.readings(conversations, fields, first_token):
            self.usage.add(told.answer)
            if told.likeliest is None:
                untold.append(place)
            else:
                found[place] = self._renormalised(told.likeliest, words)
        for place in untold:
            found[place] = self._drawn(conversations[place], words)
        return found

    def _renormalised(self, likeliest: Mapping[str, float], words: Sequence[str]) -> FloatArray:
        if not set(words) & set(likeliest):
            raise ChatError(
                f"none of the answers {', '.join(words)} is among the {len(likeliest)} likeliest tokens, such as "
                f"{', '.join(map(repr, list(likeliest)[:3]))}: raise `top`, or name a model that answers in one word"
            )
        least = min(likeliest.values())
        chances = np.exp([likeliest.get(word, least) for word in words])
        return np.asarray(chances / chances.sum())

    def _drawn(self, conversation: Conversation, words: Sequence[str]) -> FloatArray:
        """Shares of answers, one more of each word counted, since what was not drawn is not impossible."""
        count = np.ones(len(words))
        fields = {"temperature": 1, "max_tokens": 1}
        for _, told in self.chat.readings([conversation] * self.draws, fields, first_token):
            self.usage.add(told.answer)
            if (said := told.answer.text.strip()) in words:
                count[words.index(said)] += 1
        return np.asarray(count / count.sum())


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
    if not all(value <= _ROUNDING for value in likeliest.values()):
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
