"""From drafts to profiles: every statement is held against the ratings, and what they do not bear out is thrown out."""

from collections import Counter

from personagym_agents.llm.answers import Draft, Notes
from personagym_agents.llm.claims import Claim, ClaimReader, Habit, sentences
from personagym_agents.llm.evidence import Evidence
from personagym_agents.llm.profile_store import Profile, Taste

COUNTED = (
    "claims grounded",
    "claims ungrounded",
    "claims unclear",
    "sentences grounded",
    "sentences ungrounded",
    "sentences without a claim",
)
"""What is counted. A claim is unclear if nothing is found in it that ratings can answer, and is thrown out as are those
that are ungrounded; a sentence is ungrounded, and thrown out, for one claim within."""


class Evaluator:
    """Checks drafts, and counts.

    Args:
        reader: finds the claims of a statement.
        counts: is added to, under `COUNTED`.
        free_text: whether sentences without a claim that ratings can answer stay.
    """

    def __init__(self, reader: ClaimReader, counts: Counter[str], *, free_text: bool = True) -> None:
        self._reader, self._counts, self._free_text = reader, counts, free_text
        counts.update(dict.fromkeys(COUNTED, 0))

    def check(self, draft: Draft, evidence: Evidence, user: int) -> Profile:
        """The part of a draft that the user's ratings bear out."""
        habits = [
            word for trait, word in draft.habits if self._hold([Habit(trait, word)], evidence, user, recent=False)
        ]
        short = (
            Taste("", ()) if draft.short_term is None else self._taste(draft.short_term, evidence, user, recent=True)
        )
        return Profile(tuple(habits), self._taste(draft.long_term, evidence, user, recent=False), short)

    def _taste(self, notes: Notes, evidence: Evidence, user: int, *, recent: bool) -> Taste:
        kept_claims = []
        for statement in notes.claims:
            claims = self._reader.read(statement)
            if not claims:
                self._counts["claims unclear"] += 1
            elif self._hold(claims, evidence, user, recent=recent):
                kept_claims.append(statement)
        return Taste(self.grounded(notes.taste, evidence, user, recent=recent), tuple(kept_claims))

    def grounded(self, text: str, evidence: Evidence, user: int, *, recent: bool = False) -> str:
        """The sentences of a text that stay."""
        return " ".join(part for part in sentences(text) if self._stays(part, evidence, user, recent=recent))

    def _stays(self, sentence: str, evidence: Evidence, user: int, *, recent: bool) -> bool:
        claims = self._reader.read(sentence)
        if not claims:
            self._counts["sentences without a claim"] += 1
            return self._free_text
        grounded = self._hold(claims, evidence, user, recent=recent)
        self._counts["sentences grounded" if grounded else "sentences ungrounded"] += 1
        return grounded

    def _hold(self, claims: list[Claim] | list[Habit], evidence: Evidence, user: int, *, recent: bool) -> bool:
        verdicts = [evidence.holds(claim, user, recent=recent) for claim in claims]
        self._counts["claims grounded"] += verdicts.count(True)
        self._counts["claims ungrounded"] += verdicts.count(False)
        return all(verdicts)
