"""A recommender of one's own in one file: what a user likes, by genre, among what everybody watches.

    personagym leaderboard --recommender examples/own_recommender.py:GenreAffinity

`ScoringRecommender` asks for two methods and does the rest: it leaves consumed items out, picks the best k, saves and
loads. Constructor arguments are kept under their own names; what is learned ends in an underscore.
"""

import numpy as np

from personagym_env.data.tables import Catalogue, FloatArray, Interactions
from personagym_env.protocols import Observation
from personagym_recommenders import ScoringRecommender


class GenreAffinity(ScoringRecommender):
    """Scores an item by its popularity and by the share of the user's history that has its genres.

    Args:
        weight: of the genres against the popularity; 0 is plain popularity.
    """

    item_genres_: FloatArray
    """(m, g) 1 / sqrt(genres of the item) where it has the genre."""
    usual_: FloatArray
    """(g,) mean of `item_genres_` over all training rows."""
    popularity_: FloatArray
    """(m,) log(1 + training rows)."""

    def __init__(self, weight: float = 3.0) -> None:
        self.weight = weight

    def learn(self, log: Interactions, catalogue: Catalogue) -> None:
        """Count how often items and genres occur."""
        genres_of_item = np.maximum(catalogue.genres.sum(axis=1, keepdims=True), 1)
        self.item_genres_ = catalogue.genres / np.sqrt(genres_of_item)
        self.usual_ = self.item_genres_[log.items].mean(axis=0)
        self.popularity_ = np.log1p(np.bincount(log.items, minlength=log.n_items))

    def score(self, observation: Observation) -> FloatArray:
        """(n, m) popularity plus how far the user's genres, this session's included, differ from the usual ones."""
        history = self.history(observation)  # (n, m), training log and session
        length = np.maximum(history.sum(axis=1), 1)[:, None]
        taste = history @ self.item_genres_ / length - self.usual_  # (n, g)
        return np.asarray(self.popularity_ + self.weight * taste @ self.item_genres_.T)
