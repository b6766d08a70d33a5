"""Uniformity, independence and reproducibility of the counter-based streams."""

import numpy as np
import pytest
from scipy import stats

from personagym_env.session.random import Stream, gumbel, splitmix64, uniform, uniform_columns

N = 20_000
KEYS = np.random.default_rng(3).integers(2**63, size=N, dtype=np.uint64)
ZERO = np.zeros(N, np.int64)


def draw(stream: Stream = Stream.CHOICE, *, episode: int = 0, step: int = 0, counter: int = 0) -> np.ndarray:
    return uniform(KEYS, ZERO + episode, ZERO + step, stream, np.array([[counter]]))[:, 0]


def test_splitmix64_gives_the_published_outputs_of_seed_1234567() -> None:
    expected = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431]
    outputs = splitmix64(np.array([1234567], np.uint64), np.arange(4, dtype=np.uint64))
    np.testing.assert_array_equal(outputs, np.array(expected, np.uint64))


@pytest.mark.parametrize("stream", Stream)
def test_numbers_over_rows_are_uniform(stream: Stream) -> None:
    assert stats.kstest(draw(stream), "uniform").pvalue > 1e-3


@pytest.mark.parametrize("axis", ["episode", "step", "counter"])
def test_numbers_along_one_key_are_uniform(axis: str) -> None:
    key, zero, many = np.full(N, 42, np.uint64), np.zeros(N, np.int64), np.arange(N)
    where = {"episode": (many, zero, zero), "step": (zero, many, zero), "counter": (zero, zero, many)}[axis]
    numbers = uniform(key, where[0], where[1], Stream.RATING, where[2][:, None])[:, 0]
    assert stats.kstest(numbers, "uniform").pvalue > 1e-3
    assert abs(np.corrcoef(numbers[1:], numbers[:-1])[0, 1]) < 4 / np.sqrt(N)


@pytest.mark.parametrize(
    "other",
    [{"stream": Stream.OUTSIDE}, {"episode": 1}, {"step": 1}, {"counter": 1}, {"episode": 1, "step": 1}],
    ids=str,
)
def test_different_places_of_use_are_independent(other: dict[str, int]) -> None:
    pair = np.floor(np.stack([draw(), draw(**other)]) * 8).astype(int)
    table = np.zeros((8, 8))
    np.add.at(table, (pair[0], pair[1]), 1)
    assert stats.chi2_contingency(table).pvalue > 1e-3


def test_numbers_do_not_depend_on_the_batch() -> None:
    counter = np.arange(30).reshape(3, 10)
    key, episode, step = KEYS[:3], np.array([0, 1, 2]), np.array([5, 6, 7])
    together = uniform(key, episode, step, Stream.CHOICE, counter)
    for i in (2, 0, 1):
        alone = uniform(key[i : i + 1], episode[i : i + 1], step[i : i + 1], Stream.CHOICE, counter[i : i + 1])
        np.testing.assert_array_equal(alone[0], together[i])
    shared = uniform(key, episode, step, Stream.CHOICE, counter[:1])
    np.testing.assert_array_equal(shared[0], together[0])


def test_streams_side_by_side_say_what_each_says_alone() -> None:
    counter = np.arange(12).reshape(3, 4)
    key, episode, step = KEYS[:3], np.array([0, 1, 2]), np.array([5, 6, 7])
    streams = ((Stream.CHOICE, 3), (Stream.LEAVING, 1))
    together = uniform_columns(key, episode, step, streams, counter.astype(np.uint64))
    np.testing.assert_array_equal(together[:, :3], uniform(key, episode, step, Stream.CHOICE, counter[:, :3]))
    np.testing.assert_array_equal(together[:, 3:], uniform(key, episode, step, Stream.LEAVING, counter[:, 3:]))


def test_the_largest_and_smallest_bits_stay_inside_the_open_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    for bits in (0, 2**64 - 1):
        monkeypatch.setattr(
            "personagym_env.session.random.splitmix64", lambda seed, index, bits=bits: np.full((1, 1), bits, np.uint64)
        )
        number = uniform(KEYS[:1], ZERO[:1], ZERO[:1], Stream.USER, ZERO[:1, None])
        assert 0 < number[0, 0] < 1
        assert np.isfinite(gumbel(number)).all()


def test_gumbel_numbers_are_gumbel() -> None:
    assert stats.kstest(gumbel(draw()), stats.gumbel_r.cdf).pvalue > 1e-3
