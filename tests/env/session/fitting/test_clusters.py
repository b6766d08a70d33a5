"""Intervals of fits where rows of one user depend on each other: they cover the truth, and naive ones do not."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

from personagym_env.data.tables import Catalogue, Interactions
from personagym_env.session.cuts import cut_sessions
from personagym_env.session.fitting.estimates import Estimate, mean_error, robust_covariance
from personagym_env.session.fitting.leaving import fit_leaving
from personagym_env.session.fitting.noise import PARTS, fit_noise
from personagym_env.session.fitting.sessions import fit_sessions

SCALE = tuple(np.round(np.arange(0, 10.01, 0.01), 2).tolist())
SEEDS = 60
LEAVING = {"leaving.intercept": -1.0, "leaving.satisfaction_weight": -1.5, "leaving.duration_weight": 0.5}


def log_of(users: np.ndarray, items: np.ndarray, ratings: np.ndarray, times: np.ndarray | None) -> Interactions:
    ratings = np.clip(np.round(ratings, 2), 0, 10)
    return Interactions.from_columns(
        users, items, ratings, times, n_users=int(users.max()) + 1, n_items=int(items.max()) + 1, scale=SCALE
    )


def moody_users(seed: int) -> Interactions:
    """Sixty users of twenty ratings around a level of their own; the levels lie around 5."""
    rng = np.random.default_rng(seed)
    ratings = rng.normal(5, 1.5, (60, 1)) + rng.normal(0, 0.3, (60, 20))
    return log_of(np.repeat(np.arange(60), 20), np.tile(np.arange(20), 60), ratings.ravel(), None)


def sessions_again(seed: int) -> tuple[Interactions, np.ndarray]:
    """Sixty users who live through the same five sessions five times, and their moods at each row.

    Five times the rows tell as much as one time of them, so intervals that count rows are too narrow by a root of 5.
    """
    rng = np.random.default_rng(seed)
    users, times, moods = [], [], []
    intercept, weight, duration = LEAVING.values()
    for user in range(60):
        clock, begin, mood = 0, [], []
        for _ in range(5):
            position, left = 0, False
            clock += 100_000
            while not left:
                position += 1
                clock += 60
                begin.append(clock)
                mood.append(rng.normal())
                left = rng.random() < expit(intercept + weight * mood[-1] + duration * np.log1p(position))
        span = clock + 100_000
        again = np.concatenate([np.array(begin) + span * number for number in range(5)])
        # A session before and a row after, both of which the fit leaves out, so that all five ends are seen five times.
        times.append(np.concatenate([[-100_000], again, [span * 6]]))
        moods.append(np.concatenate([[0.0], np.tile(mood, 5), [0.0]]))
        users.append(np.full(len(times[-1]), user))
    who = np.concatenate(users)
    return log_of(who, np.arange(len(who)), np.ones(len(who)), np.concatenate(times)), np.concatenate(moods)


def steady_and_unsteady(seed: int, noisy: float = 1.2) -> tuple[Interactions, Catalogue]:
    """Sixty users, every second of them steady, who judge twenty titles twice."""
    rng = np.random.default_rng(seed)
    noise = np.where(rng.random((60, 1, 1)) < 0.5, 0.2, noisy) * rng.normal(size=(60, 20, 2))
    ratings = (rng.normal(5, 0.5, (60, 20, 1)) + noise).reshape(60, 40)
    log = log_of(np.repeat(np.arange(60), 40), np.tile(np.arange(40), 60), ratings.ravel(), None)
    titles = tuple(f"Film {i // 2}" for i in range(40))
    return log, Catalogue(tuple(map(str, range(40))), titles, np.full(40, 1990), (), np.zeros((40, 0), np.bool_))


def initial(seed: int) -> tuple[Estimate, Estimate, float]:
    log = moody_users(seed)
    strangers = replace(log, users=np.arange(len(log)), n_users=len(log))
    found = (fit_sessions(each).estimates["satisfaction.initial"] for each in (log, strangers))
    return *found, 0.5


def leaving(name: str) -> Callable[[int], tuple[Estimate, Estimate, float]]:
    def found(seed: int) -> tuple[Estimate, Estimate, float]:
        log, mood = sessions_again(seed)
        sessions = cut_sessions(log)
        both = (fit_leaving(users, sessions, mood, 30.0)[0][name] for users in (log.users, np.arange(len(log))))
        return *both, LEAVING[name]

    return found


def noise(seed: int) -> tuple[Estimate, Estimate, float]:
    log, catalogue = steady_and_unsteady(seed)
    pairs = log.items // 2 + log.users * 20
    strangers = Interactions.from_columns(
        pairs, log.items, log.ratings, None, n_users=60 * 20, n_items=log.n_items, scale=SCALE
    )
    found = (fit_noise(each, catalogue)[0][PARTS[0]] for each in (log, strangers))
    return *found, float(np.sqrt((0.2**2 + 1.2**2) / 2))


@pytest.mark.parametrize(
    "fits",
    [initial, *map(leaving, LEAVING), noise],
    ids=["initial satisfaction", *LEAVING, "rating noise"],
)
def test_intervals_cover_the_truth_where_rows_of_a_user_agree(
    fits: Callable[[int], tuple[Estimate, Estimate, float]],
) -> None:
    found = [fits(seed) for seed in range(SEEDS)]
    assert all(robust.value == pytest.approx(naive.value, rel=1e-6) for robust, naive, _ in found)
    widths = [(robust.high - robust.low) / (naive.high - naive.low) for robust, naive, _ in found]
    assert np.median(widths) > 1.5
    covered = np.mean([robust.low < truth < robust.high for robust, _, truth in found])
    naively = np.mean([naive.low < truth < naive.high for _, naive, truth in found])
    assert 0.85 <= covered <= 1  # of 60 right intervals of 95 %, ten or more miss once in a thousand times
    assert naively < 0.85


def test_a_mean_over_clusters_has_the_error_of_the_clusters() -> None:
    values = np.random.default_rng(0).normal(size=50)
    once = mean_error(values, np.arange(50))
    assert once == pytest.approx(values.std(ddof=1) / np.sqrt(50))
    assert mean_error(np.repeat(values, 8), np.repeat(np.arange(50), 8)) == pytest.approx(once)
    assert mean_error(np.repeat(values, 8), np.arange(400)) == pytest.approx(once / np.sqrt(8), rel=0.02)


def test_one_user_tells_no_interval() -> None:
    log = moody_users(0)
    alone = log.take(log.users == 0)
    found = fit_sessions(alone).estimates["satisfaction.initial"]
    assert (found.low, found.high) == (0, 1)
    assert robust_covariance(np.eye(1), np.ones((9, 1)), np.zeros(9, np.int64)) is None
    steady, catalogue = steady_and_unsteady(0)
    estimates, problem = fit_noise(steady.take(steady.users == 0), catalogue)
    assert estimates == {}
    assert problem is not None
    assert "of one user" in problem


def test_judgements_that_agree_to_the_point_have_no_noise() -> None:
    log, catalogue = steady_and_unsteady(0)
    same = replace(log, ratings=np.full(len(log), 5.0, np.float32))
    assert fit_noise(same, catalogue)[0][PARTS[0]][:3] == (0, 0, 0)
