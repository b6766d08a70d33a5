"""The floor of items that nobody has rated: ridge regression of ratings on genres and words of titles.

A rating is the user's shrunk mean plus what genres and words add. The penalty is the one of a grid with the least error
on training rows of items whose training rows are left out, which is how cold items are met; so is the ordinal link that
makes distributions of the predictions. Shapes: n rows, m items, f genres and words.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.linear_model import Ridge

from personagym_agents.classical.item_text import text_features
from personagym_agents.classical.link import OrdinalLink, fit_link
from personagym_env.collaborative.shrinkage import shrunk_mean
from personagym_env.data.tables import Catalogue, FloatArray, IntArray, Interactions

NAME = "ridge on text"
PENALTIES = (0.1, 1.0, 10.0, 100.0, 1_000.0, 10_000.0)
_USER_PRIOR = 5.0
"""Ratings at the global mean that every user's mean is shrunk by."""
_ITEMS_APART = 0.2
"""Share of the items with training rows that choose the penalty."""


@dataclass(frozen=True, eq=False)
class TextRidge:
    """Fitted by `fit_text_ridge`."""

    user_means: FloatArray
    """(u,)"""
    item_offsets: FloatArray
    """(m,) what genres and words add."""
    penalty: float
    link: OrdinalLink | None
    """None where the scale has one rating, or no item was left to fit it on."""
    scale: tuple[float, ...]

    def points(self, users: IntArray, items: IntArray) -> FloatArray:
        """(n,) predictions for pairs, within the scale."""
        return np.clip(self.user_means[users] + self.item_offsets[items], self.scale[0], self.scale[-1])

    def ratings(self, users: IntArray, items: IntArray) -> FloatArray | None:
        """(n, r) distributions over the scale, if there is a link."""
        if self.link is None:
            return None
        location = self.link.location(self.points(users, items))
        return self.link.distribution(location, np.ones(location.shape, np.float32))


def fit_text_ridge(train: Interactions, catalogue: Catalogue, rng: np.random.Generator) -> TextRidge:
    """Fit to training rows; see the head of the file.

    Raises:
        ValueError: there are no rows.
    """
    if not len(train):
        raise ValueError("ridge regression needs training rows, got none")
    features = text_features(catalogue)
    rated = np.flatnonzero(np.bincount(train.items, minlength=train.n_items))
    apart = np.isin(train.items, rng.permutation(rated)[: round(_ITEMS_APART * len(rated))])
    penalty, link = PENALTIES[len(PENALTIES) // 2], None
    if apart.any() and not apart.all():
        tried = {one: _fit(train.take(~apart), features, one, None) for one in PENALTIES}
        errors = {one: np.square(_errors(model, train.take(apart))).mean() for one, model in tried.items()}
        penalty = min(errors, key=errors.__getitem__)
        link = _link(tried[penalty], train.take(apart))
    return _fit(train, features, penalty, link)


def _fit(train: Interactions, features: sparse.csr_matrix, penalty: float, link: OrdinalLink | None) -> TextRidge:
    mean = float(train.ratings.mean(dtype=np.float64))
    user_means = shrunk_mean(train.users, train.ratings, train.n_users, _USER_PRIOR, towards=mean)
    residual = train.ratings - user_means[train.users]
    count = np.bincount(train.items, minlength=train.n_items)
    rated = np.flatnonzero(count)
    item_mean = np.bincount(train.items, residual, minlength=train.n_items)[rated] / count[rated]
    offsets = np.zeros(train.n_items)
    if features.shape[1]:
        # Rows of one item have the same features, so the items' means, weighted, have the same solution as the rows.
        ridge: Any = Ridge(alpha=penalty, solver="lsqr", random_state=0)  # type: ignore[no-untyped-call]
        ridge.fit(features[rated], item_mean, sample_weight=count[rated])
        offsets = np.asarray(ridge.predict(features))
    return TextRidge(user_means, offsets, penalty, link, train.scale)


def _errors(model: TextRidge, rows: Interactions) -> FloatArray:
    return model.points(rows.users, rows.items) - rows.ratings


def _link(model: TextRidge, rows: Interactions) -> OrdinalLink | None:
    if len(rows.scale) < 2:
        return None
    nothing = np.zeros((len(rows), 0))
    return fit_link(model.points(rows.users, rows.items), nothing, rows.rating_index, len(rows.scale))
