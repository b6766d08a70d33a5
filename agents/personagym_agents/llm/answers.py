"""What a chat model has to answer, and the border where answers that are something else are turned away."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from personagym_agents.llm.chat import Answer
from personagym_agents.llm.safety import plain

LONGEST_CLAIM = 60
"""Characters of one claim at most."""
HABITS: Mapping[str, tuple[str, str, str]] = {
    "activity": ("occasional", "average", "active"),
    "rating": ("generous", "fair", "strict"),
    "conformity": ("contrary", "moderate", "conformist"),
    "diversity": ("focused", "varied", "curious"),
}
"""Traits of a profile and the words for a low, a middle and a high one."""
_THOUGHT = re.compile(r"^.*</think>", re.DOTALL)


@dataclass(frozen=True)
class AnswerLimits:
    """How long an answer may be."""

    taste: int = 240
    """Characters of the free text."""
    claims: int = 6
    """Number of claims."""
    tokens: int = 500
    """Tokens of the whole answer."""

    def __post_init__(self) -> None:
        for name in ("taste", "claims", "tokens"):
            if getattr(self, name) < 1:
                raise ValueError(f"AnswerLimits.{name} must be at least 1, got {getattr(self, name)}")


class RejectedError(Exception):
    """An answer that is not what was asked for."""

    def __init__(self, kind: Literal["malformed", "too long"], reason: str) -> None:
        super().__init__(reason)
        self.kind = kind


class Notes(NamedTuple):
    """What some ratings say about a taste."""

    taste: str
    """Free text; sentences end in a full stop, an exclamation or a question mark."""
    claims: tuple[str, ...]
    """Short statements that the ratings can be asked about."""


class Draft(NamedTuple):
    """A profile before its claims are checked."""

    habits: tuple[tuple[str, str], ...]
    """Trait and the word for it, one of `HABITS`."""
    long_term: Notes
    short_term: Notes | None
    """None if nothing came of the latest batch."""


def read_notes(answer: Answer, limits: AnswerLimits) -> Notes:
    """The notes in an answer.

    Raises:
        RejectedError: there are none, or they are too long.
    """
    return _notes(json_object(answer), limits)


def read_profile(answer: Answer, limits: AnswerLimits) -> tuple[tuple[tuple[str, str], ...], Notes]:
    """Habits and long-term taste in an answer.

    Raises:
        RejectedError: they are missing, not among the words to choose from, or too long.
    """
    content = json_object(answer)
    habits = []
    for trait, words in HABITS.items():
        word = content.get(trait)
        if not isinstance(word, str) or word.strip().lower() not in words:
            raise RejectedError("malformed", f'"{trait}" must be one of {", ".join(words)}')
        habits.append((trait, word.strip().lower()))
    return tuple(habits), _notes(content, limits)


def read_reasons(answer: Answer, count: int) -> list[str]:
    """The texts in an answer, made safe: one per item that was asked about, empty where there is none.

    Raises:
        RejectedError: there is no list of so many texts.
    """
    reasons = json_object(answer).get("reasons")
    if not isinstance(reasons, list) or not all(isinstance(reason, str) for reason in reasons):
        raise RejectedError("malformed", '"reasons" must be a list of texts')
    if len(reasons) != count:
        raise RejectedError("malformed", f'"reasons" must have {count} texts, one per item, not {len(reasons)}')
    return [_sentences(reason) for reason in reasons]


def json_object(answer: Answer) -> dict[str, object]:
    """The first JSON object of an answer; fences and a thought before it are passed over.

    Raises:
        RejectedError: there is none, or the answer was cut off.
    """
    if not answer.finished:
        raise RejectedError("too long", "the answer must end within the limit of tokens")
    text = _THOUGHT.sub("", answer.text)
    try:
        content, _ = json.JSONDecoder().raw_decode(text, text.index("{"))
    except (ValueError, RecursionError) as error:
        raise RejectedError("malformed", "the answer must be one JSON object") from error
    return dict(content)


def _notes(content: Mapping[str, object], limits: AnswerLimits) -> Notes:
    taste, claims = content.get("taste"), content.get("claims")
    if not isinstance(taste, str) or not (safe := _sentences(taste)):
        raise RejectedError("malformed", '"taste" must be a text that is not empty')
    if not isinstance(claims, list) or not all(isinstance(claim, str) for claim in claims):
        raise RejectedError("malformed", '"claims" must be a list of texts')
    if len(taste) > limits.taste:
        raise RejectedError("too long", f'"taste" must have at most {limits.taste} characters, not {len(taste)}')
    if len(claims) > limits.claims:
        raise RejectedError("too long", f'"claims" must name at most {limits.claims}, not {len(claims)}')
    if longer := [claim for claim in claims if len(claim) > LONGEST_CLAIM]:
        raise RejectedError("too long", f"a claim must have at most {LONGEST_CLAIM} characters, not {len(longer[0])}")
    known = dict.fromkeys(plain(claim) for claim in claims)
    return Notes(safe, tuple(claim for claim in known if claim))


def _sentences(text: str) -> str:
    """Safe text in which a semicolon, which a document cannot hold, ends a sentence."""
    return plain(text.replace(";", "."))
