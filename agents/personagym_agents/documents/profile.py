"""Profile writers: a user's traits in words. The statistical writer needs no model and is the default."""

from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np

from personagym_agents.documents.document import LONGEST_NAME, count_words, one_field
from personagym_env.data.tables import Catalogue, FloatArray, IntArray, Users
from personagym_env.data.traits import Traits

# The numbers below were chosen by hand before the first weights were trained, with MovieLens-100K in view, and were not
# tuned since: weights have learned what the words mean. `benchmarks/ablations/constants.py` prints whom each word tells
# of there; what it printed stands beside them.
NOTABLE_LIFT = 0.1
"""A genre is liked or disliked if it is rated this many points above or below what is expected of the user: nine of ten
users like some genre, and as many dislike one."""
STRONG_LIFT = 0.3
"""From here on it is loved or hated: a fifth of the users love a genre, a third hate one."""
RECENT_SHARE = 0.15
"""A genre is named as recent taste if it is this much of the last ratings: nearly everybody's first, and the second of
seven in ten."""
MOST_GENRES = 3
"""Genres that a profile names at most for each of loves, likes, dislikes and hates; a third of the users would have
more that they like, one in a hundred more that they love."""
RECENT_GENRES = 2
"""Genres of recent taste that a profile names at most."""


class Band(NamedTuple):
    """What counts as ordinary; below and above it other words are used."""

    middle: float
    reach: float

    def word(self, value: float, below: str, inside: str, above: str) -> str:
        """The word for a value."""
        return below if value < self.middle - self.reach else above if value > self.middle + self.reach else inside


STRICTNESS = Band(0.0, 0.15)
"""Of `Traits.strictness`, in rating points: a third of the users each are generous, fair and strict."""
CONFORMITY = Band(0.0, 0.06)
"""Of `Traits.conformity`, in rating points: a third contrary, a quarter moderate, two fifths conformist."""
SPREAD = Band(0.95, 0.12)
"""Of `Traits.spread`, in rating points: a third even, half balanced, a sixth extreme."""
DIVERSITY = Band(0.72, 0.06)
"""Of `Traits.diversity`: a fifth focused, half varied, three in ten curious."""


class ProfileWriter(Protocol):
    """Writes what is known about users beyond the history that a document shows."""

    def write(self, people: IntArray, traits: Traits, catalogue: Catalogue, users: Users) -> list[str]:
        """One line of text per row.

        Args:
            people: (n,) internal user ids, whose attributes introduce the rows.
            traits: of n rows, one per person (the same person may come several times with different traits).
            catalogue: names the genres.
            users: holds the attributes.
        """


@runtime_checkable
class FoldedProfileWriter(ProfileWriter, Protocol):
    """A writer whose profiles know ratings beyond the given traits, and which can leave folds of them out.

    A training document may show rows of one fold only, and its profile must know nothing of that fold: else the profile
    could tell the answers that the document asks for.
    """

    @property
    def fold_of_row(self) -> IntArray:
        """(n,) fold of each training row."""

    def without_folds(self, folds: IntArray) -> ProfileWriter:
        """The writer of training documents, of which each shows rows of the given one of (n,) folds."""


def _age_group(age: str) -> str:
    if not age.isdigit():
        return age
    years = int(age)
    return "under 18" if years < 18 else f"{years // 5 * 5}-{years // 5 * 5 + 4}"


def introduce(users: Users, person: int) -> str:
    """The user's attributes, as far as the source has them: "25-29, M, technician"."""
    known = {name: one_field(column[person], LONGEST_NAME) for name, column in users.attributes.items()}
    parts = [
        _age_group(known[name]) if name == "age" else known[name]
        for name in ("age", "gender", "occupation")
        if known.get(name)
    ]
    return ", ".join(parts) if parts else "somebody"


def _signed(value: float) -> str:
    return f"{round(value, 1) + 0.0:+.1f}"


class StatisticalProfileWriter:
    """Activity, strictness, conformity, diversity, long-term and short-term taste, read off the traits.

    Deterministic; the same traits always give the same words.

    Args:
        taste: whether taste is told, besides activity, strictness, conformity and diversity.
    """

    def __init__(self, *, taste: bool = True) -> None:
        self._tells_taste = taste

    def write(self, people: IntArray, traits: Traits, catalogue: Catalogue, users: Users) -> list[str]:
        """See `ProfileWriter.write`."""
        names = tuple(one_field(name, LONGEST_NAME) for name in catalogue.genre_names)
        introductions = {int(person): introduce(users, int(person)) for person in np.unique(people)}
        return [
            f"{introductions[int(person)]}; {self._habits(traits, row)}"
            + (f"; {self._taste(traits, row, names)}" if self._tells_taste else "")
            for row, person in enumerate(people)
        ]

    def _habits(self, traits: Traits, row: int) -> str:
        if traits.activity[row] == 0:
            return "no earlier ratings"
        strictness = float(traits.strictness[row])
        habits = (
            f"{count_words(int(traits.activity[row]))} earlier ratings",
            f"{STRICTNESS.word(strictness, 'generous', 'fair', 'strict')} {_signed(-strictness)}",
            CONFORMITY.word(float(traits.conformity[row]), "contrary", "moderate", "conformist"),
            SPREAD.word(float(traits.spread[row]), "even", "balanced", "extreme"),
            DIVERSITY.word(float(traits.diversity[row]), "focused", "varied", "curious"),
        )
        return "; ".join(habits)

    def _taste(self, traits: Traits, row: int, names: tuple[str, ...]) -> str:
        lift, recent = traits.genre_lift[row], traits.recent_share[row]
        parts = []
        for word, strength in (("loves", lift), ("hates", -lift)):
            parts += _named(word, strength, names, STRONG_LIFT, np.inf)
        for word, strength in (("likes", lift), ("dislikes", -lift)):
            parts += _named(word, strength, names, NOTABLE_LIFT, STRONG_LIFT)
        lately = [names[i] for i in np.argsort(-recent, kind="stable")[:RECENT_GENRES] if recent[i] > RECENT_SHARE]
        parts += ["lately " + ", ".join(lately)] if lately else []
        return "; ".join(parts) if parts else "no marked taste"


def _named(word: str, strength: FloatArray, names: tuple[str, ...], least: float, below: float) -> list[str]:
    """The strongest genres within the bounds, as one phrase: `["likes Drama, War"]`, or nothing."""
    order = [i for i in np.argsort(-strength, kind="stable") if least <= strength[i] < below][:MOST_GENRES]
    return [f"{word} {', '.join(names[i] for i in order)}"] if order else []
