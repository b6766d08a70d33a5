"""Users who are a chat model asked for a rating: no adapter, no training, the profile and the history in the prompt.

Asked in two ways: the probabilities of the answers 1 to 5 where the answer is due, of which one always is an answer,
and free generation, whose text may hold no rating at all.
"""

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

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
_PERSON = "The person, and what the person rated last, each line ending in the rating:"
_ARGUMENTS = {"for": "would like", "against": "would not like"}
_WISH = "You predict whether one person would watch a movie now. Answer with yes or no and nothing else."
_CHOOSE = (
    "You predict which movie of a list one person would watch now. Answer with its number, from 1 to {most}, and "
    "nothing else."
)
Argument = Literal["for", "against"]
"""What a model thinks of first: why the person would like an item, or why not."""
_RATING = re.compile(r"(?<![\d.,])(\d+)(?![.,]?\d)")


class Asked(NamedTuple):
    """What is asked of one person."""

    document: str
    """The profile, then what the person rated last."""
    lines: Sequence[str]
    """(k,) of the items."""


def conversation(document: str, line: str, scale: tuple[int, int], argument: Argument | None = None) -> Conversation:
    """The question for the rating of one item.

    Args:
        document: the profile, then what the person rated last.
        line: of the item.
        scale: lowest and highest rating.
        argument: has the model think first of why the person would like it, or why not; None of neither.
    """
    task = _TASK.format(low=scale[0], high=scale[1])
    told = f"{_PERSON}\n{document}"
    think = "" if argument is None else f"\nThink of why the person {_ARGUMENTS[argument]} it.\n"
    return Message("system", task), Message("user", f"{told}\n\nThe movie:\n{line}\n{think}\nThe person's rating:")


def wish_conversation(document: str, line: str) -> Conversation:
    """The question whether the person would take one item."""
    return Message("system", _WISH), Message("user", f"{_PERSON}\n{document}\n\nThe movie:\n{line}\n\nYes or no:")


def list_conversation(document: str, lines: Sequence[str]) -> Conversation:
    """The question which of some numbered items the person would take."""
    shown = "\n".join(f"{place}. {line}" for place, line in enumerate(lines, 1))
    task = _CHOOSE.format(most=len(lines))
    return Message("system", task), Message("user", f"{_PERSON}\n{document}\n\nThe list:\n{shown}\n\nThe number:")


def parsed_rating(text: str, scale: tuple[int, int]) -> int | None:
    """The rating that an answer gives; None where it gives none, or one off the scale.

    >>> parsed_rating("I'd say 4.", (1, 5)), parsed_rating("4.5", (1, 5)), parsed_rating("10", (1, 5))
    (4, None, None)
    """
    found = _RATING.search(text)
    rating = None if found is None else int(found[1])
    return rating if rating is not None and scale[0] <= rating <= scale[1] else None


@torch.no_grad()
def first_token_chances(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    conversations: Sequence[Conversation],
    words: Sequence[str],
) -> FloatArray:
    """(k, w) chances of words of one token each as answers, renormalised over them.

    All are asked in one pass behind what their prompts have in common.

    Raises:
        ValueError: a word is several tokens.
    """
    tokens = [tokenizer.encode(word, add_special_tokens=False) for word in words]
    if any(len(ids) != 1 for ids in tokens):
        raise ValueError(f"expected answers of one token each, got {dict(zip(words, tokens, strict=True))}")
    chat = LocalChat.of(model, tokenizer)
    prompts = [chat.prompt(one) for one in conversations]
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
