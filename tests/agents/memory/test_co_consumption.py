"""What belongs to a user's consumption: known answers on two separate tastes, and what order changes."""

import numpy as np
import pytest

from personagym_agents.memory.co_consumption import READINGS, CoConsumptionSettings, Histories, fit_co_consumption
from personagym_env.data.tables import Interactions

LATELY, NEXT, LATENT = range(len(READINGS))


@pytest.fixture
def two_tastes() -> Interactions:
    """20 users of items 0 to 9, 20 users of items 10 to 19; the first user crosses over halfway."""
    rng = np.random.default_rng(0)
    rows = [(user, item) for user in range(1, 40) for item in rng.permutation(10)[:8] + 10 * (user % 2)]
    rows += [(0, item) for item in (0, 1, 2, 3, 10, 11, 12, 13)]
    users, items = np.array(sorted(rows, key=lambda row: row[0])).T
    return Interactions.from_columns(
        users, items, np.ones(len(users)), np.arange(len(users)) * 1000, n_users=40, n_items=20, scale=(1.0, 2.0)
    )


def test_items_of_the_own_taste_belong(two_tastes: Interactions) -> None:
    readings = fit_co_consumption(two_tastes, CoConsumptionSettings(rank=2)).readings(
        Histories(two_tastes, np.array([2, 3]))
    )
    for user, own in ((0, slice(0, 10)), (1, slice(10, 20))):
        other = slice(10, 20) if user == 0 else slice(0, 10)
        for reading in range(len(READINGS)):
            assert readings[user, own, reading].min() > readings[user, other, reading].max()


def test_lately_and_next_follow_the_latest_items_and_latent_all(two_tastes: Interactions) -> None:
    settings = CoConsumptionSettings(recent=2.0, last=2.0, rank=2)
    histories = Histories(two_tastes, np.array([0]), settings=settings)
    crossing = fit_co_consumption(two_tastes, settings).readings(histories)[0]
    unseen = {"early": slice(4, 10), "late": slice(14, 20)}
    lead = {
        reading: crossing[unseen["late"], reading].mean() - crossing[unseen["early"], reading].mean()
        for reading in (LATELY, NEXT, LATENT)
    }
    assert abs(lead[LATENT]) < 0.3
    assert lead[LATELY] > 1.0
    assert lead[NEXT] > 1.0


def test_next_tells_what_comes_after_from_what_comes_before() -> None:
    users, places = np.divmod(np.arange(12 * 30), 30)
    log = Interactions.from_columns(
        users, places, np.ones(len(users)), np.arange(len(users)) * 1000, n_users=12, n_items=30, scale=(1.0, 2.0)
    )
    readings = fit_co_consumption(log).readings(Histories(log, np.array([0]), np.array([15])))[0]
    later = readings[15:, NEXT]
    assert (np.diff(later) < 0).all(), "the sooner after the history an item came, the more it is next"
    assert readings[0, NEXT] < later.min(), "nothing came before the first item"


def test_a_follower_of_another_user_is_none() -> None:
    """Users lie one after the other in a log: the last row of one and the first of the next are no pair."""
    users, items = np.array([0, 0, 1, 1]), np.array([0, 1, 2, 3])
    log = Interactions.from_columns(
        users, items, np.ones(4), np.arange(4) * 1000, n_users=2, n_items=4, scale=(1.0, 2.0)
    )
    followers = fit_co_consumption(log).followers.toarray()
    assert set(zip(*(np.nonzero(followers)), strict=True)) == {(0, 1), (2, 3)}
    assert followers[0, 1] == pytest.approx(1 / (1 + 10))


def test_a_history_can_be_cut_short(two_tastes: Interactions) -> None:
    model = fit_co_consumption(two_tastes)
    half = model.readings(Histories(two_tastes, np.array([0]), np.array([4])))[0]
    assert (half[4:10, LATELY] > half[14:20, LATELY].max()).all(), "only the first taste is known"
    nothing = model.readings(Histories(two_tastes, np.array([0, 3]), np.array([0, 0])))
    np.testing.assert_array_equal(nothing[0], nothing[1])
    assert np.isfinite(nothing).all()


def test_a_log_without_rows_is_refused(two_tastes: Interactions) -> None:
    with pytest.raises(ValueError, match="without rows"):
        fit_co_consumption(two_tastes.take(np.zeros(len(two_tastes), np.bool_)))
