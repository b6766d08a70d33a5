"""The closed pool on a log in which every right answer is known."""

import numpy as np
import pytest

from personagym_env.data.tables import Catalogue, Interactions
from personagym_env.evaluation.core.closed_pool import ClosedPool
from personagym_env.evaluation.core.offline import opening_slates
from personagym_env.protocols import Observation

N_USERS, N_ITEMS = 4, 30
PROFILES = np.zeros((N_USERS, 2), np.float32)


class _ByScore:
    """Picks the allowed items with the highest known score."""

    name = "by score"

    def __init__(self, scores: np.ndarray) -> None:
        self.scores = scores

    def fit(self, log: Interactions, catalogue: Catalogue) -> "_ByScore":
        return self

    def recommend(self, observation: Observation, k: int, candidates: np.ndarray | None = None) -> np.ndarray:
        scores = self.scores[observation["user"]]
        if candidates is not None:
            scores = np.where(candidates, scores, -np.inf)
        return np.argsort(-scores, axis=1, kind="stable")[:, :k]


@pytest.fixture
def held_out() -> Interactions:
    """User u has 6 + 2 u held-out items, rated 1, 2, 3, 4, 5, 1, 2, ..."""
    users = np.repeat(np.arange(N_USERS), 6 + 2 * np.arange(N_USERS))
    items = np.concatenate([np.arange(6 + 2 * u) + u for u in range(N_USERS)])
    ratings = np.concatenate([1.0 + np.arange(6 + 2 * u) % 5 for u in range(N_USERS)])
    return Interactions.from_columns(
        users, items, ratings, None, n_users=N_USERS, n_items=N_ITEMS, scale=(1, 2, 3, 4, 5)
    )


def value(pool: ClosedPool, scores: np.ndarray) -> np.ndarray:
    return pool.value(pool.picks(_ByScore(scores), PROFILES, history_length=3)).per_user


def test_only_users_with_a_real_choice_take_part(held_out: Interactions) -> None:
    np.testing.assert_array_equal(ClosedPool(held_out).users, [2, 3])
    np.testing.assert_array_equal(ClosedPool(held_out, k=2, least=8).users, [1, 2, 3])


def test_bounds_by_hand(held_out: Interactions) -> None:
    pool = ClosedPool(held_out)
    # User 2 rated ten items 1..5 twice each; user 3 has 1 and 2 once more.
    np.testing.assert_allclose(pool.best.per_user, [np.nan, np.nan, (5 + 5 + 4 + 4 + 3) / 5, (5 + 5 + 4 + 4 + 3) / 5])
    np.testing.assert_allclose(pool.worst.per_user, [np.nan, np.nan, (1 + 1 + 2 + 2 + 3) / 5, (1 + 1 + 1 + 2 + 2) / 5])
    np.testing.assert_allclose(pool.chance.per_user, [np.nan, np.nan, 3, 33 / 12])


def test_a_clairvoyant_reaches_the_best_and_its_reverse_the_worst(held_out: Interactions) -> None:
    pool, truth = ClosedPool(held_out), held_out.matrix().toarray()
    np.testing.assert_allclose(value(pool, truth), pool.best.per_user)
    np.testing.assert_allclose(value(pool, -truth), pool.worst.per_user)


def test_random_picks_are_worth_chance_on_average(held_out: Interactions) -> None:
    pool, rng = ClosedPool(held_out), np.random.default_rng(0)
    mean = np.mean([value(pool, rng.random((N_USERS, N_ITEMS))) for _ in range(400)], axis=0)
    np.testing.assert_allclose(mean[2:], pool.chance.per_user[2:], atol=0.08)


def test_the_judged_value_uses_the_judges_ratings(held_out: Interactions) -> None:
    pool = ClosedPool(held_out)
    picks = pool.picks(_ByScore(held_out.matrix().toarray()), PROFILES, history_length=3)
    np.testing.assert_allclose(pool.value(picks, np.full(len(held_out), 2.5)).per_user[2:], 2.5)
    np.testing.assert_allclose(pool.value(picks, 6 - held_out.ratings).per_user, 6 - pool.best.per_user)


def test_without_pools_no_value_is_known(held_out: Interactions) -> None:
    pool = ClosedPool(held_out, least=20)
    picks = pool.picks(_ByScore(np.zeros((N_USERS, N_ITEMS))), PROFILES, history_length=3)
    assert picks.shape == (0, 5)
    for figure in (pool.best, pool.worst, pool.chance, pool.value(picks)):
        assert np.isnan(figure.resampled(np.ones((2, N_USERS)))).all()


def test_bad_pools_and_picks_are_refused(held_out: Interactions) -> None:
    with pytest.raises(ValueError, match="cannot give"):
        ClosedPool(held_out, k=5, least=4)
    with pytest.raises(ValueError, match="not in their user's pool"):
        ClosedPool(held_out).value(np.full((2, 5), 29))


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (np.zeros((N_USERS, 3), int), "holds an item twice"),
        (np.tile([1, 2], (N_USERS, 1)), "was asked for slates of shape"),
        (np.tile([27, 28, 29], (N_USERS, 1)), "not among the candidates"),
    ],
)
def test_wrong_answers_of_recommenders_are_named(held_out: Interactions, answer: np.ndarray, message: str) -> None:
    class Wrong(_ByScore):
        def recommend(self, observation: Observation, k: int, candidates: np.ndarray | None = None) -> np.ndarray:
            return answer

    pool = ClosedPool(held_out, k=3, least=6)
    with pytest.raises(ValueError, match=message):
        opening_slates(Wrong(PROFILES), np.arange(N_USERS), PROFILES, 3, history_length=3, candidates=pool.candidates)
