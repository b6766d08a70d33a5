"""Memory: what is recalled comes from training rows, and every level has its word."""

import numpy as np
import pytest

from personagym_agents.memory.evidence import Memory, field_words
from personagym_env.data.splits import Split


def test_recollections_point_at_words(small_split: Split, small_memory: Memory) -> None:
    words = field_words()
    levels = small_memory.recall(np.arange(small_split.train.n_users))
    assert levels.shape == (small_split.train.n_users, small_split.train.n_items, len(words))
    assert (levels.reshape(-1, len(words)).max(axis=0) < [len(field) for field in words]).all()
    assert words[0][0] == " expected 1.00;"
    assert words[0][-1] == " expected 5.00;"
    assert words[1][4] == " support 4;"
    assert words[3][16] == " lately 16;"


def test_recall_without_a_table_is_the_same(
    small_split: Split, small_memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("personagym_agents.memory.evidence._TABLE_BYTES", 0)
    users = np.array([3, 1, 3])
    bare = Memory(small_split.train, small_memory.evidence)
    np.testing.assert_array_equal(bare.recall(users), small_memory.recall(users))


def test_a_memory_of_nothing_is_refused(small_split: Split) -> None:
    with pytest.raises(ValueError, match="evidence, reasons or both"):
        Memory(small_split.train, None)
