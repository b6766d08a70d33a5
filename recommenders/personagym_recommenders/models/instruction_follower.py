"""A recommender that listens: what another one would show, with what the user wished first."""

from typing import Self

import numpy as np
from scipy import sparse

from personagym_env.data.tables import BoolArray, Catalogue, IntArray, Interactions
from personagym_env.protocols import Observation, Recommender
from personagym_env.session.instructions import matches
from personagym_recommenders.base import binary_matrix, unconsumed


class InstructionFollower:
    """Reorders the longer list of another recommender by how well items fit the user's wish.

    An item that fits in more parts goes first; items that fit equally well keep their order. Where the observation has
    no instruction, or the user has wished nothing, the slate is the other recommender's.

    Args:
        recommender: whose items are shown.
        depth: length of its list, in slates; how far down a wish may reach.
    """

    catalogue_: Catalogue
    seen_: sparse.csr_array
    """(u, m) 1 where the training log has the pair."""

    def __init__(self, recommender: Recommender, depth: int = 5) -> None:
        if isinstance(recommender, type) or not all(hasattr(recommender, part) for part in ("fit", "recommend")):
            raise TypeError(f"expected a recommender that lists items, such as ItemKNN(), got {recommender!r}")
        if depth < 1:
            raise ValueError(f"depth must be at least 1, got {depth}")
        self.recommender, self.depth = recommender, depth

    @property
    def name(self) -> str:
        """See `Recommender.name`."""
        return f"{self.recommender.name}, following"

    def fit(self, log: Interactions, catalogue: Catalogue) -> Self:
        """Fit the other recommender."""
        self.recommender.fit(log, catalogue)
        self.catalogue_ = catalogue
        self.seen_ = binary_matrix(log.users, log.items, (log.n_users, log.n_items))
        return self

    def recommend(self, observation: Observation, k: int, candidates: BoolArray | None = None) -> IntArray:
        """See `Recommender.recommend`.

        Raises:
            ValueError: not fitted, or a row has fewer than k items to choose from.
        """
        if not hasattr(self, "seen_"):
            raise ValueError(f"{self.name} must be fitted before it is used")
        if "instruction" not in observation:
            return self.recommender.recommend(observation, k, candidates)
        allowed = unconsumed(self.seen_, observation) if candidates is None else candidates
        length = max(k, min(self.depth * k, int(allowed.sum(axis=1).min(initial=self.depth * k))))
        items = self.recommender.recommend(observation, length, candidates)
        fit = np.take_along_axis(matches(observation["instruction"], self.catalogue_), items, axis=1)
        order = np.argsort(-fit, axis=1, kind="stable")[:, :k]
        return np.take_along_axis(items, order, axis=1)
