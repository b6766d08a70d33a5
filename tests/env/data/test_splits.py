"""Properties of the four splits on random logs, and their known answers on small ones."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from personagym_env.data.splits import (
    Split,
    cold_user_split,
    global_time_split,
    leave_last_n_split,
    paper_split,
    random_split,
    temporal_split,
)
from personagym_env.data.tables import Interactions

SPLITS: dict[str, Callable[[Interactions], Split]] = {
    "temporal": lambda log: temporal_split(log, 0.7),
    "leave_last_n": lambda log: leave_last_n_split(log, 2),
    "global_time": lambda log: global_time_split(log, 0.7),
    "random": lambda log: random_split(log, 0.7, rng=np.random.default_rng(5)),
    "paper": lambda log: paper_split(log, rng=np.random.default_rng(5), users=1, least=1, most=9),
}


def make_log(pairs: list[tuple[int, int]], times: list[int] | None) -> Interactions:
    users, items = np.asarray(pairs).T
    stamps = None if times is None else np.asarray(times)
    ratings = np.asarray([1.0 + (user + item) % 5 for user, item in pairs])
    return Interactions.from_columns(
        users, items, ratings, stamps, n_users=5, n_items=8, scale=(1.0, 2.0, 3.0, 4.0, 5.0)
    )


@st.composite
def logs(draw: st.DrawFn) -> Interactions:
    """Logs with users of 0 to 8 rows and many equal timestamps."""
    pairs = draw(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 7)), min_size=1, max_size=30, unique=True))
    return make_log(pairs, draw(st.lists(st.integers(0, 9), min_size=len(pairs), max_size=len(pairs))))


def rows_of(log: Interactions) -> list[tuple[int, int, float, int]]:
    assert log.timestamps is not None
    return list(zip(log.users.tolist(), log.items.tolist(), log.ratings.tolist(), log.timestamps.tolist(), strict=True))


@pytest.mark.parametrize("name", SPLITS)
@settings(max_examples=60, deadline=None)
@given(log=logs())
def test_parts_share_no_row_and_cover_the_log(name: str, log: Interactions) -> None:
    train, test = SPLITS[name](log)
    assert sorted(rows_of(train) + rows_of(test)) == sorted(rows_of(log))
    assert not set(rows_of(train)) & set(rows_of(test))
    assert (train.n_users, train.n_items, train.scale) == (test.n_users, test.n_items, test.scale)
    assert (log.n_users, log.n_items, log.scale) == (train.n_users, train.n_items, train.scale)


@pytest.mark.parametrize("name", SPLITS)
@settings(max_examples=30, deadline=None)
@given(log=logs())
def test_the_same_call_gives_the_same_parts(name: str, log: Interactions) -> None:
    first, second = SPLITS[name](log), SPLITS[name](log)
    assert first.train.fingerprint() == second.train.fingerprint()
    assert first.test.fingerprint() == second.test.fingerprint()


@pytest.mark.parametrize("name", ["temporal", "leave_last_n", "paper"])
@settings(max_examples=60, deadline=None)
@given(log=logs())
def test_no_user_is_trained_on_the_future(name: str, log: Interactions) -> None:
    train, test = SPLITS[name](log)
    assert train.timestamps is not None
    assert test.timestamps is not None
    for user in range(log.n_users):
        past, future = train.timestamps[train.users == user], test.timestamps[test.users == user]
        assert past.max(initial=-1) <= future.min(initial=10)


@settings(max_examples=60, deadline=None)
@given(log=logs(), share=st.floats(0.01, 0.99))
def test_temporal_split_leaves_each_user_the_share_and_at_least_one_row(log: Interactions, share: float) -> None:
    train, _ = temporal_split(log, share)
    assert (train.counts[log.counts > 0] >= 1).all()
    exact = log.counts * share
    assert (train.counts <= np.maximum(1, np.floor(exact + 1e-6))).all()
    assert (train.counts >= np.floor(exact - 1e-6)).all()


@settings(max_examples=60, deadline=None)
@given(log=logs(), n=st.integers(1, 4))
def test_leave_last_n_takes_n_rows_or_none(log: Interactions, n: int) -> None:
    _, test = leave_last_n_split(log, n)
    assert (test.counts == np.where(log.counts > n, n, 0)).all()


@settings(max_examples=60, deadline=None)
@given(log=logs(), share=st.floats(0.01, 0.99))
def test_one_moment_parts_all_users_in_the_global_split(log: Interactions, share: float) -> None:
    train, test = global_time_split(log, share)
    assert train.timestamps is not None
    assert test.timestamps is not None
    assert train.timestamps.max() < test.timestamps.min(initial=10)
    assert len(train) >= np.floor(share * len(log))


def test_known_answers() -> None:
    log = make_log([(0, 0), (0, 1), (0, 2), (0, 3), (0, 4), (1, 0), (3, 1), (3, 2)], [5, 4, 3, 2, 1, 9, 7, 8])
    train, test = temporal_split(log, 0.6)
    assert train.items.tolist() == [4, 3, 2, 0, 1]
    assert test.items.tolist() == [1, 0, 2]
    assert leave_last_n_split(log, 1).test.items.tolist() == [0, 2]
    assert global_time_split(log, 0.5).test.timestamps is not None
    assert sorted(global_time_split(log, 0.5).test.timestamps.tolist()) == [5, 7, 8, 9]  # type: ignore[union-attr]


def test_a_share_that_is_no_exact_float_still_counts_right() -> None:
    """0.7 of 10 rows is 7, although 10 * 0.7 is below 7 in binary for some shares."""
    log = make_log([(0, j) for j in range(8)] + [(1, 0), (1, 1)], None)
    for kept in range(1, 8):
        assert temporal_split(log, kept / 8).train.counts[0] == kept


def test_without_timestamps_the_source_order_is_time_and_a_global_moment_is_refused() -> None:
    log = make_log([(0, 3), (0, 1), (0, 2)], None)
    assert leave_last_n_split(log, 1).test.items.tolist() == [2]
    with pytest.raises(ValueError, match="needs timestamps"):
        global_time_split(log)


def test_random_split_depends_on_the_generator_and_on_nothing_else() -> None:
    log = make_log([(user, item) for user in range(5) for item in range(8)], None)
    first = random_split(log, 0.8, rng=np.random.default_rng(1))
    assert len(first.test) == 8
    assert first.test.fingerprint() == random_split(log, 0.8, rng=np.random.default_rng(1)).test.fingerprint()
    assert first.test.fingerprint() != random_split(log, 0.8, rng=np.random.default_rng(2)).test.fingerprint()


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, 1.5])
def test_shares_outside_the_open_interval_are_refused(share: float) -> None:
    log = make_log([(0, 0), (0, 1)], [1, 2])
    for split in (temporal_split, global_time_split):
        with pytest.raises(ValueError, match="strictly between 0 and 1"):
            split(log, share)
    with pytest.raises(ValueError, match="strictly between 0 and 1"):
        random_split(log, share, rng=np.random.default_rng(0))


def test_leaving_out_fewer_than_one_row_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        leave_last_n_split(make_log([(0, 0)], [1]), 0)


def grid(*counts: int) -> Interactions:
    """Users with so many rows each, of the items 0, 1, 2, ... in this order."""
    pairs = [(user, item) for user, count in enumerate(counts) for item in range(count)]
    users, items = np.asarray(pairs).T
    return Interactions.from_columns(
        users, items, np.ones(len(pairs)), None, n_users=len(counts), n_items=max(counts), scale=(1.0, 2.0)
    )


def test_the_papers_users_are_parted_by_time_and_all_others_are_known() -> None:
    log = grid(*[150] * 230, 99, 201, 20)
    train, test = paper_split(log, rng=np.random.default_rng(0))
    drawn = np.flatnonzero(test.counts)
    assert len(drawn) == 200
    assert drawn.max() < 230
    assert (train.counts[drawn] == 90).all()
    assert (test.counts[drawn] == 60).all()
    assert test.items.min() == 90
    others = np.setdiff1d(np.arange(log.n_users), drawn)
    assert (train.counts[others] == log.counts[others]).all()


def test_too_few_users_for_the_papers_protocol_are_refused() -> None:
    with pytest.raises(ValueError, match="200 users with 100-200 ratings are needed, and the log has 2"):
        paper_split(grid(100, 200, 201, 99), rng=np.random.default_rng(0))


def test_cold_users_are_known_by_their_first_rows_and_all_others_entirely() -> None:
    log = grid(*[30] * 20, 10, 3)
    train, test = cold_user_split(log, rng=np.random.default_rng(0))
    cold = np.flatnonzero(test.counts)
    assert len(cold) == 4
    assert (train.counts[cold] == 10).all()
    assert test.items.min() == 10
    warm = np.setdiff1d(np.arange(log.n_users), cold)
    assert (train.counts[warm] == log.counts[warm]).all()


def test_cold_users_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="no user has more than 10 rows"):
        cold_user_split(grid(10, 4), rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match="known must be at least 1, got 0"):
        cold_user_split(grid(10, 4), rng=np.random.default_rng(0), known=0)
