"""The conformance suite of the `Recommender` seam: run it on your own recommender.

>>> from personagym_env.conformance.recommender import check_recommender
>>> def test_my_recommender_conforms() -> None:
...     check_recommender(MyRecommender(), log, catalogue)
"""

import tempfile
from collections.abc import Iterator

import numpy as np

from personagym_env.data.tables import BoolArray, Catalogue, IntArray, Interactions
from personagym_env.data.traits import profile_features, user_traits
from personagym_env.protocols import NO_ITEM, Observation, Recommender, rows_of

ROWS = 5
"""Users that the suite asks about at once."""
HISTORY = 4
"""Places of the session history that the suite shows."""


def check_recommender(
    recommender: Recommender,
    log: Interactions,
    catalogue: Catalogue,
    *,
    k: int = 3,
    rng: np.random.Generator | None = None,
) -> None:
    """Fit the recommender and check everything that the protocol promises.

    Args:
        recommender: fitted here, on the whole log.
        log: training rows; at least one user must have left 2k + 2 items unconsumed.
        catalogue: the log's items.
        k: places of the slates that are asked for.
        rng: draws users and sessions; a generator seeded with 0 if None.

    Raises:
        AssertionError: a promise is broken; the message says which.
        ValueError: the log is too small or too full for the suite.
    """
    rng = np.random.default_rng(0) if rng is None else rng
    users = np.flatnonzero(log.n_items - log.counts >= 2 * k + HISTORY // 2)
    if not len(users):
        raise ValueError(
            f"no user has left {2 * k + HISTORY // 2} of {log.n_items} items; the suite needs that for k = {k}"
        )
    assert isinstance(recommender, Recommender), f"{type(recommender).__name__} lacks a member of the protocol"
    assert recommender.name, "name must not be empty"
    assert isinstance(recommender.name, str), f"name must be text, got {type(recommender.name).__name__}"
    fingerprint = log.fingerprint()
    assert recommender.fit(log, catalogue) is recommender, "fit must return the recommender itself"
    assert log.fingerprint() == fingerprint, "fit must not change the log"

    observation = draw_observation(log, catalogue, rng.choice(users, ROWS), rng)
    _check_purity(recommender, observation, k)
    _check_slates(recommender, log, observation, k)
    _check_candidates(recommender, observation, k, log.n_items, rng)
    _check_independence(recommender, observation, k)
    _check_shortage(recommender, observation, k, log.n_items)
    _check_saving(recommender, observation, k)


def draw_observation(log: Interactions, catalogue: Catalogue, users: IntArray, rng: np.random.Generator) -> Observation:
    """The users in mid-session: the first half of the places is padding, the rest is consumed, with one step empty."""
    items = np.full((len(users), HISTORY), NO_ITEM, np.int64)
    for row, user in enumerate(users):
        fresh = np.setdiff1d(np.arange(log.n_items), log.items[log.indptr[user] : log.indptr[user + 1]])
        items[row, HISTORY // 2 :] = rng.choice(fresh, HISTORY - HISTORY // 2, replace=False)
    items[0, -1] = NO_ITEM
    ratings = np.where(items == NO_ITEM, 0, rng.choice(log.scale, items.shape)).astype(np.float32)
    profile = profile_features(user_traits(log, catalogue))[users]
    step = np.full(len(users), HISTORY // 2, np.int64)
    return Observation(user=users, profile=profile, history_items=items, history_ratings=ratings, step=step)


def _copy(observation: Observation) -> Observation:
    return Observation(
        user=observation["user"].copy(),
        profile=observation["profile"].copy(),
        history_items=observation["history_items"].copy(),
        history_ratings=observation["history_ratings"].copy(),
        step=observation["step"].copy(),
    )


def check_shape(slates: IntArray, k: int, n_items: int) -> None:
    """Assert that slates are `ROWS` rows of k distinct item ids."""
    assert isinstance(slates, np.ndarray), f"slates must be a numpy array, got {type(slates).__name__}"
    assert slates.shape == (ROWS, k), f"slates must have shape {(ROWS, k)}, got {slates.shape}"
    assert np.issubdtype(slates.dtype, np.integer), f"slates must hold integers, got {slates.dtype}"
    assert slates.min() >= 0, "slates must hold item ids, got one below 0"
    assert slates.max() < n_items, f"slates must hold item ids below {n_items}, got {slates.max()}"
    distinct = [len(set(slate)) for slate in slates.tolist()]
    assert min(distinct) == k, f"the items of a slate must be distinct, got {slates[int(np.argmin(distinct))]}"


def _check_slates(recommender: Recommender, log: Interactions, observation: Observation, k: int) -> None:
    for length in (1, k):
        slates = recommender.recommend(observation, length)
        check_shape(slates, length, log.n_items)
        rated = log.contains(observation["user"][:, None], slates)
        assert not rated.any(), "without candidates, items of the user's training rows must not be recommended"
        consumed = (slates[:, :, None] == observation["history_items"][:, None, :]).any()
        assert not consumed, "without candidates, items consumed in this session must not be recommended"


def _pools(n_items: int, k: int, rng: np.random.Generator) -> Iterator[BoolArray]:
    """Candidates that are exactly k items, and about half of all items."""
    order = np.argsort(rng.random((ROWS, n_items)), axis=1)
    yield order < k
    yield order < max(k, n_items // 2)


def _check_candidates(
    recommender: Recommender, observation: Observation, k: int, n_items: int, rng: np.random.Generator
) -> None:
    for pool in _pools(n_items, k, rng):
        given = pool.copy()
        slates = recommender.recommend(observation, k, candidates=pool)
        check_shape(slates, k, n_items)
        assert np.take_along_axis(given, slates, axis=1).all(), "only candidates may be recommended"
        assert (given == pool).all(), "recommend must not write into the candidates"
    everything = np.ones((ROWS, n_items), np.bool_)
    check_shape(recommender.recommend(observation, n_items, candidates=everything), n_items, n_items)


def _check_purity(recommender: Recommender, observation: Observation, k: int) -> None:
    given = _copy(observation)
    first = recommender.recommend(observation, k)
    kept = first.copy()
    for name, column in given.items():
        same = np.array_equal(np.asarray(column), np.asarray(dict(observation)[name]))
        assert same, f"recommend must not write into the observation's {name}"
    recommender.recommend(rows_of(observation, slice(1, None)), k)
    assert np.array_equal(kept, recommender.recommend(observation, k)), "asking twice must give the same slates"
    assert np.array_equal(kept, first), "a slate must not change after it was given (a reused buffer?)"


def _check_independence(recommender: Recommender, observation: Observation, k: int) -> None:
    whole = recommender.recommend(observation, k)
    for i in range(ROWS):
        alone = recommender.recommend(rows_of(observation, slice(i, i + 1)), k)
        assert np.array_equal(alone, whole[i : i + 1]), "a row must get the same slate alone as in a batch"
    turned = recommender.recommend(rows_of(observation, slice(None, None, -1)), k)
    assert np.array_equal(turned[::-1], whole), "the order of the rows must not matter"


def _check_shortage(recommender: Recommender, observation: Observation, k: int, n_items: int) -> None:
    pool = np.zeros((ROWS, n_items), np.bool_)
    pool[:, : k - 1] = True
    try:
        recommender.recommend(observation, k, candidates=pool)
    except ValueError:
        return
    raise AssertionError("a row with fewer than k items to choose from must raise ValueError")


def _check_saving(recommender: Recommender, observation: Observation, k: int) -> None:
    """Saving is no part of the protocol; a recommender that offers it must come back as it was."""
    save, load = getattr(recommender, "save", None), getattr(type(recommender), "load", None)
    if save is None or load is None:
        return
    expected = recommender.recommend(observation, k)
    with tempfile.TemporaryDirectory() as folder:
        save(folder)
        restored: Recommender = load(folder)
        assert restored.name == recommender.name, f"{recommender.name!r} was loaded as {restored.name!r}"
        assert np.array_equal(restored.recommend(observation, k), expected), "loaded must recommend what was saved"
