"""The evaluator: does a claim hold in the user's own ratings?

It asks the same traits by the same margins as the statistical profile, so "loves" and "strict" mean one thing in every
profile. The traits are shrunk, so few ratings bear out little.
"""

from dataclasses import dataclass, replace

import numpy as np

from personagym_agents.documents.profile import NOTABLE_LIFT, RECENT_SHARE, STRONG_LIFT
from personagym_agents.llm.answers import HABITS
from personagym_agents.llm.claims import Choosing, Claim, Habit, Liking, Subject
from personagym_env.data.tables import Catalogue, FloatArray, IntArray, Interactions
from personagym_env.data.traits import Crowd, Traits, user_traits

_ACTIVE = 1.5
"""An active user has this many times the median user's ratings; an occasional one falls as far short of it."""
_HABIT_BOUNDS = {
    "rating": (-0.15, 0.15),
    "conformity": (-0.06, 0.06),
    "diversity": (0.66, 0.78),
}
"""Below the first a trait is low, above the second it is high; between them neither."""


def decades_of(catalogue: Catalogue) -> list[int]:
    """Years that the catalogue's decades begin with, ascending."""
    return sorted(set((catalogue.years[catalogue.years > 0] // 10 * 10).tolist()))


def _by_decade(catalogue: Catalogue, decades: list[int]) -> Catalogue:
    """The catalogue with its decades in the place of genres, so that traits tell the taste for decades."""
    belongs = (catalogue.years // 10 * 10)[:, None] == np.array(decades, np.int64)
    return replace(catalogue, genre_names=tuple(f"{decade}s" for decade in decades), genres=belongs)


@dataclass(frozen=True, eq=False)
class Evidence:
    """What a log says about its users, to hold claims against."""

    genre: Traits
    decade: Traits
    usual: float
    """Ratings of the median user among those with any."""

    @classmethod
    def of(cls, log: Interactions, catalogue: Catalogue, crowd: Crowd) -> "Evidence":
        """Work it out from training rows, compared with the crowd."""
        counts = log.counts[log.counts > 0]
        return cls(
            user_traits(log, catalogue, crowd),
            user_traits(log, _by_decade(catalogue, decades_of(catalogue)), crowd),
            float(np.median(counts)) if len(counts) else 0.0,
        )

    @property
    def activity(self) -> IntArray:
        """(u,) ratings of each user."""
        return self.genre.activity

    def holds(self, claim: Claim, user: int, *, recent: bool = False) -> bool:
        """Whether the user's ratings bear a claim out.

        Args:
            claim: about the user.
            user: internal id.
            recent: whether the claim is about the latest ratings alone; habits are always about all of them.
        """
        match claim:
            case Liking(subject, sign, strong):
                lift = self._figure("recent_lift" if recent else "genre_lift", subject, user)
                return sign * lift >= (STRONG_LIFT if strong else NOTABLE_LIFT)
            case Choosing(subject, often):
                share = self._figure("recent_share" if recent else "genre_share", subject, user)
                return (share >= RECENT_SHARE) == often
            case Habit(trait, word, holds):
                return (self.habit(trait, user) == word) == holds

    def habit(self, trait: str, user: int) -> str:
        """The word of `HABITS` for a trait of a user."""
        low, middle, high = HABITS[trait]
        value, (below, above) = self._habit_value(trait, user)
        return low if value < below else high if value > above else middle

    def _habit_value(self, trait: str, user: int) -> tuple[float, tuple[float, float]]:
        match trait:
            case "activity":
                return float(self.activity[user]), (self.usual / _ACTIVE, self.usual * _ACTIVE)
            case "rating":
                return float(self.genre.strictness[user]), _HABIT_BOUNDS[trait]
            case "conformity":
                return float(self.genre.conformity[user]), _HABIT_BOUNDS[trait]
        return float(self.genre.diversity[user]), _HABIT_BOUNDS["diversity"]

    def _figure(self, name: str, subject: Subject, user: int) -> float:
        table: FloatArray = getattr(self.genre if subject.kind == "genre" else self.decade, name)
        return float(table[user, subject.column])
