"""A planted selection keeps what its propensities say, and hides the rest."""

import numpy as np
import pytest

from personagym_env.evaluation.agreement.planted_selection import SELECTION_KINDS, SelectionLaw, plant_selection


@pytest.fixture(scope="module")
def whole(make_dataset):
    return make_dataset(n_users=60, n_items=50, per_user=50)


@pytest.mark.parametrize("kind", SELECTION_KINDS)
def test_kept_and_hidden_are_everything(whole, kind):
    planted = plant_selection(whole, SelectionLaw(kind, 1.5), np.random.default_rng(0))
    log = planted.dataset.interactions
    assert len(log) + len(planted.hidden) == 60 * 50
    assert not log.contains(planted.hidden.users, planted.hidden.items).any()
    assert len(log) == pytest.approx(0.4 * 3000, rel=0.1)
    assert (1 / planted.propensities).sum() == pytest.approx(3000, rel=0.15)
    more = log.ratings.mean() - whole.interactions.ratings.mean()
    assert (more > 0.2) == (kind != "popularity")
    uneven = np.bincount(log.items, minlength=50).std()
    assert (uneven > 8) == (kind != "rating")


def test_no_strength_is_no_selection():
    chance = SelectionLaw("both", 0.0).propensities(np.arange(6.0).reshape(2, 3), np.arange(3.0))
    np.testing.assert_allclose(chance, 0.4)


def test_bad_laws(whole, dataset):
    for law in ({"kind": "luck", "strength": 1}, {"kind": "rating", "strength": -1}):
        with pytest.raises(ValueError, match=r"got"):
            SelectionLaw(**law)
    with pytest.raises(ValueError, match="rated all 80 items"):
        plant_selection(dataset, SelectionLaw("rating", 1.0), np.random.default_rng(0))
