"""Negatives are unseen, distinct, and as popular as they are meant to be."""

import numpy as np
import pytest

from personagym_env.data.splits import Split, random_split
from personagym_env.data.tables import Interactions
from personagym_env.evaluation.core.negatives import matched_items, popularity, rows_in_turn, unseen_items
from personagym_env.evaluation.fidelity.fidelity_test import choice_auc

SCALE = (1.0, 2.0, 3.0, 4.0, 5.0)
U, M = 120, 300


@pytest.fixture(scope="module")
def split() -> Split:
    """Users who take items by popularity and by nothing else."""
    rng = np.random.default_rng(0)
    chance = 0.5 * np.exp(-np.arange(M) / 60)
    users, items = np.nonzero(rng.random((U, M)) < chance)
    log = Interactions.from_columns(
        users, items, rng.integers(1, 6, len(users)).astype(float), None, n_users=U, n_items=M, scale=SCALE
    )
    return random_split(log, 0.6, rng=rng)


@pytest.mark.parametrize("draw", [unseen_items, matched_items])
def test_items_are_unseen_distinct_and_repeatable(split: Split, draw: object) -> None:
    users = np.flatnonzero(split.test.counts)
    drawn = draw(split, users, 40, np.random.default_rng(4))
    assert drawn.shape == (len(users), 40)
    assert not split.train.contains(users[:, None], drawn).any()
    assert not split.test.contains(users[:, None], drawn).any()
    assert all(len(set(row)) == 40 for row in drawn)
    np.testing.assert_array_equal(drawn, draw(split, users, 40, np.random.default_rng(4)))
    with pytest.raises(ValueError, match="fewer than 300 unseen"):
        draw(split, users, 300, np.random.default_rng(4))


def test_a_large_catalogue_draws_the_same_of_fewer_users_at_once(split: Split, monkeypatch: pytest.MonkeyPatch) -> None:
    users = np.flatnonzero(split.test.counts)
    at_once = unseen_items(split, users, 9, np.random.default_rng(4))
    monkeypatch.setattr("personagym_env.evaluation.core.negatives.CELLS_AT_ONCE", 3 * M)
    np.testing.assert_array_equal(unseen_items(split, users, 9, np.random.default_rng(4)), at_once)
    assert matched_items(split, users, 9, np.random.default_rng(4)).shape == at_once.shape


def test_popularity_tells_real_items_from_uniform_ones_and_not_from_matched_ones(split: Split) -> None:
    users = np.flatnonzero(split.test.counts)
    positive = popularity(split, split.test.items)

    def auc(items: np.ndarray) -> float:
        area = choice_auc(split.test.users, positive, popularity(split, items), users, U)
        return float(area.resampled(np.ones((1, U)))[0])

    assert auc(unseen_items(split, users, 20, np.random.default_rng(1))) > 0.75
    assert auc(matched_items(split, users, 20, np.random.default_rng(1))) == pytest.approx(0.5, abs=0.06)


def test_rows_in_turn_gives_all_rows_before_any_twice(split: Split) -> None:
    users = np.flatnonzero(split.test.counts)
    rows = rows_in_turn(split.test, users, 30, np.random.default_rng(2))
    for user, mine in zip(users, rows, strict=True):
        assert (split.test.users[mine] == user).all()
        count = split.test.counts[user]
        assert len(set(mine[:count])) == min(count, 30)
