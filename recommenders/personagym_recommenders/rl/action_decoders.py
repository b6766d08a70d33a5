"""From what a policy says to a slate: decoders of actions that are smaller than a choice among all items.

A decoder is used twice, in the environment by the wrappers of `personagym_recommenders.rl.action_wrappers`, and on the
leaderboard by `SB3Recommender`, so a policy is judged by the slates that it was trained with.

Shapes: n rows, k places, u users, m items, p candidates, d numbers of a continuous action.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Self

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from scipy import sparse

from personagym_env.collaborative.pure_svd import item_directions
from personagym_env.data.tables import BoolArray, Catalogue, FloatArray, IntArray, Interactions
from personagym_env.protocols import Observation
from personagym_recommenders.base import binary_matrix, check_users, top_k, unconsumed
from personagym_recommenders.models.candidates import CandidateFeatures
from personagym_recommenders.storage import Storable

Actions = npt.NDArray[Any]
Mask = BoolArray | None
ChooseBest = Callable[[FloatArray, BoolArray, int], IntArray]
"""From scores (n, p), what is allowed (n, p) and k to the (n, k) places of the best."""

_BLOCK = 64
"""Rows whose items are scored at a time: their scores stay in the processor's caches, which halves the time."""


class ActionDecoder(Storable, ABC):
    """Turns actions of a policy into slates of distinct items that the user has not consumed."""

    @abstractmethod
    def fit(self, log: Interactions, catalogue: Catalogue) -> Self:
        """Learn from training rows what the decoder needs to know about items and users; returns itself."""

    @abstractmethod
    def action_space(self, k: int) -> spaces.Space[Any]:
        """The space of one row's action, for slates of k places."""

    @abstractmethod
    def decode(
        self, observation: Observation, actions: Actions, k: int, candidates: Mask = None, choose: ChooseBest = top_k
    ) -> IntArray:
        """The slates that the actions stand for.

        Args:
            observation: n rows, what the policy saw.
            actions: n actions; those that name places may name more or fewer than k.
            k: places of the slate.
            candidates: (n, m) which items may be shown; None means what the user has not consumed, as far as the
                decoder reaches.
            choose: `top_k`, or `top_k_or_empty` for the environment, where a slate may have empty places.

        Returns:
            (n, k) distinct internal item ids in each row, best first.

        Raises:
            ValueError: not fitted, or a row has fewer than k items to choose from and `choose` refuses that.
        """


class WeightedFeatures(ActionDecoder):
    """The action weighs the features of the user's candidates; the k of the highest weighted sum are shown.

    Score of an item: `action . features`, as in the slate MDP's continuous score functions (Sunehag et al., "Deep
    Reinforcement Learning with Attention for Slate Markov Decision Processes", 2015). Only the direction of an action
    counts. With one weight at 1 and the others at 0 the slate is that of one recommender alone (as at the start of the
    session); so a policy starts from what static recommenders can do, and has d numbers to learn per state.

    Args:
        features: gives candidates and features.
    """

    def __init__(self, features: CandidateFeatures) -> None:
        self.features = features

    def fit(self, log: Interactions, catalogue: Catalogue) -> Self:
        """Fit the features; returns itself."""
        self.features.fit(log, catalogue)
        return self

    def action_space(self, k: int) -> spaces.Box:
        """`Box(-1, 1, (d,))`."""
        return spaces.Box(-1, 1, (len(self.features.names),), np.float32)

    def decode(
        self, observation: Observation, actions: Actions, k: int, candidates: Mask = None, choose: ChooseBest = top_k
    ) -> IntArray:
        """(n, k) see `ActionDecoder.decode`; of equal sums the more promising candidate comes first."""
        choice = self.features.of(observation, candidates)
        scores = _rounded(np.matmul(choice.features, _direction(actions)[:, :, None])[:, :, 0])
        return np.take_along_axis(choice.items, choose(scores, choice.allowed, k), axis=1)


class ChosenCandidates(ActionDecoder):
    """The action names, for each place, one of the user's p candidates by its position.

    A place whose candidate was named before or may not be shown gets the most promising candidate that is left, after
    all that were named.

    Args:
        features: gives candidates.
    """

    def __init__(self, features: CandidateFeatures) -> None:
        self.features = features

    def fit(self, log: Interactions, catalogue: Catalogue) -> Self:
        """Fit the features; returns itself."""
        self.features.fit(log, catalogue)
        return self

    def action_space(self, k: int) -> spaces.MultiDiscrete:
        """`MultiDiscrete([p] * k)`, 0 being the most promising candidate."""
        return spaces.MultiDiscrete(np.full(k, self.features.candidates_.shape[1]))

    def decode(
        self, observation: Observation, actions: Actions, k: int, candidates: Mask = None, choose: ChooseBest = top_k
    ) -> IntArray:
        """(n, k) see `ActionDecoder.decode`."""
        choice = self.features.of(observation, candidates)
        otherwise = -np.broadcast_to(np.arange(choice.items.shape[1], dtype=np.float64), choice.items.shape)
        return np.take_along_axis(choice.items, _pick(actions, otherwise, choice.allowed, k, choose), axis=1)


class _WholeCatalogue(ActionDecoder):
    """Shared: which items of the whole catalogue the user has consumed."""

    seen_: sparse.csr_array
    """(u, m) 1 where the training log has the pair."""

    def fit(self, log: Interactions, catalogue: Catalogue) -> Self:
        """Remember who has consumed what, and learn; returns itself."""
        self.seen_ = binary_matrix(log.users, log.items, (log.n_users, log.n_items))
        self.learn(log)
        return self

    @abstractmethod
    def learn(self, log: Interactions) -> None:
        """Learn from the training rows; `seen_` is there already."""

    def allowed(self, observation: Observation, candidates: Mask) -> BoolArray:
        """(n, m) the candidates, by default what neither the training log nor the session has.

        Raises:
            ValueError: not fitted, or an unknown user.
        """
        if not hasattr(self, "seen_"):
            raise ValueError(f"{type(self).__name__} must be fitted before it is used")
        check_users(observation["user"], self.seen_.shape[0])
        if candidates is not None:
            return np.asarray(candidates, np.bool_)
        return unconsumed(self.seen_, observation)


class NearestItems(_WholeCatalogue):
    """The action is a query in a space where items are points; the k items with the largest inner product are shown.

    The continuous action that is answered by nearest neighbours is that of Dulac-Arnold et al. ("Deep Reinforcement
    Learning in Large Discrete Action Spaces", 2015). Items are embedded by PureSVD (Cremonesi et al., RecSys 2010): the
    right singular vectors of the 0/1 training matrix, each times its singular value, all divided by the length of the
    longest. Under the inner product an item with many ratings, whose vector is long, comes before one with few in the
    same direction, and only the direction of a query counts.

    Args:
        dimensions: of the space, at least 1, and fewer than there are users and items.
    """

    embedding_: npt.NDArray[np.float32]
    """(m, d) zero for an item without training rows."""

    def __init__(self, dimensions: int = 16) -> None:
        if dimensions < 1:
            raise ValueError(f"dimensions must be at least 1, got {dimensions}")
        self.dimensions = dimensions

    def learn(self, log: Interactions) -> None:
        """Factorise the training matrix.

        Raises:
            ValueError: there are too few users or items for so many dimensions.
        """
        if self.dimensions >= min(log.n_users, log.n_items):
            raise ValueError(
                f"dimensions must be below the number of users and items, {log.n_users} and {log.n_items}, "
                f"got {self.dimensions}"
            )
        values, directions = item_directions(log, self.dimensions)
        factors = directions * values  # (m, d)
        largest = np.abs(factors).argmax(axis=0)
        factors *= np.sign(factors[largest, np.arange(self.dimensions)])  # singular vectors have no sign of their own
        length = np.sqrt((factors**2).sum(axis=1).max())
        self.embedding_ = (factors / max(length, 1e-12)).astype(np.float32)

    def action_space(self, k: int) -> spaces.Box:
        """`Box(-1, 1, (d,))`."""
        return spaces.Box(-1, 1, (self.dimensions,), np.float32)

    def decode(
        self, observation: Observation, actions: Actions, k: int, candidates: Mask = None, choose: ChooseBest = top_k
    ) -> IntArray:
        """(n, k) see `ActionDecoder.decode`."""
        allowed, queries = self.allowed(observation, candidates), _direction(actions)
        items = self.embedding_.T.astype(np.float64)
        slates = np.empty((len(queries), k), np.int64)
        for begin in range(0, len(queries), _BLOCK):
            rows = slice(begin, begin + _BLOCK)
            slates[rows] = choose(_rounded(queries[rows] @ items), allowed[rows], k)
        return slates


class NamedItems(_WholeCatalogue):
    """The action names the items themselves, as the environment's own action does.

    The difference to the environment's own action: a place whose item was named before, or that the user has consumed,
    gets the most popular item that is left. So the slate has no empty places, and is one that a leaderboard accepts.
    """

    counts_: FloatArray
    """(m,) training rows."""

    def learn(self, log: Interactions) -> None:
        """Count the rows of each item."""
        self.counts_ = np.bincount(log.items, minlength=log.n_items).astype(np.float64)

    def action_space(self, k: int) -> spaces.MultiDiscrete:
        """`MultiDiscrete([m] * k)`."""
        return spaces.MultiDiscrete(np.full(k, self.seen_.shape[1]))

    def decode(
        self, observation: Observation, actions: Actions, k: int, candidates: Mask = None, choose: ChooseBest = top_k
    ) -> IntArray:
        """(n, k) see `ActionDecoder.decode`."""
        allowed = self.allowed(observation, candidates)
        otherwise = np.broadcast_to(self.counts_ - self.counts_.max(), allowed.shape)
        return _pick(actions, otherwise, allowed, k, choose)


def _direction(actions: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """The actions without what lies below 1e-4.

    Networks give a row slightly different numbers alone and in a batch, and items whose scores are equal but for that
    would change places.
    """
    return np.asarray(np.round(np.asarray(actions, np.float64), 4), np.float64)


def _rounded(scores: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """Scores without their last digits: a product sums in another order alone and in a batch, and equals stay equal."""
    return scores.astype(np.float32)


def _pick(picks: npt.NDArray[Any], otherwise: FloatArray, allowed: BoolArray, k: int, choose: ChooseBest) -> IntArray:
    """(n, k) the first k positions picked (n, k'), allowed and without repetition; then the best of `otherwise` (n, p).

    Args:
        picks: positions in `0..p-1`.
        otherwise: scores of all positions, none above 0.
        allowed: (n, p)
        k: places.
        choose: see `ActionDecoder.decode`.
    """
    scores = np.array(otherwise, np.float64)
    rows = np.arange(len(scores))
    wanted = np.asarray(picks, np.int64)[:, :k]
    for place in reversed(range(wanted.shape[1])):  # from the last to the first, so that the first mention counts
        scores[rows, wanted[:, place]] = k - place
    return choose(scores, allowed, k)


def check_actions(actions: npt.ArrayLike, space: gym.Space[Any], n: int) -> npt.NDArray[Any]:
    """Actions of n rows as an array.

    Raises:
        ValueError: the shape is another, or a number is not finite or no valid position.
    """
    array = np.asarray(actions)
    if array.shape != (n, *(space.shape or ())):
        raise ValueError(
            f"actions for {n} rows of {space} must have shape {(n, *(space.shape or ()))}, got {array.shape}"
        )
    if isinstance(space, spaces.MultiDiscrete):
        if not np.issubdtype(array.dtype, np.integer) or (array < 0).any() or (array >= space.nvec).any():
            raise ValueError(f"actions must be integers of {space}, got {array.dtype} in {array.min()}..{array.max()}")
    elif not np.isfinite(array).all():
        raise ValueError("actions must be finite, got NaN or infinity")
    return array
