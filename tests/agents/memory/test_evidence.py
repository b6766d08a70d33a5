"""Memory: what is recalled comes from training rows, and every level has its word."""

import numpy as np
import pytest

from personagym_agents.classical.rating_evidence import EVIDENCE_COLUMNS
from personagym_agents.memory.evidence import Memory, field_words, rating_levels, recalled_numbers
from personagym_env.data.splits import Split


def test_recollections_point_at_words(small_split: Split, small_memory: Memory) -> None:
    words = field_words()
    levels = small_memory.recall(np.arange(small_split.train.n_users))
    assert levels.shape == (small_split.train.n_users, small_split.train.n_items, len(words))
    assert (levels.reshape(-1, len(words)).max(axis=0) < [len(field) for field in words]).all()
    assert words[0][0] == words[0][40] == " expected 1.00;"
    assert words[0][41] == " expected 1.05;"
    assert words[0][-1] == words[0][120] == " expected 5.00;"
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


def test_expectations_beyond_the_levels_are_known_and_told_as_the_nearest() -> None:
    """The best rating of a log may stand for more than the highest level, and the worst for less than the lowest."""
    expected = np.array([-0.3, 0.98, 3.02, 5.4, 9.0])
    evidence = np.zeros((5, len(EVIDENCE_COLUMNS)), np.float32)
    codes = rating_levels(evidence, lambda columns: expected)  # type: ignore[arg-type]
    recalled = recalled_numbers(np.concatenate([codes, np.zeros((5, 3), np.uint8)], axis=1))
    np.testing.assert_allclose(recalled.expected, [-0.3, 1.0, 3.0, 5.4, 7.0], atol=1e-5)
    told = [field_words()[0][code] for code in codes[:, 0]]
    assert told == [f" expected {value};" for value in ("1.00", "1.00", "3.00", "5.00", "5.00")]
