"""Is a sentence about an item borne out? Held against the attribution of the answer, and against the log.

By words rather than grammar, as claims are read: a sentence that is read wrongly is held against the wrong figure, and
thrown out if that does not bear it out.
"""

import re
from collections.abc import Callable, Sequence

from personagym_agents.explanations.wording import LEAST_CHOICE, LEAST_RATING
from personagym_agents.llm.claims import Claim, Liking
from personagym_env.explanations import Attribution, Explanation

_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_AGAINST = re.compile(
    r"\b(?:not|never|no|hardly|against|despite|although|but|lower\w*|dislike\w*|hate\w*|avoid\w*)\b|n't"
)
_DECADE = re.compile(r"\b(?:19|20)?\d0s\b")


def borne_out(
    sentence: str,
    claims: Sequence[Claim],
    explanation: Explanation,
    *,
    title: str,
    told: str,
    holds: Callable[[Claim], bool],
) -> bool:
    """Whether attribution and log bear a sentence out.

    It must name a part of the document that moved the answer, in the direction in which it did, or make a claim that
    the log bears out and the attribution does not contradict; and no number that nobody has told.

    Args:
        sentence: by a chat model.
        claims: that were found in it.
        explanation: of the answer.
        title: of the item, in which numbers may stand.
        told: the composed words, whose numbers may be repeated.
        holds: whether the log bears a claim out.
    """
    known = set(_NUMBER.findall(told)) | set(_NUMBER.findall(title))
    if not set(_NUMBER.findall(_DECADE.sub(" ", sentence))) <= known:
        return False
    if not all(holds(claim) and not _contradicted(claim, sentence, explanation) for claim in claims):
        return False
    sign = -1 if _AGAINST.search(sentence.casefold()) else 1
    named = [one for one in explanation.attributions if not one.part.whole and _names(sentence, one)]
    if any(_moved(one, -sign) and not _moved(one, sign) for one in named):
        return False
    return bool(claims) or any(_moved(one, sign) for one in named)


def _contradicted(claim: Claim, sentence: str, explanation: Explanation) -> bool:
    """Whether a liking is given as a reason, and the item's genre moved the answer the other way alone."""
    if not isinstance(claim, Liking):
        return False
    genres = [one for one in explanation.attributions if one.part.kind == "genre" and _names(sentence, one)]
    return any(_moved(one, -claim.sign) and not _moved(one, claim.sign) for one in genres)


def _names(sentence: str, one: Attribution) -> bool:
    """Whether a sentence names a part: its text, or the title of a line."""
    text = one.part.text.rpartition(": ")[0] if one.part.kind in ("history", "session") else one.part.text
    return bool(text) and re.search(rf"(?<!\w){re.escape(text.casefold())}(?!\w)", sentence.casefold()) is not None


def _moved(one: Attribution, sign: int) -> bool:
    return sign * one.choice >= LEAST_CHOICE or sign * one.rating >= LEAST_RATING
