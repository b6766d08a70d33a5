"""The conformance suite of stochastic recommenders: run it on your own, besides that of the `Recommender` seam.

>>> from personagym_env.conformance.stochastic import check_stochastic
>>> def test_my_propensities_are_right() -> None:
...     check_stochastic(MyStochasticRecommender(), log, catalogue)
"""

from itertools import permutations

import numpy as np

from personagym_env.conformance.recommender import check_recommender, check_shape, draw_observation
from personagym_env.data.tables import BoolArray, Catalogue, FloatArray, IntArray, Interactions
from personagym_env.protocols import LoggingRecommender, Observation, Propensities, StochasticRecommender, rows_of
from personagym_env.session.random import UIntArray

DRAWS = 20_000
"""Slates whose frequencies are held against the propensities."""
WIDEST = 5.0
"""Standard errors that a frequency may lie away from its propensity; one in a million does by chance."""
EXACT = 1e-5
"""How far sums of propensities may be off where nothing was estimated."""


def check_stochastic(
    recommender: StochasticRecommender,
    log: Interactions,
    catalogue: Catalogue,
    *,
    k: int = 3,
    rng: np.random.Generator | None = None,
) -> None:
    """Fit the recommender and check that its propensities are probabilities, and those of its draws.

    Args:
        recommender: fitted here, on the whole log.
        log: training rows, as `check_recommender` needs them.
        catalogue: the log's items.
        k: places of the slates that are asked for, at least 2.
        rng: draws users, sessions and luck; a generator seeded with 0 if None.

    Raises:
        AssertionError: a promise is broken; the message says which.
        ValueError: the log is too small or too full for the suite.
    """
    rng = np.random.default_rng(0) if rng is None else rng
    check_recommender(recommender, log, catalogue, k=k, rng=rng)
    assert isinstance(recommender, StochasticRecommender), f"{type(recommender).__name__} lacks draw or propensities"
    users = rng.choice(np.flatnonzero(log.n_items - log.counts >= 2 * k + 2), 5)
    observation = draw_observation(log, catalogue, users, rng)
    _check_draws(recommender, log, observation, k, rng)
    _check_batches(recommender, observation, k, rng)
    pool = np.argsort(rng.random((len(users), log.n_items)), axis=1) < k + 1
    _check_sums(recommender, observation, pool, k)
    _check_frequencies(recommender, rows_of(observation, slice(0, 1)), pool[:1], k, rng)
    if isinstance(recommender, LoggingRecommender):
        _check_both_in_one_go(recommender, observation, k, rng)


def _keys(n: int, rng: np.random.Generator) -> UIntArray:
    return rng.integers(np.iinfo(np.uint64).max, size=n, dtype=np.uint64, endpoint=True)


def _check_draws(
    recommender: StochasticRecommender, log: Interactions, observation: Observation, k: int, rng: np.random.Generator
) -> None:
    n = len(observation["user"])
    slates = recommender.draw(observation, k, _keys(n, rng))
    check_shape(slates, k, log.n_items)
    rated = log.contains(observation["user"][:, None], slates)
    assert not rated.any(), "without candidates, items of the user's training rows must not be drawn"
    consumed = (slates[:, :, None] == observation["history_items"][:, None, :]).any()
    assert not consumed, "without candidates, items consumed in this session must not be drawn"
    found = recommender.propensities(observation, slates)
    _check_values(found, n, k)
    assert (found.joint > 0).all(), "a slate that was drawn must have a propensity above 0"
    used = observation["history_items"].max(axis=1)
    slates[used >= 0, -1] = used[used >= 0]
    impossible = recommender.propensities(observation, slates).joint[used >= 0]
    assert (impossible == 0).all(), "a slate with an item that was consumed in this session must have propensity 0"


def _check_values(found: Propensities, n: int, k: int) -> None:
    shapes = [np.shape(part) for part in found]
    assert shapes == [(n,), (n, k), (n, k), (n, k)], f"propensities have shapes {shapes}"
    for name, part in found._asdict().items():
        assert np.isfinite(part).all(), f"{name} must be finite"
        assert (part >= 0).all(), f"{name} must be at least 0"
        assert (part <= 1 + EXACT).all(), f"{name} must be at most 1, got {part.max()}"
    assert np.array_equal(found.prefix[:, -1], found.joint), "the last prefix must be the joint propensity"
    assert (np.diff(found.prefix, axis=1) <= EXACT).all(), "a longer prefix must not be more probable"
    loose = EXACT + WIDEST * found.marginal_error
    assert (np.abs(found.prefix[:, 0] - found.marginal[:, 0]) <= loose[:, 0]).all(), (
        "the first prefix must be the first place's marginal"
    )
    assert (found.marginal + loose >= found.prefix).all(), "a marginal must not be below the prefix that it is part of"


def _check_batches(
    recommender: StochasticRecommender, observation: Observation, k: int, rng: np.random.Generator
) -> None:
    keys = _keys(len(observation["user"]), rng)
    whole = recommender.draw(observation, k, keys)
    assert np.array_equal(whole, recommender.draw(observation, k, keys)), "the same keys must draw the same slates"
    turned = recommender.draw(rows_of(observation, slice(None, None, -1)), k, keys[::-1])
    assert np.array_equal(turned[::-1], whole), "a row must draw the same slate at any place of a batch"
    together = recommender.propensities(observation, whole)
    for i in range(len(keys)):
        row = rows_of(observation, slice(i, i + 1))
        alone = recommender.draw(row, k, keys[i : i + 1])
        assert np.array_equal(alone, whole[i : i + 1]), "a row must draw the same slate alone as in a batch"
        same = np.allclose(recommender.propensities(row, alone).joint, together.joint[i], rtol=1e-6)
        assert same, "a row must have the same propensity alone as in a batch"


def _check_both_in_one_go(
    recommender: LoggingRecommender, observation: Observation, k: int, rng: np.random.Generator
) -> None:
    keys = _keys(len(observation["user"]), rng)
    slates, told = recommender.draw_with_propensities(observation, k, keys)
    drawn = recommender.draw(observation, k, keys)
    assert np.array_equal(slates, drawn), "draw_with_propensities must draw what draw does"
    for name, one, other in zip(told._fields, told, recommender.propensities(observation, slates), strict=True):
        assert np.allclose(one, other, rtol=1e-6), f"draw_with_propensities must tell the same {name}"


def _all_slates(pool: BoolArray, k: int) -> IntArray:
    """(s, k) every ordered slate of the items in a pool (m,)."""
    return np.array(list(permutations(np.flatnonzero(pool).tolist(), k)), np.int64)


def _repeated(observation: Observation, n: int) -> Observation:
    return rows_of(observation, np.zeros(n, np.int64))


def _check_sums(recommender: StochasticRecommender, observation: Observation, pool: BoolArray, k: int) -> None:
    for i in range(len(pool)):
        slates = _all_slates(pool[i], k)
        rows = _repeated(rows_of(observation, slice(i, i + 1)), len(slates))
        found = recommender.propensities(rows, slates, np.repeat(pool[i : i + 1], len(slates), axis=0))
        _check_values(found, len(slates), k)
        total = found.joint.sum()
        assert abs(total - 1) <= EXACT, f"the joint propensities of all slates must sum to 1, got {total}"
        for place in range(k):
            same = (slates[:, None, : place + 1] == slates[None, :, : place + 1]).all(axis=2)
            expected = same.astype(np.float64) @ found.joint
            assert np.abs(expected - found.prefix[:, place]).max() <= EXACT, (
                f"the prefix up to place {place} must be the sum of the slates that begin so"
            )
            same = slates[:, None, place] == slates[None, :, place]
            off = np.abs(same.astype(np.float64) @ found.joint - found.marginal[:, place])
            assert (off <= EXACT + WIDEST * found.marginal_error[:, place]).all(), (
                f"the marginal of place {place} must be the sum of the slates that have the item there"
            )


def _check_frequencies(
    recommender: StochasticRecommender, observation: Observation, pool: BoolArray, k: int, rng: np.random.Generator
) -> None:
    slates = _all_slates(pool[0], k)
    found = recommender.propensities(
        _repeated(observation, len(slates)), slates, np.repeat(pool, len(slates), axis=0)
    ).joint
    candidates = np.broadcast_to(pool, (DRAWS, pool.shape[1]))
    drawn = recommender.draw(_repeated(observation, DRAWS), k, _keys(DRAWS, rng), candidates)
    base = pool.shape[1] ** np.arange(k)
    codes, order = slates @ base, np.argsort(slates @ base)
    place = order[np.searchsorted(codes[order], drawn @ base)]
    off = _standard_errors(np.bincount(place, minlength=len(slates)), found)
    worst = int(np.argmax(off))
    assert off[worst] <= WIDEST, (
        f"slate {slates[worst].tolist()} was drawn {(place == worst).mean():.4f} of the time, its propensity is "
        f"{found[worst]:.4f}"
    )


def _standard_errors(counts: IntArray, propensity: FloatArray) -> FloatArray:
    """(s,) how far each frequency lies from its propensity; an event that cannot happen may not."""
    spread = np.sqrt(DRAWS * propensity * (1 - propensity))
    off = np.abs(counts - DRAWS * propensity)
    return np.where(spread > 1e-6, off / np.maximum(spread, 1e-6), np.where(off > 0.5, np.inf, 0.0))
