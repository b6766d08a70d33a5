"""Why a user answers so: a protocol that users with a document can offer beside `UserAgent`.

An explanation is an attribution by occlusion (Zeiler and Fergus 2014; Li, Monroe and Jurafsky 2016): what the same
users answer once a part of what they read is gone. It is exact, a difference of two answers, and says nothing of parts
that only work together, which are therefore taken out as a whole too.

Shapes: r ratings of the scale.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np

from personagym_env.data.tables import FloatArray
from personagym_env.protocols import Reaction, UserAgent

PartKind = Literal["profile", "history", "session", "title", "year", "genre", "crowd", "memory"]
"""What of a document a part is: a phrase of the profile, a line of the history or of the running session, the item's
title, year, one of its genres or what the crowd makes of it, or something that is recalled about it."""
Consumed = tuple[int, int]
"""An item and the place of its rating in the scale."""


@dataclass(frozen=True)
class Part:
    """Something that a user reads before answering."""

    kind: PartKind
    text: str
    """As the document has it."""
    whole: bool = False
    """Whether it is everything of its kind."""


@dataclass(frozen=True)
class Attribution:
    """What a part moved: the answer with it less the answer without it."""

    part: Part
    choice: float
    """In log odds of choosing the item."""
    rating: float
    """Of the expected rating, in points of the scale."""
    without: tuple[float, ...]
    """(1 + r,) the answer probabilities without the part: skip, then each rating."""


@dataclass(frozen=True)
class Explanation:
    """What moved a user's answer about one item."""

    user: int
    item: int
    scale: tuple[float, ...]
    """(r,)"""
    answers: tuple[float, ...]
    """(1 + r,) the probabilities that the user answered with: skip, then each rating."""
    choice_probability: float
    expected_rating: float
    attributions: tuple[Attribution, ...]
    """In the order of the document; parts that are everything of their kind come last."""

    def strongest(self, count: int, *, by: Literal["choice", "rating"] = "rating") -> tuple[Attribution, ...]:
        """The single parts that moved the answer most, in either direction, the strongest first."""
        single = [one for one in self.attributions if not one.part.whole]
        return tuple(sorted(single, key=lambda one: -abs(getattr(one, by)))[:count])


@runtime_checkable
class ExplainingAgent(UserAgent, Protocol):
    """Users who can say what moved their answers."""

    def explain(self, user: int, item: int, session: Sequence[Consumed] = ()) -> Explanation:
        """What moved the answer of a user about an item.

        Args:
            user: internal id.
            item: internal id.
            session: what the user has consumed in the running session, in order.
        """


def explain(agent: UserAgent, user: int, item: int, session: Sequence[Consumed] = ()) -> Explanation:
    """What moved the answer of a user about an item; see `ExplainingAgent.explain`.

    Raises:
        ValueError: the users cannot explain themselves, or there is no such user, item or rating.
    """
    if not isinstance(agent, ExplainingAgent):
        raise ValueError(
            f"{agent.name!r} users read no document, so nothing of it can be left out: name language users"
        )
    limits = (("user", user, agent.n_users), ("item", item, agent.n_items))
    told = [("item of the session", one, agent.n_items) for one, _ in session]
    rated = [("rating of the session", rating, len(agent.scale)) for _, rating in session]
    for name, value, limit in (*limits, *told, *rated):
        if not 0 <= value < limit:
            raise ValueError(f"{name} must lie in 0..{limit - 1}, got {value}")
    return agent.explain(user, item, session)


def attribute(user: int, item: int, parts: Sequence[Part], reactions: Reaction, scale: Sequence[float]) -> Explanation:
    """The explanation that reactions to occluded documents give.

    Args:
        user: internal id.
        item: internal id.
        parts: (p,) what was left out of each document but the first.
        reactions: (1, 1 + p) and (1, 1 + p, r), to the whole document first.
        scale: (r,)
    """
    wish, rating = reactions.choice_probability[0], reactions.rating[0]
    expected = rating @ np.asarray(scale)
    logit = np.log(wish) - np.log1p(-wish)
    found = (
        Attribution(part, float(logit[0] - logit[at]), float(expected[0] - expected[at]), _answers(wish, rating, at))
        for at, part in enumerate(parts, start=1)
    )
    return Explanation(
        user, item, tuple(scale), _answers(wish, rating, 0), float(wish[0]), float(expected[0]), tuple(found)
    )


def _answers(wish: FloatArray, rating: FloatArray, at: int) -> tuple[float, ...]:
    return (float(1 - wish[at]), *(float(wish[at] * share) for share in rating[at]))
