"""Candidates for a second stage to choose from: the best items of several recommenders, and what each thinks of them.

Shapes: n rows, u users, m items, p candidates of a user, r recommenders, d = r + 1 features.
"""

from collections.abc import Sequence
from functools import reduce
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.special import ndtri
from scipy.stats import rankdata

from personagym_env.data.tables import BoolArray, Catalogue, FloatArray, IntArray, Interactions
from personagym_env.data.traits import profile_features, user_traits
from personagym_env.protocols import NO_ITEM, Observation
from personagym_recommenders.base import ScoringRecommender, binary_matrix, check_users
from personagym_recommenders.storage import Storable

_BLOCK = 512
"""Users that are ranked at once, so that (b, m) arrays stay small."""


class Candidates(NamedTuple):
    """What rows may choose from."""

    items: IntArray
    """(n, p) internal item ids, distinct in each row, the most promising first."""
    features: npt.NDArray[np.float32]
    """(n, p, d) what is known about each; numbers of order 1."""
    allowed: BoolArray
    """(n, p) which of them may be shown now."""

    def __repr__(self) -> str:
        return f"Candidates({len(self.items)} rows, {self.items.shape[1]} items, {self.features.shape[2]} features)"


class CandidateFeatures(Storable):
    """The union of several recommenders' best items, with each recommender's opinion and the session's as features.

    Features of an item, for a user:

    * one per recommender: the normal score of the item's rank among the items that the user has not consumed,
      `ndtri((rank - 1/2) / count)` with ties at their mean rank (Blom 1958; here Hazen's plotting positions). Ranks
      make recommenders comparable whose scores have no common unit, and the normal score tells first from tenth.
    * `repetition`: how much of the item's genres the session has just consumed: the sum over the session's consumed
      items of `forgetting ** age` times the share of genres in common, age in steps. It is what an observer can know
      of satiation.

    Recommenders are asked once per user, as at the start of a session, and the answers are kept: u x p x r floats.
    Candidates are taken in the order of an item's best rank, so each recommender contributes about p / r.

    Args:
        recommenders: at least one; `fit` fits them.
        pool: candidates p of each user; as many as there are items if that is fewer. Must leave room for a slate after
            the longest session.
        forgetting: weight that a consumed item keeps per step, in 0..1.
    """

    candidates_: IntArray
    """(u, p) most promising first; what the user has in the training log comes last."""
    fresh_: IntArray
    """(u,) how many of the candidates the user does not have in the training log."""
    opinions_: npt.NDArray[np.float32]
    """(u, p, r)"""
    genre_share_: npt.NDArray[np.float32]
    """(m, g) an item's genres with equal shares."""
    seen_: sparse.csr_array
    """(u, m) 1 where the training log has the pair."""

    def __init__(self, recommenders: Sequence[ScoringRecommender], pool: int = 200, forgetting: float = 0.8) -> None:
        if not recommenders:
            raise ValueError("candidates need at least one recommender")
        if pool < 1 or not 0 <= forgetting <= 1:
            raise ValueError(f"pool must be at least 1 and forgetting lie in 0..1, got {pool} and {forgetting}")
        self.recommenders = tuple(recommenders)
        self.pool = pool
        self.forgetting = forgetting

    @property
    def names(self) -> tuple[str, ...]:
        """(d,) of the features."""
        return (*(recommender.name for recommender in self.recommenders), "repetition")

    def fit(self, log: Interactions, catalogue: Catalogue) -> Self:
        """Fit the recommenders and ask them about every user; returns itself."""
        for recommender in self.recommenders:
            recommender.fit(log, catalogue)
        self.seen_ = binary_matrix(log.users, log.items, (log.n_users, log.n_items))
        self.genre_share_ = catalogue.genre_shares.astype(np.float32)
        profiles = profile_features(user_traits(log, catalogue))
        p = min(self.pool, log.n_items)
        self.fresh_ = np.minimum(p, log.n_items - np.diff(self.seen_.indptr))
        self.candidates_ = np.empty((log.n_users, p), np.int64)
        self.opinions_ = np.empty((log.n_users, p, len(self.recommenders)), np.float32)
        for first in range(0, log.n_users, _BLOCK):
            users = np.arange(first, min(first + _BLOCK, log.n_users))
            order, opinions = self._ask(users, profiles[users])
            self.candidates_[users] = order[:, :p]
            self.opinions_[users] = np.take_along_axis(opinions, order[:, :p, None], axis=1)
        return self

    def of(self, observation: Observation, pool: BoolArray | None = None) -> Candidates:
        """What the rows may choose from.

        Args:
            observation: n rows.
            pool: (n, m) which items may be shown; then the whole catalogue are the candidates, and the recommenders
                are asked anew. None means the user's candidates but for what the session has consumed.

        Raises:
            ValueError: not fitted, or an unknown user.
        """
        if not hasattr(self, "candidates_"):
            raise ValueError("candidates must be fitted before they are used")
        users = observation["user"]
        check_users(users, len(self.candidates_))
        if pool is None:
            items, opinions = self.candidates_[users], self.opinions_[users]
            allowed = np.arange(items.shape[1]) < self.fresh_[users][:, None]
            allowed &= ~np.take_along_axis(self._in_session(observation), items, axis=1)
        else:
            items, everything = self._ask(users, observation["profile"])
            opinions = np.take_along_axis(everything, items[:, :, None], axis=1)
            allowed = np.take_along_axis(np.asarray(pool, np.bool_), items, axis=1)
        return Candidates(items, self.with_session(observation, items, opinions), allowed)

    def opinions_of(self, users: IntArray, items: IntArray, profiles: FloatArray) -> npt.NDArray[np.float32]:
        """(n, k, r) what the recommenders think of any items (n, k) at the start of a session, by user (n,).

        Args:
            users: (n,) internal user ids.
            items: (n, k) internal item ids, candidates or not.
            profiles: (u, f) profile features of all users.
        """
        found = np.empty((*items.shape, len(self.recommenders)), np.float32)
        for first in range(0, len(profiles), _BLOCK):
            block = np.arange(first, min(first + _BLOCK, len(profiles)))
            rows = np.flatnonzero((users >= first) & (users < first + _BLOCK))
            if len(rows):
                found[rows] = self._ask(block, profiles[block])[1][users[rows, None] - first, items[rows]]
        return found

    def with_session(
        self, observation: Observation, items: IntArray, opinions: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.float32]:
        """(n, k, d) features of items (n, k), of which the recommenders have opinions (n, k, r)."""
        repetition = np.take_along_axis(self._repetition(observation), items, axis=1)
        return np.concatenate([opinions, repetition[:, :, None]], axis=2)

    def _ask(self, users: IntArray, profile: FloatArray) -> tuple[IntArray, npt.NDArray[np.float32]]:
        """All items, most promising first (n, m), and what the recommenders think of each, by item id (n, m, r)."""
        n = len(users)
        nothing = np.full((n, 1), NO_ITEM)
        opening = Observation(
            user=users,
            profile=profile,
            history_items=nothing,
            history_ratings=np.zeros((n, 1), np.float32),
            step=np.zeros(n, np.int64),
        )
        seen = self.seen_[users].toarray() > 0
        count = (~seen).sum(axis=1, keepdims=True)
        ranks, opinions = [], []
        for recommender in self.recommenders:
            # Consumed items stand behind all others, so that they neither take ranks nor become candidates.
            scores = np.where(seen, -np.inf, recommender.score(opening))
            rank = rankdata(-scores, axis=1)  # (n, m) 1 for the best
            share = np.clip((rank - 0.5) / np.maximum(count, 1), None, 1 - 0.5 / np.maximum(count, 1))
            ranks.append(rank)
            opinions.append(-ndtri(share).astype(np.float32))
        best = reduce(np.minimum, ranks)
        return np.argsort(np.where(seen, np.inf, best), axis=1, kind="stable"), np.stack(opinions, axis=2)

    def _in_session(self, observation: Observation) -> BoolArray:
        """(n, m) what the session has consumed."""
        consumed = np.zeros((len(observation["user"]), self.seen_.shape[1]), np.bool_)
        rows, places = np.nonzero(observation["history_items"] != NO_ITEM)
        consumed[rows, observation["history_items"][rows, places]] = True
        return consumed

    def _repetition(self, observation: Observation) -> npt.NDArray[np.float32]:
        """(n, m) see the class."""
        recent = recent_genres(observation, self.genre_share_, self.forgetting)
        return np.asarray(recent @ self.genre_share_.T, np.float32)


def recent_genres(
    observation: Observation, genre_share: npt.NDArray[np.float32], forgetting: float
) -> npt.NDArray[np.float32]:
    """(n, g) the genres that the sessions have consumed, each item weighted by `forgetting` to the power of its age.

    With the decay of the environment's satiation as `forgetting` this is the satiation itself, as long as the history
    reaches back to the start of the session.
    """
    items = observation["history_items"]
    age = np.arange(items.shape[1])[::-1]  # the latest step stands last
    weight = np.where(items != NO_ITEM, np.float32(forgetting) ** age, 0).astype(np.float32)  # (n, h)
    return np.asarray(np.matmul(weight[:, None, :], genre_share[items])[:, 0])
