"""What texts say of items: of rated ones what their means leave, of others what they mean."""

import numpy as np
import pytest

from personagym_agents.classical.item_text import text_offsets
from personagym_env.data.tables import Catalogue, FloatArray, IntArray

N_ITEMS, UNRATED, ROWS = 60, 20, 12
WORDS = ("splendid", "dreadful", "plain")
TRUE = np.array([1.0, -1.0, 0.0])
KIND = np.arange(N_ITEMS) % 3
ITEMS = np.repeat(np.arange(N_ITEMS - UNRATED), ROWS)


def catalogue(words: tuple[str, ...]) -> Catalogue:
    titles = tuple(f"{words[kind]} film of {number}" for number, kind in enumerate(KIND))
    return Catalogue(titles, titles, np.zeros(N_ITEMS, np.int64), (), np.zeros((N_ITEMS, 0), np.bool_))


def item_bias(noise: float) -> FloatArray:
    return np.asarray(TRUE[KIND] + np.random.default_rng(0).normal(0, noise, N_ITEMS))


def offsets(words: tuple[str, ...], bias: FloatArray, items: IntArray = ITEMS) -> FloatArray:
    return np.asarray(text_offsets(catalogue(words), items, np.zeros(len(items)), bias), np.float64)


def test_texts_tell_the_bias_of_items_without_ratings() -> None:
    found = offsets(WORDS, item_bias(0.1))
    np.testing.assert_allclose(found[-UNRATED:], TRUE[KIND][-UNRATED:], atol=0.3)
    np.testing.assert_array_equal(found[:-UNRATED], 0)  # the means of rated ones leave nothing


def test_texts_that_tell_nothing_say_little() -> None:
    words = tuple(np.random.default_rng(1).permutation(N_ITEMS).astype(str))
    names = Catalogue(words, words, np.zeros(N_ITEMS, np.int64), (), np.zeros((N_ITEMS, 0), np.bool_))
    found = text_offsets(names, ITEMS, np.zeros(len(ITEMS)), item_bias(0.1))
    assert np.std(found[-UNRATED:]) < 0.1 * np.std(TRUE[KIND])


@pytest.mark.parametrize("item", [0, 1])
def test_nothing_is_read_off_the_own_ratings(item: int) -> None:
    residual = np.random.default_rng(2).normal(size=len(ITEMS))
    changed = np.where(item == ITEMS, -residual, residual)
    one, other = (text_offsets(catalogue(WORDS), ITEMS, values, np.zeros(N_ITEMS)) for values in (residual, changed))
    assert one[item] == other[item]
    assert not np.allclose(one, other)


def test_a_log_in_which_everything_is_rated_reads_no_bias() -> None:
    everything = np.repeat(np.arange(N_ITEMS), ROWS)
    np.testing.assert_array_equal(offsets(WORDS, item_bias(1.0), everything), 0)
