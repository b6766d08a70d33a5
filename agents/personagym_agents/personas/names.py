"""Names of personas for people, from what sets a group apart from the average user.

Shapes: u users, p personas, g genres.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from personagym_env.data.tables import FloatArray, IntArray
from personagym_env.data.traits import Traits
from personagym_env.text import shortened

LONGEST_GENRE = 40
"""Characters of a genre in a persona's name."""
NOTABLE_SHARE = 0.02
"""Genres that make up less of what a group consumes do not name it, if any other can."""

ADJECTIVES: dict[str, tuple[str, str]] = {
    "strictness": ("generous", "strict"),
    "spread": ("even-tempered", "love-or-hate"),
    "conformity": ("contrarian", "mainstream"),
    "popularity": ("niche-loving", "hit-following"),
    "diversity": ("single-minded", "eclectic"),
    "activity": ("casual", "tireless"),
}
"""Trait to the words for a persona that lies below and above the average user."""


def name_personas(traits: Traits, assignment: IntArray, genre_names: Sequence[str]) -> tuple[str, ...]:
    """(p,) a distinct name for each group, from what sets it apart from the average user most.

    "strict film-noir lovers": the habit that deviates most, then the genre that the group consumes and likes more than
    others do. Where two groups would share a name, both are described by one more habit, and so on.
    """
    groups = [np.flatnonzero(assignment == persona) for persona in range(int(assignment.max()) + 1)]
    habits = [_habits(traits, group) for group in groups]
    genres = [_genre(traits, group, genre_names) for group in groups]
    names = [f"{habit[0]} {genre}" for habit, genre in zip(habits, genres, strict=True)]
    for words in range(2, len(ADJECTIVES) + 1):
        shared = [name for name in names if names.count(name) > 1]
        names = [
            f"{', '.join(habit[:words])} {genre}" if name in shared else name
            for name, habit, genre in zip(names, habits, genres, strict=True)
        ]
    return tuple(
        f"{name} ({names[: place + 1].count(name)})" if names.count(name) > 1 else name
        for place, name in enumerate(names)
    )


def _deviation(values: FloatArray, group: IntArray) -> npt.NDArray[np.float64]:
    """How many standard deviations of users the group's mean lies above that of all; values (u,) or (u, g)."""
    difference = values[group].mean(axis=0) - values.mean(axis=0)
    return np.asarray(difference / np.maximum(values.std(axis=0), 1e-9), np.float64)


def _habits(traits: Traits, group: IntArray) -> list[str]:
    """All adjectives, the most telling first."""
    scores = {}
    for trait in ADJECTIVES:
        values = np.asarray(getattr(traits, trait), np.float64)
        scores[trait] = float(_deviation(np.log1p(values) if trait == "activity" else values, group))
    ranked = sorted(scores, key=lambda trait: -abs(scores[trait]))
    return [ADJECTIVES[trait][int(scores[trait] > 0)] for trait in ranked]


def _genre(traits: Traits, group: IntArray, genre_names: Sequence[str]) -> str:
    """The genre that the group has more of than others; "lovers" if it also rates it higher, else "fans"."""
    if not genre_names:
        return "users"
    share, lift = _deviation(traits.genre_share, group), _deviation(traits.genre_lift, group)
    consumed = traits.genre_share[group].mean(axis=0)
    candidates = np.flatnonzero(consumed >= min(NOTABLE_SHARE, consumed.max()))
    best = int(candidates[np.argmax((share + lift)[candidates])])
    name = shortened(genre_names[best], LONGEST_GENRE)
    readable = name if name.isupper() else name.lower()
    return f"{readable} {'lovers' if lift[best] > 0.3 else 'fans'}"
