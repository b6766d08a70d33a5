"""Replay: no row is expected by what has read it, and picks by rows that users lack are worth more than they say."""

import numpy as np
import pytest

from personagym_env.data.tables import Interactions
from personagym_env.evaluation.agreement.replay import Corrected, Replay, surplus
from personagym_env.evaluation.core.statistics import RatioOfSums

USERS, ROWS, ITEMS = 30, 12, 20
WEIGHTS = np.ones((1, USERS))


def make_log(*, raised: int | None = None) -> Interactions:
    """Ratings that nothing tells, one of them raised by a point."""
    rng = np.random.default_rng(0)
    items = np.concatenate([rng.choice(ITEMS, ROWS, replace=False) for _ in range(USERS)])
    ratings = rng.integers(1, 5, USERS * ROWS).astype(np.float32)
    if raised is not None:
        ratings[raised] += 1
    people = np.repeat(np.arange(USERS), ROWS)
    return Interactions.from_columns(
        people, items, ratings, None, n_users=USERS, n_items=ITEMS, scale=(1.0, 2.0, 3.0, 4.0, 5.0)
    )


def test_no_row_is_expected_by_what_has_read_it() -> None:
    before = surplus(make_log())
    for row in (0, 100, USERS * ROWS - 1):
        assert surplus(make_log(raised=row))[row] - before[row] == pytest.approx(1.0)
    assert surplus(make_log().take(np.array([0]))).tolist() == [0.0]


def test_picks_that_users_cannot_tell_apart_are_told_apart() -> None:
    log = make_log()
    replay = Replay.of(log)
    assert (replay.pool.k, len(replay.pool.users)) == (5, USERS)
    told = log.ratings.reshape(USERS, ROWS)
    best, any_five = (
        np.take_along_axis(log.items.reshape(USERS, ROWS), order[:, :5], axis=1)
        for order in (
            np.argsort(-told, axis=1),
            np.random.default_rng(1).permuted(np.tile(np.arange(ROWS), (USERS, 1)), axis=1),
        )
    )
    said = RatioOfSums(np.full(USERS, 3.0), np.ones(USERS))
    clairvoyant, chance = (replay.correct(said, picks).resampled(WEIGHTS)[0] for picks in (best, any_five))
    assert clairvoyant > 3.5
    assert chance == pytest.approx(3.0, abs=0.2)
    assert replay.value(best).resampled(WEIGHTS)[0] == pytest.approx(-np.sort(-told, axis=1)[:, :5].mean())


def test_a_resample_without_known_rows_leaves_what_is_said() -> None:
    said = RatioOfSums(np.array([4.0, 2.0]), np.ones(2))
    known = RatioOfSums(np.array([0.5, 0.0]), np.array([1.0, 0.0]))
    assert Corrected(said, known).resampled(np.array([[1.0, 1.0], [0.0, 2.0]])).tolist() == [3.5, 2.0]
