"""Forms: JSON schemas that answers have to match, for chat models that can be held to one.

A small model that is merely asked for JSON repeats itself to the limit of tokens instead. Held to a form it can only
choose: words of a free text, and claims out of those that ratings can answer.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from personagym_agents.llm.answers import HABITS, LONGEST_CLAIM, AnswerLimits, Notes
from personagym_agents.llm.batches import Batch
from personagym_agents.llm.chat import Form
from personagym_agents.llm.safety import plain_title
from personagym_env.data.tables import Catalogue, Interactions

_VERBS = ("loves", "likes", "dislikes", "hates")
_SHORTEST = 20
"""Characters of a free text at least: a small model would else leave it at a word."""


def claims_of_batch(batch: Batch, log: Interactions, catalogue: Catalogue) -> list[str]:
    """All that can be claimed of some ratings: every verb with each genre and decade of their items."""
    items = log.items[batch.rows]
    genres = np.array(catalogue.genre_names)[catalogue.genres[items].any(axis=0)]
    decades = sorted({int(year) // 10 * 10 for year in catalogue.years[items] if year})
    subjects = [*map(plain_title, genres.tolist()), *(f"{decade}s" for decade in decades)]
    return [f"{verb} {subject}" for subject in subjects for verb in _VERBS]


def form_of_notes(batch: Batch, log: Interactions, catalogue: Catalogue, limits: AnswerLimits) -> Form:
    """Of notes on one batch of ratings; claims are about genres and decades of the items in it."""
    return _object(_notes(limits, claims_of_batch(batch, log, catalogue)))


def form_of_merged(notes: Sequence[Notes], limits: AnswerLimits) -> Form:
    """Of a note on notes; its claims are some of theirs."""
    return _object(_notes(limits, _claims(notes)))


def form_of_profile(notes: Sequence[Notes], limits: AnswerLimits) -> Form:
    """Of a profile; its claims are some of its notes'."""
    habits = {trait: {"type": "string", "enum": list(words)} for trait, words in HABITS.items()}
    return _object({**habits, **_notes(limits, _claims(notes))})


def form_of_reasons(count: int, longest: int) -> Form:
    """Of so many texts.

    Args:
        count: of the texts.
        longest: characters of one at most.
    """
    return _object({"reasons": _list(_text(longest), count, count)})


def _claims(notes: Sequence[Notes]) -> Iterable[str]:
    return (claim for note in notes for claim in note.claims)


def _notes(limits: AnswerLimits, claims: Iterable[str]) -> Mapping[str, Form]:
    known = [claim for claim in dict.fromkeys(claims) if len(claim) <= LONGEST_CLAIM]
    named = {"type": "string", "enum": known} if known else {"type": "string"}
    return {
        "taste": _text(limits.taste),
        "claims": _list(named, 0, limits.claims if known else 0),
    }


def _text(longest: int) -> Form:
    return {"type": "string", "minLength": min(_SHORTEST, longest), "maxLength": longest}


def _list(items: Form, least: int, most: int) -> Form:
    return {"type": "array", "items": items, "minItems": least, "maxItems": most}


def _object(fields: Mapping[str, Form]) -> Form:
    return {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}
