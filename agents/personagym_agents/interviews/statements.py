"""Statements: what a user says of its taste, composed from its training rows, as claims and in words."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from personagym_agents.documents.profile import MOST_GENRES, NOTABLE_LIFT, RECENT_GENRES, RECENT_SHARE, STRONG_LIFT
from personagym_agents.explanations.wording import listed
from personagym_agents.interviews.contrasts import Said
from personagym_agents.llm.claims import Choosing, Habit, Liking, Subject
from personagym_agents.llm.evidence import Evidence, decades_of
from personagym_agents.llm.safety import plain_title
from personagym_env.data.tables import Catalogue, FloatArray


class Statement(NamedTuple):
    """One thing that a user says."""

    text: str
    claims: tuple[Said, ...]
    """What can be held against rows; empty for facts of the log and numbers, which are right as they are told."""


def taste_claims(evidence: Evidence, user: int) -> Iterator[Said]:
    """What the user's rows bear out, the strongest first: likings, what is chosen of late, how the user rates."""
    for kind, lifts in (("genre", evidence.genre.genre_lift), ("decade", evidence.decade.genre_lift)):
        for sign in (1, -1):
            yield from _likings(kind, sign, lifts[user])
    recent = evidence.genre.recent_share[user]
    for column in np.argsort(-recent, kind="stable")[:RECENT_GENRES].tolist():
        if recent[column] >= RECENT_SHARE:
            yield Choosing(Subject("genre", column), often=True)
    if evidence.activity[user] and (word := evidence.habit("rating", user)) != "fair":
        yield Habit("rating", word)


def _likings(kind: str, sign: int, lift: FloatArray) -> Iterator[Liking]:
    strength = sign * lift
    for column in np.argsort(-strength, kind="stable")[:MOST_GENRES].tolist():
        if strength[column] >= NOTABLE_LIFT:
            yield Liking(Subject(kind, column), sign, bool(strength[column] >= STRONG_LIFT))


class Speaker:
    """Puts claims into words that `personagym_agents.llm.claims.ClaimReader` reads as the same claims.

    Args:
        catalogue: names the genres and the years.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._genres = [plain_title(name) for name in catalogue.genre_names]
        self._decades = [f"the {decade}s" for decade in decades_of(catalogue)]

    def say(self, claims: Sequence[Said]) -> list[Statement]:
        """Statements with all claims, likings of one strength in one sentence."""
        groups: dict[str, list[Said]] = {}
        for claim in claims:
            if form := _form_of(claim):
                groups.setdefault(form, []).append(claim)
        return [
            Statement(form.format(listed([self._name(claim) for claim in found])), tuple(found))
            for form, found in groups.items()
        ]

    def _name(self, claim: Said) -> str:
        if isinstance(claim, Liking | Choosing):
            return (self._genres if claim.subject.kind == "genre" else self._decades)[claim.subject.column]
        return ""


def _form_of(claim: Said) -> str:
    match claim:
        case Liking(_, sign, strong):
            verb = {(1, True): "love", (1, False): "like", (-1, True): "hate", (-1, False): "dislike"}[sign, strong]
            return f"I {verb} {{}}."
        case Choosing(_, often):
            return "I often choose {}." if often else "I rarely choose {}."
        case Habit("rating", word, True):
            return f"I am a {word} rater."
    return ""
