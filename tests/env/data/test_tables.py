"""Invariants of the tables: what `Interactions` promises about order, pairs, scale and fingerprint."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from personagym_env.data.tables import Catalogue, Dataset, Interactions, Users

SCALE = (1.0, 2.0, 3.0, 4.0, 5.0)


def make_log(rows: list[tuple[int, int, float, int]], *, n_users: int = 4, n_items: int = 6) -> Interactions:
    users, items, ratings, times = (np.asarray(column) for column in zip(*rows, strict=True))
    return Interactions.from_columns(users, items, ratings, times, n_users=n_users, n_items=n_items, scale=SCALE)


def make_dataset(log: Interactions, item_ids: tuple[str, ...] | None = None) -> Dataset:
    m = log.n_items
    ids = item_ids or tuple(f"i{j}" for j in range(m))
    catalogue = Catalogue(ids, ids, np.zeros(m, np.int64), (), np.zeros((m, 0), np.bool_))
    return Dataset("small", catalogue, Users(tuple(f"u{i}" for i in range(log.n_users))), log)


ROWS = [(2, 1, 5.0, 30), (0, 3, 1.0, 20), (2, 0, 4.0, 10), (0, 2, 2.0, 20), (0, 1, 3.0, 5)]


def test_rows_are_sorted_by_user_then_time_then_source_order() -> None:
    log = make_log(ROWS)
    assert log.users.tolist() == [0, 0, 0, 2, 2]
    assert log.items.tolist() == [1, 3, 2, 0, 1]  # items 3 and 2 share a second and keep the order given
    assert log.timestamps is not None
    assert log.timestamps.tolist() == [5, 20, 20, 10, 30]
    assert log.indptr.tolist() == [0, 3, 3, 5, 5]
    assert log.counts.tolist() == [3, 0, 2, 0]
    assert log.rank_in_user.tolist() == [0, 1, 2, 0, 1]
    assert log.rating_index.tolist() == [2, 0, 1, 3, 4]


def test_pairs_are_found_and_matrix_holds_the_ratings() -> None:
    log = make_log(ROWS)
    assert log.contains(np.array([0, 0, 2, 3]), np.array([1, 0, 0, 5])).tolist() == [True, False, True, False]
    dense = log.matrix().toarray()
    assert dense[2, 1] == 5
    assert dense[0, 2] == 2
    assert np.count_nonzero(dense) == 5


@given(st.sets(st.tuples(st.integers(0, 6), st.integers(0, 12)), max_size=60))
def test_a_log_contains_its_own_pairs_and_no_others(pairs: set[tuple[int, int]]) -> None:
    users, items = np.array(sorted(pairs), np.int64).reshape(-1, 2).T
    ratings = np.ones(len(users))
    log = Interactions.from_columns(users, items, ratings, None, n_users=7, n_items=13, scale=SCALE)
    expected = np.zeros((7, 13), np.bool_)
    expected[users, items] = True
    np.testing.assert_array_equal(log.contains(np.arange(7)[:, None], np.arange(13)[None]), expected)
    assert log.contains(np.int64(3), np.int64(4)) == expected[3, 4]


def test_genres_of_an_item_share_it() -> None:
    genres = np.array([[True, False, True], [False, True, False], [False, False, False]])
    ids = ("a", "b", "c")
    shares = Catalogue(ids, ids, np.zeros(3, np.int64), ids, genres).genre_shares
    assert shares.tolist() == [[0.5, 0, 0.5], [0, 1, 0], [0, 0, 0]]


def test_take_accepts_masks_and_indices_in_any_order() -> None:
    log = make_log(ROWS)
    mask = np.array([True, False, False, True, False])
    assert log.take(mask).items.tolist() == log.take(np.array([3, 0])).items.tolist() == [1, 0]
    assert len(log.take(np.zeros(5, np.bool_))) == 0
    assert not log.take(np.zeros(5, np.bool_)).contains(np.array([0]), np.array([1])).any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"users": np.array([1, 0])}, "sorted by user"),
        ({"users": np.array([0, 4])}, r"users must lie in 0\.\.3"),
        ({"items": np.array([-1, 0])}, r"items must lie in 0\.\.5"),
        ({"ratings": np.array([1.0, 2.5], np.float32)}, "outside the scale"),
        ({"ratings": np.array([1.0, np.nan], np.float32)}, "outside the scale"),
        ({"items": np.array([0])}, "one length"),
    ],
)
def test_broken_columns_are_refused(change: dict[str, np.ndarray], message: str) -> None:
    log = make_log([(0, 0, 1.0, 1), (1, 1, 2.0, 2)])
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(log, **change)


def test_tables_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="2 ids"):
        Catalogue(("a", "b"), ("A",), np.zeros(2, np.int64), (), np.zeros((2, 0), np.bool_))
    with pytest.raises(ValueError, match="'age'"):
        Users(("a", "b"), {"age": ("30",)})
    with pytest.raises(ValueError, match="log counts 4 and 6"):
        Dataset("x", make_dataset(make_log(ROWS)).catalogue, Users(("a",)), make_log(ROWS))


rows_strategy = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 5), st.sampled_from(SCALE), st.integers(0, 100)),
    min_size=1,
    max_size=20,
    unique_by=(lambda row: row[:2], lambda row: row[3]),
)


@settings(max_examples=60, deadline=None)
@given(rows=rows_strategy, data=st.data())
def test_fingerprint_knows_the_rows_and_nothing_but_the_rows(
    rows: list[tuple[int, int, float, int]], data: st.DataObject
) -> None:
    log = make_log(rows)
    assert make_log(data.draw(st.permutations(rows))).fingerprint() == log.fingerprint()  # no two times are equal
    place = data.draw(st.integers(0, len(rows) - 1))
    user, item, rating, time = rows[place]
    for other in (
        (user, (item + 1) % 6, rating, time),
        (user, item, rating % 5 + 1, time),
        (user, item, rating, time + 1000),
    ):
        assert make_log([*rows[:place], other, *rows[place + 1 :]]).fingerprint() != log.fingerprint()
    if len(rows) > 1:
        assert make_log(rows[:place] + rows[place + 1 :]).fingerprint() != log.fingerprint()


def test_fingerprint_sees_shape_scale_time_and_ids() -> None:
    log = make_log(ROWS)
    prints = {
        log.fingerprint(),
        make_log(ROWS, n_items=7).fingerprint(),
        make_log(ROWS, n_users=5).fingerprint(),
        dataclasses.replace(log, scale=(*SCALE, 6.0)).fingerprint(),
        dataclasses.replace(log, timestamps=None).fingerprint(),
    }
    assert len(prints) == 5
    names = ("a", "b", "c", "d", "e", "f")
    assert make_dataset(log).fingerprint() != make_dataset(log, names).fingerprint()
    assert make_dataset(log, names).fingerprint() == make_dataset(make_log(ROWS), names).fingerprint()
