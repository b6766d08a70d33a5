"""What the text of an item says of its rating: ridge regression on genres and words of titles."""

from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from personagym_env.data.tables import BoolArray, Catalogue, FloatArray, IntArray

_WORDS = 5_000
"""Words that count at most, the most frequent ones."""
_LETTERS = 2_000
"""Of a title that are read."""
_PENALTY = 10.0
"""Ratings that every column is shrunk by, for items that have some."""
_PENALTIES = (1.0, 10.0, 100.0, 1_000.0)
"""The same for items that have none, of which left-out items choose one: of these text has to tell more."""
_FOLDS, _PENALTY_FOLDS = 5, 3


@lru_cache(maxsize=4)
def text_features(catalogue: Catalogue) -> sparse.csr_matrix:
    """(m, f) genres as they are, words of titles by TF-IDF."""
    # Here, because it takes a second to import, and not all users need it.
    from sklearn.feature_extraction.text import TfidfVectorizer

    reader: Any = TfidfVectorizer(max_features=_WORDS, token_pattern=r"(?u)\w+", sublinear_tf=True)  # type: ignore[no-untyped-call]
    titles = [title[:_LETTERS] for title in catalogue.titles]
    parts = [sparse.csr_matrix(catalogue.genres.astype(np.float64))]
    with suppress(ValueError):  # no title holds a letter or a digit
        parts.append(reader.fit_transform(titles))
    return sparse.csr_matrix(sparse.hstack(parts))


def text_offsets(
    catalogue: Catalogue, items: IntArray, residual: FloatArray, item_bias: FloatArray
) -> npt.NDArray[np.float32]:
    """(m,) what the texts of other items say of each item.

    Of an item with ratings, its mean residual: what its own mean does not say. No item's own ratings count, so that the
    offset of an item with many ratings can be trusted as far as that of an item with few. Of an item without ratings,
    its bias, which nothing else tells.

    Args:
        catalogue: the items.
        items: (n,) of the rows.
        residual: (n,) of the rows' ratings, less what user and item mean.
        item_bias: (m,) what the items mean.
    """
    texts = _Texts(catalogue, items)
    offsets = np.zeros(len(catalogue), np.float32)
    if not texts.features.shape[1]:
        return offsets
    mean = texts.means(residual)
    for inside in texts.folds(_FOLDS):
        offsets[inside] = texts.predicted(mean, ~inside, _PENALTY)[inside]
    unrated = texts.count == 0
    if unrated.any():
        offsets[unrated] = _of_unrated(texts, mean + item_bias)[unrated]
    return offsets


def _of_unrated(texts: "_Texts", mean: FloatArray) -> FloatArray:
    """(m,) predicted means, with the penalty that predicts left-out items best."""
    errors = dict.fromkeys(_PENALTIES, 0.0)
    for inside in texts.folds(_PENALTY_FOLDS):
        for penalty in errors:
            missed = texts.predicted(mean, ~inside, penalty) - mean
            errors[penalty] += float(texts.count[inside] @ np.square(missed[inside]))
    return texts.predicted(mean, np.ones(len(mean), np.bool_), min(errors, key=errors.__getitem__))


class _Texts:
    """Texts of items, and how many rows each has."""

    def __init__(self, catalogue: Catalogue, items: IntArray) -> None:
        self.features = text_features(catalogue)
        self.items = items
        self.count = np.bincount(items, minlength=len(catalogue))

    def means(self, values: FloatArray) -> FloatArray:
        """(m,) of the values (n,) of the rows; 0 of an item without any."""
        return np.bincount(self.items, values, minlength=len(self.count)) / np.maximum(self.count, 1)

    def folds(self, number: int) -> Iterator[BoolArray]:
        """(m,) items inside each fold, as long as there are rated ones outside."""
        fold = np.random.default_rng(0).permutation(len(self.count)) % number
        for inside in (fold == each for each in range(number)):
            if inside.any() and self.count[~inside].any():
                yield inside

    def predicted(self, mean: FloatArray, among: BoolArray, penalty: float) -> FloatArray:
        """(m,) means that texts predict, by the rated ones among some items (m,)."""
        from sklearn.linear_model import Ridge

        rated = np.flatnonzero(among & (self.count > 0))
        # Rows of one item have the same features, so items' means, weighted, have the same solution as the rows.
        ridge: Any = Ridge(alpha=penalty, solver="lsqr", random_state=0)  # type: ignore[no-untyped-call]
        ridge.fit(self.features[rated], mean[rated], sample_weight=self.count[rated])
        return np.asarray(ridge.predict(self.features))
