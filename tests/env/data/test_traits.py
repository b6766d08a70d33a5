"""Traits are added up in the order of the rows: documents name genres in the order of these sums, ties and all."""

import numpy as np

from personagym_env.data.sources import load_dataset
from personagym_env.data.splits import temporal_split
from personagym_env.data.tables import Catalogue, Interactions
from personagym_env.data.traits import user_traits


def test_genre_shares_are_added_row_by_row_to_the_last_digit() -> None:
    data = load_dataset("ml-100k")
    log = temporal_split(data.interactions).train
    total = np.zeros((len(log) + 1, data.catalogue.genres.shape[1]))
    np.cumsum(data.catalogue.genre_shares[log.items], axis=0, out=total[1:])
    weight = total[log.indptr[1:]] - total[log.indptr[:-1]]
    expected = weight / np.maximum(weight.sum(axis=1, keepdims=True), 1e-9)
    np.testing.assert_array_equal(user_traits(log, data.catalogue).genre_share, expected)


def test_a_catalogue_without_genres_has_users_without_genres() -> None:
    catalogue = Catalogue(("a", "b"), ("a", "b"), np.zeros(2, np.int64), (), np.zeros((2, 0), np.bool_))
    log = Interactions.from_columns(
        np.array([0, 0, 1]), np.array([0, 1, 0]), np.array([1.0, 5.0, 5.0]), None, n_users=2, n_items=2, scale=(1, 5)
    )
    traits = user_traits(log, catalogue)
    for genres in (traits.genre_share, traits.genre_lift, traits.recent_share, traits.recent_lift):
        assert genres.shape == (2, 0)
    np.testing.assert_array_equal(traits.diversity, 0.0)
