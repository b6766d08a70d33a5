"""Holds what a local model writes to forms: of the next tokens, those that would leave its form are masked."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from transformers import LogitsProcessor, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from personagym_agents.llm.chat import Form

if TYPE_CHECKING:
    from llguidance import LLTokenizer

_NEEDS = "holding a local chat model to a form needs the package llguidance: pip install 'personagym[slm]'"
_COMPACT = {"x-guidance": {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}}
"""No room for a model to write blanks without end."""


def guiding_tokenizer(tokenizer: PreTrainedTokenizerBase, entries: int, ends: Sequence[int]) -> "LLTokenizer":
    """A tokenizer as guides read it, which takes a second to make.

    Args:
        tokenizer: a fast one.
        entries: logits that the model gives.
        ends: tokens that end an answer.

    Raises:
        ImportError: the package is not installed.
        ValueError: the tokenizer is none of the fast ones, or nothing ends an answer.
    """
    try:
        from llguidance.hf import from_tokenizer
    except ImportError as error:
        raise ImportError(_NEEDS) from error
    if not isinstance(tokenizer, PreTrainedTokenizerFast) or not ends:
        raise ValueError(
            f"a chat model that is held to forms needs a fast tokenizer with a token that ends an answer, got "
            f"{type(tokenizer).__name__} with {len(ends)} such tokens"
        )
    return from_tokenizer(tokenizer, n_vocab=entries, eos_token=list(ends))


class Guide(LogitsProcessor):
    """Masks the logits of one batch of answers, step by step.

    Args:
        tokenizer: see `guiding_tokenizer`.
        forms: of each answer.

    Raises:
        ValueError: a form is none that can be held to.
    """

    def __init__(self, tokenizer: "LLTokenizer", forms: Sequence[Form]) -> None:
        from llguidance import LLMatcher

        grammars = [LLMatcher.grammar_from_json_schema(json.dumps({**form, **_COMPACT})) for form in forms]
        self._matchers = [LLMatcher(tokenizer, grammar) for grammar in grammars]
        self._begun = False
        for matcher, form in zip(self._matchers, forms, strict=True):
            if matcher.is_error():
                raise ValueError(
                    f"expected a JSON schema that answers can be held to, got {form}: {matcher.get_error()}"
                )

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        """The scores of the next token (b, v), -inf for what a form forbids; (b, t) ids end in the latest token."""
        latest = input_ids[:, -1].tolist() if self._begun else [None] * len(self._matchers)
        self._begun = True
        for place, (matcher, token) in enumerate(zip(self._matchers, latest, strict=True)):
            if token is not None and not matcher.is_stopped():
                matcher.consume_token(token)
            bits = np.frombuffer(matcher.compute_bitmask(), np.uint8)
            allowed = np.unpackbits(bits, bitorder="little")[: scores.shape[1]].astype(np.bool_)
            scores[place, torch.from_numpy(~allowed).to(scores.device)] = -torch.inf
        return scores
