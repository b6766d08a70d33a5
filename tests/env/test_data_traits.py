"""Traits are added up in the order of the rows: documents name genres in the order of these sums, ties and all."""

import numpy as np

from personagym_env.data.sources import load_dataset
from personagym_env.data.splits import temporal_split
from personagym_env.data.traits import user_traits


def test_genre_shares_are_added_row_by_row_to_the_last_digit() -> None:
    data = load_dataset("ml-100k")
    log = temporal_split(data.interactions).train
    total = np.zeros((len(log) + 1, data.catalogue.genres.shape[1]))
    np.cumsum(data.catalogue.genre_shares[log.items], axis=0, out=total[1:])
    weight = total[log.indptr[1:]] - total[log.indptr[:-1]]
    expected = weight / np.maximum(weight.sum(axis=1, keepdims=True), 1e-9)
    np.testing.assert_array_equal(user_traits(log, data.catalogue).genre_share, expected)
