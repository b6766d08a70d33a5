"""Memory: what is recalled comes from training rows, and a row's own recollection never from the row itself."""

import numpy as np
import pytest

from personagym_agents.memory import Memory, field_words, recall_own_rows
from personagym_env.data.splits import Split
from personagym_env.data.tables import Interactions


def with_rating(log: Interactions, row: int, rating: float) -> Interactions:
    ratings = log.ratings.copy()
    ratings[row] = rating
    return type(log)(log.users, log.items, ratings, log.timestamps, log.n_users, log.n_items, log.scale)


def test_a_row_is_recalled_without_its_own_rating(small_split: Split) -> None:
    """Two logs that differ in one rating recall that row alike, and the memory of new pairs differently."""
    log = small_split.train
    logs = [with_rating(log, 5, rating) for rating in (1.0, 5.0)]
    own = [recall_own_rows(each, np.random.default_rng(1)) for each in logs]
    np.testing.assert_array_equal(own[0][5], own[1][5])
    assert (own[0] != own[1]).any(), "the rating counts for other rows"
    user = np.array([log.users[5]])
    low, high = (
        Memory(each, codes).recall(user)[0, log.items[5], :2].astype(int) for each, codes in zip(logs, own, strict=True)
    )
    assert (low < high).all(), "the whole memory knows the rating"


def test_recollections_point_at_words(small_split: Split, small_memory: Memory) -> None:
    words = field_words(small_split.train.scale)
    levels = small_memory.recall(np.arange(small_split.train.n_users))
    assert levels.shape == (small_split.train.n_users, small_split.train.n_items, len(words))
    for codes in (levels.reshape(-1, len(words)), small_memory.own):
        assert (codes.max(axis=0) < [len(field) for field in words]).all()
    assert words[0][0] == " akin 1;"
    assert words[1][-1] == " peers 5;"


def test_recall_without_a_table_is_the_same(
    small_split: Split, small_memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("personagym_agents.memory._TABLE_BYTES", 0)
    users = np.array([3, 1, 3])
    bare = Memory(small_split.train, small_memory.own)
    np.testing.assert_array_equal(bare.recall(users), small_memory.recall(users))


def test_recollections_of_another_log_are_refused(small_split: Split, small_memory: Memory) -> None:
    with pytest.raises(ValueError, match="need shape"):
        Memory(small_split.train, small_memory.own[1:])
