"""From drafts to profiles: every statement is held against the ratings, and what they do not bear out is thrown out."""

from collections import Counter

from personagym_agents.llm.answers import Draft, Notes
from personagym_agents.llm.book import Profile, Taste
from personagym_agents.llm.claims import Claim, ClaimReader, Habit, sentences
from personagym_agents.llm.evidence import Evidence


class Evaluator:
    """Checks drafts, and counts.

    Args:
        reader: finds the claims of a statement.
        counts: is added to: `claims checked` and `claims ungrounded`; `claims unclear`, in which nothing was found that
            ratings can answer (thrown out); `sentences ungrounded` (thrown out for a claim within) and `sentences
            without a claim` (kept: free text is free).
    """

    def __init__(self, reader: ClaimReader, counts: Counter[str]) -> None:
        self._reader, self._counts = reader, counts

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
        kept_sentences = []
        for sentence in sentences(notes.taste):
            claims = self._reader.read(sentence)
            if not claims:
                self._counts["sentences without a claim"] += 1
            elif not self._hold(claims, evidence, user, recent=recent):
                self._counts["sentences ungrounded"] += 1
                continue
            kept_sentences.append(sentence)
        return Taste(" ".join(kept_sentences), tuple(kept_claims))

    def _hold(self, claims: list[Claim] | list[Habit], evidence: Evidence, user: int, *, recent: bool) -> bool:
        verdicts = [evidence.holds(claim, user, recent=recent) for claim in claims]
        self._counts["claims checked"] += len(verdicts)
        self._counts["claims ungrounded"] += verdicts.count(False)
        return all(verdicts)
