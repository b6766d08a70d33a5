"""What a stochastic recommender chooses from: the items that it may show and what another recommender makes of them.

Shapes: n rows, p options of a row, u users, m items, k slate places.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt
from scipy import sparse

from personagym_env.data.tables import BoolArray, Catalogue, FloatArray, IntArray, Interactions
from personagym_env.data.traits import profile_features, user_traits
from personagym_env.evaluation.core.offline import opening_observation
from personagym_env.protocols import Observation, Propensities
from personagym_env.session.random import UIntArray
from personagym_recommenders.base import ScoringRecommender, binary_matrix, check_users, top_k, unconsumed
from personagym_recommenders.storage import Storable

_BLOCK = 512
"""Users whose candidates are chosen at once, so that (b, m) arrays stay small."""


class Options(NamedTuple):
    """What n rows choose from."""

    items: IntArray
    """(n, p) internal item ids, distinct in each row."""
    scores: npt.NDArray[np.float64]
    """(n, p) standardised within what the row may show, minus infinity where the item may not be shown."""

    def __repr__(self) -> str:
        return f"Options({len(self.items)} rows, {self.items.shape[1]} items)"


class ScoredOptions(Storable, ABC):
    """A stochastic recommender over the scores of another one; a subclass says how it draws from them.

    Scores are standardised row by row, to mean 0 and standard deviation 1 over the options, so that a temperature
    means the same for a recommender that counts and for one that predicts ratings. With `by_rank` only their order
    counts: option r of a row, from 1 for the best, has the score -log(r), whatever the recommender's numbers are like.

    With `candidates`, a user's options are the items that `retrieval` ranks highest at the start of a session, so many
    of them, with their scores at that moment; both are asked once, when this one is fitted. What the session has
    consumed is left out. So the support is the same in every session: slates of the candidates that are left.
    Recommenders with one retrieval have one support, as those of a service that ranks what it has retrieved. Without,
    the options are all items that the user has not consumed, and scores are asked for at every step.
    The same holds where the caller names candidates: then they are the options, all of them.

    Args:
        recommender: whose scores; `fit` fits it.
        candidates: options of each user at the start of a session, enough for a slate after the longest one; None
            for the whole catalogue.
        retrieval: whose ranking the candidates come from; None for `recommender` itself. `fit` fits it too.
        by_rank: whether ranks stand in the place of scores.
        withheld: items that nobody is shown unless the caller names them, such as those that have not arrived yet.
    """

    seen_: sparse.csr_array
    """(u, m) 1 where the training log has the pair."""
    items_: IntArray
    """(u, p) each user's candidates, in the order of retrieval; (u, 0) without."""
    scores_: npt.NDArray[np.float64]
    """(u, p) their standardised scores, minus infinity for what the user has consumed."""

    def __init__(
        self,
        recommender: ScoringRecommender,
        candidates: int | None,
        retrieval: ScoringRecommender | None,
        by_rank: bool = False,
        withheld: Sequence[int] = (),
    ) -> None:
        if not isinstance(recommender, ScoringRecommender):
            raise TypeError(f"{type(self).__name__} draws by scores, and {type(recommender).__name__} has none")
        if candidates is not None and candidates < 1:
            raise ValueError(f"candidates must be at least 1 or None, got {candidates}")
        if retrieval is not None and candidates is None:
            raise ValueError("retrieval needs a number of candidates; with the whole catalogue nothing is retrieved")
        self.recommender = recommender
        self.candidates = candidates
        self.retrieval = retrieval
        self.by_rank = by_rank
        self.withheld = tuple(int(item) for item in withheld)

    @property
    @abstractmethod
    def name(self) -> str:
        """For tables: whose scores, and how they are drawn from."""

    def fit(self, log: Interactions, catalogue: Catalogue) -> Self:
        """Fit the recommenders, and ask them for every user's candidates and scores; returns itself."""
        self.recommender.fit(log, catalogue)
        if self.retrieval is not None:
            self.retrieval.fit(log, catalogue)
        return self.ask_fitted(log, catalogue)

    def ask_fitted(self, log: Interactions, catalogue: Catalogue) -> Self:
        """As `fit`, with recommenders that are fitted already, perhaps on other rows or a log of slates."""
        retrieval = self.recommender if self.retrieval is None else self.retrieval
        self.seen_ = binary_matrix(log.users, log.items, (log.n_users, log.n_items))
        p = min(self.candidates or 0, log.n_items)
        self.items_ = np.empty((log.n_users, p), np.int64)
        self.scores_ = np.empty((log.n_users, p))
        profiles = profile_features(user_traits(log, catalogue))
        for first in range(0, log.n_users if p else 0, _BLOCK):
            users = np.arange(first, min(first + _BLOCK, log.n_users))
            observation = opening_observation(users, profiles, 1)
            fresh = self._offered(observation)
            ranked = np.asarray(retrieval.score(observation), np.float64)
            last = ranked.min(axis=1, keepdims=True) - 1  # behind all that the user has not consumed
            self.items_[users] = top_k(np.where(fresh, ranked, last), np.ones(fresh.shape, np.bool_), p)
            scores = ranked if self.retrieval is None else np.asarray(self.recommender.score(observation), np.float64)
            chosen = np.take_along_axis(scores, self.items_[users], axis=1)
            self.scores_[users] = self._comparable(chosen, np.take_along_axis(fresh, self.items_[users], axis=1))
        return self

    def recommend(self, observation: Observation, k: int, candidates: BoolArray | None = None) -> IntArray:
        """(n, k) the options with the highest scores, best first; draws nothing. See `Recommender.recommend`."""
        options = self.options(observation, candidates)
        allowed = options.scores > -np.inf
        return np.take_along_axis(options.items, top_k(options.scores, allowed, k), axis=1)

    def draw(self, observation: Observation, k: int, keys: UIntArray, candidates: BoolArray | None = None) -> IntArray:
        """(n, k) see `StochasticRecommender.draw`."""
        options = self._enough_options(observation, k, candidates)
        return np.take_along_axis(options.items, self.choose(options, keys, k), axis=1)

    def draw_with_propensities(
        self, observation: Observation, k: int, keys: UIntArray
    ) -> tuple[IntArray, Propensities]:
        """What `draw` gives, and `propensities` of it; scores are asked for once."""
        options = self._enough_options(observation, k, None)
        positions = self.choose(options, keys, k)
        prefix, marginal = self.probabilities(options, positions)
        slates = np.take_along_axis(options.items, positions, axis=1)
        return slates, Propensities(prefix[:, -1], prefix, marginal, np.zeros_like(marginal))

    def propensities(
        self, observation: Observation, slates: IntArray, candidates: BoolArray | None = None
    ) -> Propensities:
        """See `StochasticRecommender.propensities`; everything is computed, nothing estimated."""
        options = self.options(observation, candidates)
        prefix, marginal = self.probabilities(options, _positions(options, slates))
        return Propensities(prefix[:, -1], prefix, marginal, np.zeros_like(marginal))

    def joint(self, observation: Observation, slates: IntArray) -> FloatArray:
        """(n,) propensities of slates (n, k), as in `propensities`, which also tells those of their parts."""
        options = self.options(observation)
        return np.asarray(self.prefixes(options, _positions(options, slates))[:, -1])

    @abstractmethod
    def choose(self, options: Options, keys: UIntArray, k: int) -> IntArray:
        """(n, k) positions of the options that are shown, drawn with the luck of `keys` (n,)."""

    @abstractmethod
    def probabilities(self, options: Options, positions: IntArray) -> tuple[FloatArray, FloatArray]:
        """(n, k) each: prefix and marginal propensities of slates of the options at positions (n, k), -1 for none."""

    def prefixes(self, options: Options, positions: IntArray) -> FloatArray:
        """(n, k) the first of `probabilities`."""
        return self.probabilities(options, positions)[0]

    def options(self, observation: Observation, candidates: BoolArray | None = None) -> Options:
        """What the rows may show; a row may have fewer options than a slate has places.

        Raises:
            ValueError: not fitted, or an unknown user.
        """
        if not hasattr(self, "seen_"):
            raise ValueError(f"{type(self).__name__} must be fitted before it is used")
        users = observation["user"]
        check_users(users, self.seen_.shape[0])
        if candidates is None and self.items_.shape[1]:
            return Options(self.items_[users], self._left(observation))
        allowed = self._offered(observation) if candidates is None else np.asarray(candidates, np.bool_)
        scores = np.asarray(self.recommender.score(observation), np.float64)
        return Options(np.broadcast_to(np.arange(allowed.shape[1]), allowed.shape), self._comparable(scores, allowed))

    def _offered(self, observation: Observation) -> BoolArray:
        """(n, m) what each row may be shown where the caller does not say."""
        offered = unconsumed(self.seen_, observation)
        offered[:, list(self.withheld)] = False
        return offered

    def _comparable(self, scores: npt.NDArray[np.float64], allowed: BoolArray) -> npt.NDArray[np.float64]:
        """(n, p) scores that mean the same for any recommender, minus infinity where not allowed."""
        from personagym_recommenders.stochastic.kernels import standardise

        if not self.by_rank:
            return standardise(scores, allowed)
        order = np.argsort(-np.where(allowed, scores, -np.inf), axis=1, kind="stable")
        rank = np.empty_like(order)
        np.put_along_axis(rank, order, np.arange(1, scores.shape[1] + 1)[None], axis=1)
        return np.where(allowed, -np.log(rank), -np.inf)

    def _enough_options(self, observation: Observation, k: int, candidates: BoolArray | None) -> Options:
        """What the rows may show, at least k items each."""
        options = self.options(observation, candidates)
        least = (options.scores > -np.inf).sum(axis=1).min(initial=options.scores.shape[1])
        if k < 1 or least < k:
            raise ValueError(f"slates of {k} places cannot be filled: a row has {least} items to choose from")
        return options

    def _left(self, observation: Observation) -> npt.NDArray[np.float64]:
        """(n, p) scores of the users' candidates, minus infinity where the session has consumed the item."""
        from personagym_recommenders.stochastic.kernels import remove_consumed

        users = observation["user"]
        scores = self.scores_[users]
        remove_consumed(scores, self.items_, users, observation["history_items"])
        return scores


def _positions(options: Options, slates: IntArray) -> IntArray:
    """(n, k) where the items of slates stand among the options, -1 for what may not be shown."""
    from personagym_recommenders.stochastic.kernels import find_positions

    positions = find_positions(options.items, np.asarray(slates, np.int64))
    shown = np.take_along_axis(options.scores, np.maximum(positions, 0), axis=1) > -np.inf
    return np.where(shown, positions, -1)
