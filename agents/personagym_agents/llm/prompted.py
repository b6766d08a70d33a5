"""Users who are a chat model asked for a rating: no adapter, no training, the profile and the history in the prompt.

Asked in two ways: the probabilities of the answers 1 to 5 where the answer is due, of which one always is an answer,
and free generation, whose text may hold no rating at all.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from personagym_agents.llm.chat import Conversation, Message
from personagym_agents.llm.local import LocalChat
from personagym_agents.model.causal_lm import answer_logits, hidden_states
from personagym_agents.model.packing import PREFIX, Segments, pack
from personagym_env.data.tables import FloatArray

_TASK = (
    "You predict how one person rates movies. Answer with one whole number from {low} to {high} and nothing else: "
    "{low} is the worst rating, {high} the best."
)
_RATING = re.compile(r"(?<![\d.,])(\d+)(?![.,]?\d)")


class Asked(NamedTuple):
    """What is asked of one person."""

    document: str
    """The profile, then what the person rated last."""
    lines: Sequence[str]
    """(k,) of the items."""


def conversation(document: str, line: str, scale: tuple[int, int]) -> Conversation:
    """The question for the rating of one item."""
    task = _TASK.format(low=scale[0], high=scale[1])
    told = f"The person, and what the person rated last, each line ending in the rating:\n{document}"
    return Message("system", task), Message("user", f"{told}\n\nThe movie:\n{line}\n\nThe person's rating:")


def parsed_rating(text: str, scale: tuple[int, int]) -> int | None:
    """The rating that an answer gives; None where it gives none, or one off the scale.

    >>> parsed_rating("I'd say 4.", (1, 5)), parsed_rating("4.5", (1, 5)), parsed_rating("10", (1, 5))
    (4, None, None)
    """
    found = _RATING.search(text)
    rating = None if found is None else int(found[1])
    return rating if rating is not None and scale[0] <= rating <= scale[1] else None


@torch.no_grad()
def prompted_ratings(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, asked: Asked, scale: tuple[int, int]
) -> FloatArray:
    """(k, r) distributions over the ratings, by the probabilities of the answers' first tokens.

    All items are asked about in one pass behind what their prompts have in common.

    Raises:
        ValueError: a rating of the scale is several tokens.
    """
    words = [str(rating) for rating in range(scale[0], scale[1] + 1)]
    tokens = [tokenizer.encode(word, add_special_tokens=False) for word in words]
    if any(len(ids) != 1 for ids in tokens):
        raise ValueError(f"expected ratings of one token each, got {dict(zip(words, tokens, strict=True))}")
    chat = LocalChat.of(model, tokenizer)
    prompts = [chat.prompt(conversation(asked.document, line, scale)) for line in asked.lines]
    shortest = min(map(len, prompts))
    table = np.array([prompt[:shortest] for prompt in prompts])
    same = (table == table[0]).all(axis=0)
    common = min(int(same.argmin()) if not same.all() else shortest, shortest - 1)
    segments = Segments.of([prompts[0][:common], *(prompt[common:] for prompt in prompts)])
    index = np.arange(1 + len(prompts))[None]
    packed = pack(segments, index, np.where(index == 0, PREFIX, index)).to(model.device)
    hidden = hidden_states(model, packed)[0, packed.ends[0, 1:]]
    answers = torch.tensor([ids[0] for ids in tokens], device=model.device)
    return np.asarray(torch.softmax(answer_logits(model, hidden, answers).double(), dim=-1).cpu().numpy())
