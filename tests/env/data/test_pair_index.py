"""The index of pairs against a plain search."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from personagym_env.data.pair_index import PairIndex

N_USERS, N_ITEMS = 6, 7
pairs_strategy = st.lists(st.tuples(st.integers(0, N_USERS - 1), st.integers(0, N_ITEMS - 1)), unique=True)


@settings(max_examples=60, deadline=None)
@given(pairs=pairs_strategy)
def test_every_pair_is_found_in_its_row_and_no_other_is_found(pairs: list[tuple[int, int]]) -> None:
    columns = np.array(pairs, np.int64).reshape(-1, 2)
    index = PairIndex(*columns.T, N_ITEMS)
    users, items = np.arange(N_USERS)[:, None], np.arange(N_ITEMS)
    expected = np.full((N_USERS, N_ITEMS), -1)
    for row, pair in enumerate(pairs):
        expected[pair] = row
    np.testing.assert_array_equal(index.rows(users, items), expected)
    np.testing.assert_array_equal(index.contains(users, items), expected >= 0)
    assert len(index) == len(pairs)


@pytest.mark.filterwarnings("error")
def test_single_numbers_do() -> None:
    index = PairIndex(np.array([0, 2**20]), np.array([3, 5]), 2**20)
    assert bool(index.contains(np.int64(2**20), np.int64(5)))
    assert not index.contains(np.int64(2**20), np.int64(3))
    assert index.rows(np.int64(0), np.int64(3)) == 0
