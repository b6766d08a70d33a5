"""Tokens of their own for the fields of documents, for a tokenizer that spells them: a level is one token, not eight.

A field is what ends in a semicolon or a comma: a year, a genre, a level of the evidence, a trait. Titles stay spelled,
because a pretrained base knows the words of titles.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple, cast

from tokenizers import AddedToken
from transformers import PreTrainedTokenizerBase

_FIELD = re.compile(r"[^;,\n]+[;,]")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_SELDOM = 8
"""Times that a field has to occur in the texts to get a token."""


class FieldTokens(NamedTuple):
    """What was added to a tokenizer."""

    ids: tuple[int, ...]
    """(n,) in the order of the tokenizer."""
    spelled: tuple[tuple[int, ...], ...]
    """(n,) tokens that would spell each."""
    families: tuple[tuple[int, ...], ...]
    """Tokens that differ in a number alone, in the order of that number."""


def fields_of(text: str) -> list[str]:
    r"""The fields of a line, without its title, or of a profile.

    >>> fields_of("\nHeat; 1995; Action, Crime; crowd 3.6, 150 ratings; 5")
    [' 1995;', ' Action,', ' Crime;', ' crowd 3.6,', ' 150 ratings;']
    >>> fields_of("25-29, M; no earlier ratings; likes Drama")
    ['25-29,', ' M;', ' no earlier ratings;']
    """
    return _FIELD.findall(text.partition(";")[2] if text.startswith("\n") else text)


def add_field_tokens(tokenizer: PreTrainedTokenizerBase, texts: Iterable[str], most: int) -> FieldTokens:
    """Give the fields that save most a token each.

    Args:
        tokenizer: gets them.
        texts: lines and profiles about as often as they occur, from training rows alone.
        most: tokens that are added at most.
    """
    counts = Counter(field for text in texts for field in fields_of(text))
    often = [field for field, count in counts.items() if count >= _SELDOM]
    spelled = [tuple(tokenizer.encode(field, add_special_tokens=False)) for field in often]
    saved = {field: counts[field] * (len(ids) - 1) for field, ids in zip(often, spelled, strict=True) if len(ids) > 1}
    chosen = sorted(sorted(saved, key=lambda field: (-saved[field], field))[:most])
    known = dict(zip(often, spelled, strict=True))
    tokenizer.add_tokens([AddedToken(field, normalized=False, special=False) for field in chosen])
    ids = cast(list[int], tokenizer.convert_tokens_to_ids(chosen))
    return FieldTokens(tuple(ids), tuple(known[field] for field in chosen), families_of(chosen, ids))


def field_ids(tokenizer: PreTrainedTokenizerBase) -> tuple[int, ...]:
    """(n,) tokens of fields that a tokenizer has beyond those that it was trained with."""
    known = tokenizer.added_tokens_decoder.items()
    return tuple(sorted(token for token, added in known if not added.special and _FIELD.fullmatch(added.content)))


def families_of(fields: Sequence[str], ids: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """Of fields that hold one number each."""
    alike: dict[str, list[tuple[float, int]]] = defaultdict(list)
    for field, token in zip(fields, ids, strict=True):
        numbers = _NUMBER.findall(field)
        if len(numbers) == 1:
            alike[_NUMBER.sub("#", field)].append((float(numbers[0]), token))
    return tuple(tuple(token for _, token in sorted(family)) for family in alike.values() if len(family) > 2)
