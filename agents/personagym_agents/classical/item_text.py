"""What the text of an item says of its rating: ridge regression on genres and words of titles."""

from contextlib import suppress
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from personagym_env.data.tables import Catalogue, FloatArray, IntArray

_WORDS = 5_000
"""Words that count at most, the most frequent ones."""
_LETTERS = 2_000
"""Of a title that are read."""
_PENALTY = 10.0
"""Ratings of an average item that every column is shrunk by."""
_FOLDS = 5


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


def text_offsets(catalogue: Catalogue, items: IntArray, residual: FloatArray) -> npt.NDArray[np.float32]:
    """(m,) what the texts of other items say of each item's mean residual.

    No item's own ratings count, so that the offset of an item with many ratings can be trusted as far as that of an
    item with none.

    Args:
        catalogue: the items.
        items: (n,) of the rows.
        residual: (n,) of the rows' ratings.
    """
    from sklearn.linear_model import Ridge

    features = text_features(catalogue)
    size = len(catalogue)
    count = np.bincount(items, minlength=size)
    offsets = np.zeros(size, np.float32)
    fold = np.random.default_rng(0).permutation(size) % _FOLDS
    if not features.shape[1]:
        return offsets
    mean = np.bincount(items, residual, minlength=size) / np.maximum(count, 1)
    for number in range(_FOLDS):
        rated = np.flatnonzero((count > 0) & (fold != number))
        if len(rated) and (fold == number).any():
            # Rows of one item have the same features, so items' means, weighted, have the same solution as the rows.
            ridge: Any = Ridge(alpha=_PENALTY, solver="lsqr", random_state=0)  # type: ignore[no-untyped-call]
            ridge.fit(features[rated], mean[rated], sample_weight=count[rated])
            offsets[fold == number] = ridge.predict(features[fold == number])
    return offsets
