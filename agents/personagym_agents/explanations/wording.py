"""An explanation in words, composed from its numbers alone: the same explanation always reads the same."""

from collections.abc import Sequence

from personagym_agents.llm.safety import plain, plain_title
from personagym_env.explanations import Attribution, Explanation, PartKind

MOST_PARTS = 3
"""Parts that are named for an answer, and against it, at most."""
LEAST_RATING, LEAST_CHOICE = 0.02, 0.1
"""Rating points and log odds below which a part is not worth a word."""
_WISHES = (0.15, 0.4, 0.6, 0.85)
_WISH_WORDS = (
    "I would hardly take",
    "I would rather not take",
    "I might take",
    "I would take",
    "I would gladly take",
)
_NAMED: dict[PartKind, str] = {
    "profile": 'that my profile says "{}"',
    "history": "my rating of {}",
    "session": "what I have just had, {}",
    "title": "the title",
    "year": "that it is of {}",
    "genre": "that it is {}",
    "crowd": "what others make of it ({})",
    "memory": "what I recall ({})",
}
_RECALLED = {
    "expected": "the rating that I am told to expect ({})",
    "support": "how much I have rated that is like it ({})",
    "sure": "how sure that rating is ({})",
    "lately": "how it goes with what I have had lately ({})",
    "next": "how it goes with what I would have next ({})",
    "latent": "how it belongs to all that I have had ({})",
}
"""By the field of the evidence."""


def answer_in_words(explanation: Explanation, title: str) -> str:
    """The answer itself: how much the item is wanted, and which rating is expected."""
    wish = explanation.choice_probability
    words = _WISH_WORDS[sum(wish >= edge for edge in _WISHES)]
    low, high = explanation.scale[0], explanation.scale[-1]
    given = f"I would give it about {explanation.expected_rating:.1f} on a scale of {low:g} to {high:g}"
    return f"{words} {plain_title(title)} ({wish:.0%}), and {given}."


def reasons_in_words(explanation: Explanation) -> list[str]:
    """What speaks for taking the item and against it, and what for a higher rating of it and a lower one."""
    said = []
    for by, least, unit, words in (
        ("choice", LEAST_CHOICE, "", ("For taking it:", "Against taking it:")),
        ("rating", LEAST_RATING, " points", ("For a higher rating:", "For a lower one:")),
    ):
        for sign, opening in zip((1, -1), words, strict=True):
            found = [
                (sign * getattr(one, by), one)
                for one in explanation.attributions
                if not one.part.whole and sign * getattr(one, by) >= least
            ]
            found.sort(key=lambda pair: -pair[0])
            if found:
                parts = [f"{part_in_words(one)} ({sign * moved:+.2f}{unit})" for moved, one in found[:MOST_PARTS]]
                said.append(f"{opening} {listed(parts)}.")
    return said


def part_in_words(attribution: Attribution) -> str:
    """A part, as a user speaks of it."""
    kind, text = attribution.part.kind, attribution.part.text
    named = _RECALLED.get(text.split(" ")[0], _NAMED[kind]) if kind == "memory" else _NAMED[kind]
    return named.format(plain(text)[:120])


def explain_in_words(explanation: Explanation, title: str) -> str:
    """The answer and what moved it."""
    return " ".join([answer_in_words(explanation, title), *reasons_in_words(explanation)])


def listed(words: Sequence[str]) -> str:
    """Words as people list them.

    >>> listed(["one", "two", "three"])
    'one, two and three'
    """
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))
