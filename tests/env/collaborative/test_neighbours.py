"""Item neighbours against planted twins."""

import numpy as np
import pytest

from personagym_env.collaborative.affinity import fit_affinity
from personagym_env.collaborative.factors import fit_factors
from personagym_env.collaborative.neighbours import NeighbourSettings, fit_neighbours
from personagym_env.data.tables import Interactions

SCALE = (1.0, 2.0, 3.0, 4.0, 5.0)


@pytest.fixture(scope="module")
def twins() -> Interactions:
    """Items 2j and 2j + 1 are twins: each user rates both alike, 5 or 1 by a coin. User 0 knows item 0 only (5)."""
    rng = np.random.default_rng(0)
    ratings = np.repeat(rng.choice([1.0, 5.0], (200, 10)), 2, axis=1)
    users, items = np.nonzero(np.ones(ratings.shape))
    keep = (users > 0) | (items == 0)
    ratings[0, 0] = 5.0
    users, items = users[keep], items[keep]
    return Interactions.from_columns(users, items, ratings[users, items], None, n_users=200, n_items=20, scale=SCALE)


def test_a_rating_carries_over_to_the_twin_alone(twins):
    model = fit_neighbours(twins, NeighbourSettings(neighbours=3))
    moved = (model.predict(np.array([0])).mean - model.bias.predict(np.array([0])).mean)[0]
    assert moved[1] > 0.8, "the twin of what user 0 loves must go up"
    assert np.abs(np.delete(moved, [0, 1])).max() < 0.4 * moved[1]


def test_similarity_is_the_shrunk_cosine_over_common_raters():
    # Two items, three common raters; the third item has no raters in common with anything.
    users, items = np.array([0, 0, 1, 1, 2, 2, 3]), np.array([0, 1, 0, 1, 0, 1, 2])
    ratings = np.array([5, 4, 1, 2, 4, 5, 3.0])
    log = Interactions.from_columns(users, items, ratings, None, n_users=4, n_items=3, scale=SCALE)
    model = fit_neighbours(log, NeighbourSettings(neighbours=2, shrinkage=6.0))
    residual = model.residuals.toarray()
    a, b = residual[:3, 0], residual[:3, 1]
    expected = a @ b / np.sqrt((a @ a) * (b @ b)) * 3 / (3 + 6)
    similarity = model.similarities.toarray()
    assert similarity[0, 1] == pytest.approx(max(expected, 0), abs=1e-5)
    assert similarity[0, 2] == similarity[2, 0] == similarity[1, 1] == 0


@pytest.mark.parametrize(("field", "value"), [("neighbours", 0), ("shrinkage", 0.0), ("damping", -1.0)])
def test_settings_name_the_bad_value(field, value):
    with pytest.raises(ValueError, match=f"{field}.*got {value}"):
        NeighbourSettings(**{field: value})


def test_large_catalogues_have_the_same_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    users, items = np.divmod(rng.choice(40 * 60, 500, replace=False), 60)
    log = Interactions.from_columns(
        users, items, rng.integers(1, 6, 500).astype(float), None, n_users=40, n_items=60, scale=(1, 2, 3, 4, 5)
    )
    everybody = np.arange(40)
    settings = NeighbourSettings(neighbours=60)
    dense = fit_neighbours(log, settings).predict(everybody).mean, fit_affinity(log).log_affinity(everybody)
    for module in ("neighbours", "affinity"):
        monkeypatch.setattr(f"personagym_env.collaborative.{module}.DENSE_ROWS", 0)
    large = fit_neighbours(log, settings).predict(everybody).mean, fit_affinity(log).log_affinity(everybody)
    for one, other in zip(dense, large, strict=True):
        np.testing.assert_allclose(other, one, atol=1e-5)
    few = fit_neighbours(log, NeighbourSettings(neighbours=3)).similarities
    assert np.diff(few.T.tocsr().indptr).max() == 3


@pytest.mark.parametrize("pairs", [7, 2**16])
def test_pairs_are_answered_like_whole_rows(pairs: int, twins: Interactions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("personagym_env.collaborative.neighbours.PAIRS_AT_ONCE", pairs)
    for model in (fit_neighbours(twins), fit_factors(twins)):
        expected = model.predict(np.arange(twins.n_users)).mean[twins.users, twins.items]
        np.testing.assert_allclose(model.means_at(twins.users, twins.items), expected, atol=1e-5)
        assert len(model.means_at(twins.users[:0], twins.items[:0])) == 0
