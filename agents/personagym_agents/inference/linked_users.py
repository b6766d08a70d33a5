"""Language-model users of a log whose ratings their base does not speak: answers are linked to the log's own scale.

The base answers in levels of its own. What it expects, how sure it is of that, and how widely the user's and the item's
ratings scatter go through an ordinal link to the ratings of the log, and its wish for an item through a logistic line.
Both are fitted on training rows that the users asked for the purpose do not know, so a link knows how far such answers
can be trusted.

Shapes: n questions, l levels, r ratings, k places.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from personagym_agents.classical.choice import ChoiceModel, fit_choice
from personagym_agents.classical.link import OrdinalLink, Spread, fit_link, logistic
from personagym_agents.classical.users import LARGEST_LOGIT
from personagym_agents.inference.language_users import LanguageUserAgent
from personagym_env.data.tables import FloatArray, IntArray
from personagym_env.evaluation.core.pair_reactions import PairReactions
from personagym_env.explanations import Consumed, Explanation, attribute
from personagym_env.protocols import Reaction, UserFingerprint

_LEAST_SPREAD = 0.1
"""Levels that every answer scatters over at least, so that a sure one has a finite logarithm."""


@dataclass(frozen=True, eq=False)
class AnswerLink:
    """From what a base answers to the scale of a log."""

    scale: tuple[float, ...]
    """(r,) of the log."""
    levels: tuple[float, ...]
    """(l,) that the base answers in."""
    ordinal: OrdinalLink | None
    """None where the scale has a single rating, which then is certain."""
    choice: ChoiceModel

    def rating(self, answers: FloatArray, scatter: FloatArray) -> npt.NDArray[np.float32]:
        """(..., l) answers and the (..., 2) scatter of user and item to (..., r) distributions over the scale."""
        if self.ordinal is None:
            return np.ones((*answers.shape[:-1], 1), np.float32)
        mean, features = _features(answers, scatter, self.levels)
        return self.ordinal.distribution(self.ordinal.location(mean), self.ordinal.steepness(features))

    def choice_probability(self, wish: FloatArray) -> npt.NDArray[np.float32]:
        """(...) the base's probability of a wish to that of these users."""
        logit = self.choice.logit(_logit(wish)[..., None])
        return logistic(np.clip(logit, -LARGEST_LOGIT, LARGEST_LOGIT))


def fit_answer_link(
    consumed: PairReactions,
    rating_index: IntArray,
    unseen: PairReactions,
    scatter: FloatArray,
    *,
    scale: tuple[float, ...],
    levels: tuple[float, ...],
) -> AnswerLink:
    """Maximum likelihood on answers about rows that the asked users did not know.

    Args:
        consumed: (n,) answers about those rows.
        rating_index: (n,) real ratings, as places in the scale.
        unseen: (n',) answers about items that their users have no row for.
        scatter: (n, 2) of user and item of each of the rows.
        scale: of the log.
        levels: that the answers are distributions over.
    """
    ordinal = None
    if len(scale) > 1:
        ordinal = fit_link(*_features(consumed.rating, scatter, levels), rating_index, len(scale))
    wishes = (_logit(one.choice_probability)[:, None] for one in (consumed, unseen))
    return AnswerLink(scale, levels, ordinal, fit_choice(*wishes))


def scatter_at(spread: Spread, users: IntArray, items: IntArray) -> npt.NDArray[np.float32]:
    """(..., 2) how widely the ratings of (...) users and of (...) items scatter."""
    return np.stack([spread.users[users], spread.items[items]], axis=-1)


def _features(
    answers: FloatArray, scatter: FloatArray, levels: tuple[float, ...]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """(...) expected level of (..., l) answers, and (..., 3) what tells how far ratings lie from it."""
    values = np.asarray(levels)
    mean = answers @ values
    deviation = np.sqrt(np.maximum(answers @ values**2 - mean**2, 0))
    sureness = np.log(deviation + _LEAST_SPREAD)[..., None]
    return np.asarray(mean, np.float32), np.concatenate([sureness, scatter], axis=-1).astype(np.float32)


def _logit(probability: FloatArray) -> npt.NDArray[np.float32]:
    return np.asarray(np.log(probability) - np.log1p(-probability), np.float32)


class LinkedUsers:
    """Users who are told a log in levels and answer on its own scale.

    Args:
        users: who answer in levels.
        link: to the log's scale.
        spread: of users and items of the log.
        name: for tables.
        fingerprint: what the users are, where that is known.
    """

    def __init__(
        self,
        users: LanguageUserAgent,
        link: AnswerLink,
        spread: Spread,
        *,
        name: str,
        fingerprint: UserFingerprint | None = None,
    ) -> None:
        self.name = name
        self.fingerprint = fingerprint
        self.users = users
        self.link = link
        self.spread = spread
        self.scale = link.scale
        self.n_users, self.n_items = users.n_users, users.n_items

    def __repr__(self) -> str:
        return f"LinkedUsers({self.name!r}, {self.n_users} users, {self.n_items} items)"

    def document(self, user: int) -> str:
        """The text that a session of the user begins with."""
        return self.users.document(user)

    def explain(self, user: int, item: int, session: Sequence[Consumed] = ()) -> Explanation:
        """See `ExplainingAgent.explain`; answers without a part are linked as all others are."""
        parts, answers = self.users.occluded(user, item, session)
        linked = self.linked(answers, np.array([[user]]), np.array([[item]]))
        return attribute(user, item, parts, linked, self.scale)

    def linked(self, answers: Reaction, users: IntArray, items: IntArray) -> Reaction:
        """Answers (n, k) of the base on the log's scale, of users and about items that broadcast to (n, k)."""
        shape = answers.choice_probability.shape
        scatter = scatter_at(self.spread, np.broadcast_to(users, shape), np.broadcast_to(items, shape))
        return Reaction(
            self.link.choice_probability(answers.choice_probability), self.link.rating(answers.rating, scatter)
        )

    def open(self, n: int) -> "LinkedSessions":
        """See `UserAgent.open`."""
        return LinkedSessions(self, n)


class LinkedSessions:
    """Open sessions of `LinkedUsers`."""

    def __init__(self, agent: LinkedUsers, n: int) -> None:
        self._agent = agent
        self._sessions = agent.users.open(n)
        self._user = np.zeros(n, np.int64)

    @property
    def dropped_lines(self) -> IntArray:
        """See `ForgetfulSessions.dropped_lines`."""
        return self._sessions.dropped_lines

    def start(self, rows: IntArray, users: IntArray) -> None:
        """See `UserSessions.start`."""
        self._user[rows] = users
        self._sessions.start(rows, users)

    def react(self, rows: IntArray, slates: IntArray) -> Reaction:
        """See `UserSessions.react`."""
        return self._agent.linked(self._sessions.react(rows, slates), self._user[rows][:, None], slates)

    def consume(self, rows: IntArray, items: IntArray, ratings: IntArray) -> None:
        """See `UserSessions.consume`; the document tells the rating as a level."""
        self._sessions.consume(rows, items, ratings)
