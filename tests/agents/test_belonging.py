"""What belongs to a user's consumption: known answers on two separate tastes, and what order changes."""

import numpy as np
import pytest

from personagym_agents.belonging import READINGS, Histories, fit_belonging
from personagym_env.data.tables import Interactions

FAMILIAR, LATELY, LATENT = range(len(READINGS))


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


def test_items_of_the_own_taste_belong(two_tastes: Interactions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("personagym_agents.belonging._RANK", 2)
    readings = fit_belonging(two_tastes).readings(Histories(two_tastes, np.array([2, 3])))
    for user, own in ((0, slice(0, 10)), (1, slice(10, 20))):
        other = slice(10, 20) if user == 0 else slice(0, 10)
        for reading in range(len(READINGS)):
            assert readings[user, own, reading].min() > readings[user, other, reading].max()


def test_lately_follows_the_latest_items_and_familiar_all(
    two_tastes: Interactions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("personagym_agents.belonging.RECENT", 2.0)
    crossing = fit_belonging(two_tastes).readings(Histories(two_tastes, np.array([0])))[0]
    unseen = {"early": slice(4, 10), "late": slice(14, 20)}
    lead = {
        reading: crossing[unseen["late"], reading].mean() - crossing[unseen["early"], reading].mean()
        for reading in (FAMILIAR, LATELY)
    }
    assert abs(lead[FAMILIAR]) < 0.3
    assert lead[LATELY] > 1.0


def test_a_history_can_be_cut_short(two_tastes: Interactions) -> None:
    model = fit_belonging(two_tastes)
    half = model.readings(Histories(two_tastes, np.array([0]), np.array([4])))[0]
    assert (half[4:10, FAMILIAR] > half[14:20, FAMILIAR].max()).all(), "only the first taste is known"
    nothing = model.readings(Histories(two_tastes, np.array([0, 3]), np.array([0, 0])))
    np.testing.assert_array_equal(nothing[0], nothing[1])
    assert np.isfinite(nothing).all()


def test_a_log_without_rows_is_refused(two_tastes: Interactions) -> None:
    with pytest.raises(ValueError, match="without rows"):
        fit_belonging(two_tastes.take(np.zeros(len(two_tastes), np.bool_)))
