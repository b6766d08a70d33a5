"""What would not fit into memory is refused with its size before it is allocated, or solved in a smaller form."""

import resource
import time
from types import SimpleNamespace

import numpy as np
import pytest

from personagym_env.data.tables import Catalogue, Interactions
from personagym_recommenders import EASE, OracleGreedy


def make_log(n_users, n_items, rows=40):
    rng = np.random.default_rng(n_items)
    users = np.sort(rng.integers(0, n_users, rows))
    pairs = np.unique(users * n_items + rng.integers(0, n_items, rows))
    log = Interactions.from_columns(
        pairs // n_items,
        pairs % n_items,
        np.full(len(pairs), 4.0),
        None,
        n_users=n_users,
        n_items=n_items,
        scale=(1, 2, 3, 4, 5),
    )
    ids = ("i",) * n_items
    return log, Catalogue(ids, ids, np.full(n_items, 1990), ("a",), np.ones((n_items, 1), np.bool_))


@pytest.mark.parametrize("n_users", [21_000, 60_000, 162_000, 500_000])
@pytest.mark.parametrize("n_items", [20_500, 30_000, 59_000, 100_000, 270_000])
def test_ease_refuses_with_the_size(n_users, n_items):
    log, catalogue = make_log(n_users, n_items)
    before, begin = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    expected = f"{21 * min(n_users, n_items) ** 2 / 2**30:,.0f} GiB"
    with pytest.raises(
        ValueError, match=rf"EASE on {n_items:,} items and {n_users:,} users takes {expected}.*item-knn"
    ):
        EASE().fit(log, catalogue)
    assert time.perf_counter() - begin < 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**18  # KiB


def test_ease_takes_the_dual_form_where_users_are_few(observe):
    log, catalogue = make_log(30, 100_000, rows=400)
    recommender = EASE(5.0).fit(log, catalogue)
    assert not hasattr(recommender, "weights_")
    assert recommender.recommend(observe([0, 7, 29]), 5).shape == (3, 5)


@pytest.mark.parametrize("seed", range(20))
def test_both_forms_of_ease_are_one(checkerboard, observe, monkeypatch, tmp_path, seed):
    rng = np.random.default_rng(seed)
    n_users, n_items = (int(size) for size in rng.integers(4, 40, 2))
    log, catalogue = make_log(n_users, n_items, rows=int(rng.integers(5, 200)))
    rows = observe(rng.integers(0, n_users, 6).tolist(), rng.integers(-1, n_items, (6, 2)).tolist())
    regularisation = float(rng.uniform(0.5, 50))
    primal = EASE(regularisation).fit(log, catalogue).score(rows)
    monkeypatch.setattr("personagym_recommenders.models.item_models.fits", lambda size: False)
    monkeypatch.setattr("personagym_recommenders.models.item_models.require_memory", lambda *given: None)
    dual = EASE(regularisation).fit(log, catalogue)
    np.testing.assert_allclose(dual.score(rows), primal, atol=1e-5)
    dual.save(tmp_path)
    np.testing.assert_array_equal(EASE.load(tmp_path).score(rows), dual.score(rows))


@pytest.mark.parametrize(("n_users", "n_items"), [(100_000, 100_000), (50_000, 60_000), (400_000, 20_000)])
def test_tables_of_all_pairs_are_refused(n_users, n_items):
    log, catalogue = make_log(n_users, n_items)
    size = f"{4 * n_users * n_items / 2**30:,.0f} GiB"
    agent = SimpleNamespace(name="huge", n_users=n_users, n_items=n_items)
    with pytest.raises(ValueError, match=f"takes {size}"):
        OracleGreedy(agent).fit(log, catalogue)
