"""Sessions cut from logs, and what users felt in them."""

import numpy as np
import pytest

from personagym_env.data.tables import Dataset, Interactions
from personagym_env.session.cuts import cut_sessions, exposure_before, satisfaction_after

SCALE = (1.0, 2.0, 3.0, 4.0, 5.0)


def log_of(users: list[int], ratings: list[float], minutes: list[float]) -> Interactions:
    n = len(users)
    times = (np.array(minutes) * 60).astype(np.int64)
    items = np.arange(n)
    return Interactions.from_columns(
        np.array(users), items, np.array(ratings), times, n_users=max(users) + 1, n_items=n, scale=SCALE
    )


def test_a_pause_longer_than_the_gap_or_another_user_begins_a_session() -> None:
    log = log_of([0, 0, 0, 0, 1, 1], [3.0] * 6, [0, 30, 60.5, 61, 61.5, 62])
    sessions = cut_sessions(log, 30)
    np.testing.assert_array_equal(sessions.first, [0, 2, 4])
    np.testing.assert_array_equal(sessions.length, [2, 2, 2])
    np.testing.assert_array_equal(sessions.position, [1, 2, 1, 2, 1, 2])
    np.testing.assert_array_equal(sessions.last, [False, True, False, True, False, True])
    np.testing.assert_array_equal(sessions.censored, [False, False, False, True, False, True])
    np.testing.assert_array_equal(sessions.opening, [True, True, False, False, True, True])
    np.testing.assert_array_equal(sessions.telling, [False, False, True, False, False, False])


def test_satisfaction_follows_each_session_on_its_own() -> None:
    sessions = cut_sessions(log_of([0, 0, 0, 1], [3.0] * 4, [0, 1, 100, 100]))
    after = satisfaction_after(np.array([1.0, 0.0, 1.0, 0.0]), sessions, 0.5, 0.5)
    np.testing.assert_allclose(after, [0.75, 0.375, 0.75, 0.25])


def test_exposure_is_what_the_kernel_remembers_before_each_moment() -> None:
    """Genre 0 for even items; rows 1 and 2 come in one second, row 4 opens another session."""
    log = log_of([0] * 5, [3.0] * 5, [0, 1, 1, 2, 100])
    share = np.eye(2, dtype=np.float32)[np.arange(5) % 2]
    before = exposure_before(log, cut_sessions(log), share, 0.5)
    np.testing.assert_allclose(before, [[0, 0], [1, 0], [1, 0], [0.25 + 1, 0.5], [0, 0]])


@pytest.mark.parametrize("gap", [0.0, -1.0, float("nan")])
def test_a_gap_must_be_positive(dataset: Dataset, gap: float) -> None:
    with pytest.raises(ValueError, match="gap_minutes"):
        cut_sessions(dataset.interactions, gap)
