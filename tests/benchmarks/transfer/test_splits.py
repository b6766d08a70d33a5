"""Rows that are taken away for cold items and for the points of a curve; and the floor that reads text."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from personagym_benchmarks.transfer.cold_items import cold_item_splits
from personagym_benchmarks.transfer.curves import known_fits, merged, size_fits
from personagym_benchmarks.transfer.text_ridge import fit_text_ridge
from personagym_env.data.splits import Split, temporal_split
from personagym_env.data.tables import Dataset
from personagym_env.evaluation.core.statistics import RatioOfSums, RootMeanSquare


@pytest.fixture(scope="module")
def split(make_dataset: Callable[..., Dataset]) -> Split:
    return temporal_split(make_dataset(40, 60, 4, 30).interactions)


def test_cold_items_have_no_training_row(split: Split) -> None:
    draws = list(cold_item_splits(split, np.random.default_rng(0), 3))
    assert len(draws) == 3
    for cold in draws:
        assert len(cold.test)
        assert not set(cold.test.items) & set(cold.train.items)
        assert len(np.unique(cold.test.items)) == round(0.1 * len(np.unique(split.test.items)))
        warm = ~np.isin(split.train.items, cold.test.items)
        np.testing.assert_array_equal(cold.train.items, split.train.items[warm])
    assert len(np.unique(np.concatenate([cold.test.items for cold in draws]))) == sum(
        len(np.unique(cold.test.items)) for cold in draws
    )
    again = next(cold_item_splits(split, np.random.default_rng(0), 1))
    np.testing.assert_array_equal(again.test.items, draws[0].test.items)


def test_every_item_is_cold_once_at_most(split: Split) -> None:
    draws = list(cold_item_splits(split, np.random.default_rng(0), 100))
    items = np.concatenate([np.unique(cold.test.items) for cold in draws])
    np.testing.assert_array_equal(np.sort(items), np.unique(split.test.items))


def test_asked_users_are_known_by_their_latest_rows(split: Split) -> None:
    known = (0, 2, 100)
    fits = known_fits(split, known, 3, None, np.random.default_rng(0))
    asked = [set(zip(fit.split.test.users.tolist(), fit.at.tolist(), strict=True)) for fit in fits]
    everybody = {user for pairs in asked for user, _ in pairs}
    assert len(everybody) == 12  # three of ten
    assert len(fits) == 2  # nobody has 100 ratings
    assert set.union(*asked) == {(user, at) for user in everybody for at in (0.0, 2.0)}
    assert not asked[0] & asked[1]
    for fit in fits:
        for user, at in set(zip(fit.split.test.users.tolist(), fit.at.tolist(), strict=True)):
            rows, whole = (log.items[log.users == user] for log in (fit.split.train, split.train))
            np.testing.assert_array_equal(rows, whole[len(whole) - int(at) :])
        others = ~np.isin(split.train.users, list(everybody))
        assert np.isin(fit.split.train.users, np.unique(split.train.users[others])).sum() == others.sum()


def test_small_logs_share_no_user(split: Split) -> None:
    fits = size_fits(split, (0.1, 0.5), None, np.random.default_rng(0))
    for share, size in ((0.1, 4), (0.5, 20)):
        logs = [fit.split for fit in fits if (fit.at == share).all()]
        users = [set(log.train.users.tolist()) for log in logs]
        assert {len(some) for some in users} == {size}
        assert len(set.union(*users)) == size * len(users)
        assert all(set(log.test.users.tolist()) <= some for log, some in zip(logs, users, strict=True))
    assert sum((fit.at == 0.1).all() for fit in fits) == 4


def test_merged_figures_are_those_of_all_rows_together() -> None:
    squares, count = np.array([[1.0, 4.0], [0.0, 9.0]]), np.array([[1.0, 2.0], [0.0, 3.0]])
    parts = [{"rmse": RootMeanSquare(RatioOfSums(s, n))} for s, n in zip(squares, count, strict=True)]
    found = merged(parts)["rmse"].resampled(np.ones((1, 2)))
    np.testing.assert_allclose(found, [np.sqrt(squares.sum() / count.sum())])


def test_text_tells_of_items_that_nobody_rated(make_dataset: Callable[..., Dataset]) -> None:
    """Ratings are the user's mean and what the item's word is worth, so the prediction can be known."""
    data = make_dataset(40, 60, 4, 30)
    titles = tuple(f"{'good' if item % 2 else 'bad'} {item}" for item in range(60))
    log = data.interactions
    log = replace(log, ratings=np.where(log.items % 2 == 1, 5.0, 2.0).astype(np.float32))
    catalogue = replace(data.catalogue, titles=titles)
    cold = next(cold_item_splits(temporal_split(log), np.random.default_rng(0), 1))
    ridge = fit_text_ridge(cold.train, catalogue, np.random.default_rng(0))
    points = ridge.points(cold.test.users, cold.test.items)
    assert np.abs(points - cold.test.ratings).mean() < 0.3
    ratings = ridge.ratings(cold.test.users, cold.test.items)
    assert ratings is not None
    np.testing.assert_allclose(ratings.sum(axis=1), 1, atol=1e-5)
    assert (ratings.argmax(axis=1) == cold.test.rating_index).mean() > 0.9


def test_items_without_text_are_worth_the_users_mean(make_dataset: Callable[..., Dataset]) -> None:
    data = make_dataset(20, 30, 4, 10)
    silent = replace(data.catalogue, titles=("–",) * 30, genres=np.zeros((30, 0), np.bool_), genre_names=())
    ridge = fit_text_ridge(data.interactions, silent, np.random.default_rng(0))
    assert not ridge.item_offsets.any()
