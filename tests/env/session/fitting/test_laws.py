"""Planted laws of returning, pauses, fatigue, drift and noise found again, and none found where there is none."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from personagym_env.data.tables import Catalogue, Dataset, Interactions
from personagym_env.session.cuts import cut_sessions
from personagym_env.session.fitting.drift import fit_drift, halves_of, moves_of
from personagym_env.session.fitting.estimates import Estimate, maximise, robust_covariance
from personagym_env.session.fitting.fatigue import draw_cases, fit_fatigue
from personagym_env.session.fitting.noise import PARTS, fit_noise, same_titles
from personagym_env.session.fitting.pauses import fit_pauses
from personagym_env.session.fitting.returning import Absences, absences, fit_returning
from personagym_env.session.parameters import Returning
from personagym_env.session.returning import days_away

PLANTED = {"location": 1.2, "satisfaction_weight": -1.5, "spread": 1.3}


def inside(estimate: Estimate, value: float) -> bool:
    """Within the 95 % interval, widened by half so that a right fit hardly ever fails."""
    slack = 0.25 * (estimate.high - estimate.low)
    return estimate.low - slack < value < estimate.high + slack


def log_of(users: np.ndarray, items: np.ndarray, times: np.ndarray, n_items: int) -> Interactions:
    return Interactions.from_columns(
        users, items, np.ones(len(users)), times, n_users=int(users.max()) + 1, n_items=n_items, scale=(1.0, 2.0)
    )


def test_maximum_likelihood_finds_a_normal_law_and_its_errors() -> None:
    x = np.random.default_rng(1).normal(2.0, 0.5, 4000)
    found = maximise(lambda p: -0.5 * ((x - p[0]) / np.exp(p[1])) ** 2 - p[1], np.array([1.0, 0.0]), np.arange(len(x)))
    assert found is not None
    np.testing.assert_allclose(found.values, [x.mean(), np.log(x.std())], atol=1e-5)
    np.testing.assert_allclose(found.errors, [0.5 / np.sqrt(4000), 1 / np.sqrt(8000)], rtol=0.05)


def test_intervals_know_of_dependence_within_users() -> None:
    x = np.random.default_rng(1).normal(2.0, 0.5, 1000)
    wide = maximise(lambda p: -0.5 * (np.repeat(x, 4) - p[0]) ** 2, np.zeros(1), np.repeat(np.arange(1000), 4))
    assert wide is not None
    np.testing.assert_allclose(wide.errors, x.std() / np.sqrt(1000), rtol=1e-3)


def test_what_is_not_identified_is_not_estimated() -> None:
    assert maximise(lambda p: np.zeros(50) + 0 * p[0], np.zeros(1), np.arange(50)) is None
    assert robust_covariance(np.array([[1.0, 1.0], [1.0, 1.0]]), np.ones((5, 2)), np.arange(5)) is None


def test_the_law_of_returning_is_found() -> None:
    rng = np.random.default_rng(2)
    satisfaction = rng.random(3000)
    days = days_away(rng.random(3000), satisfaction, Returning(**PLANTED))
    estimates, problem = fit_returning(Absences(np.arange(3000) // 3, days, satisfaction), 30.0)
    assert problem is None
    for name, value in PLANTED.items():
        assert inside(estimates[f"returning.{name}"], value), name
        assert estimates[f"returning.{name}"].high - estimates[f"returning.{name}"].low < 0.6, name


def test_absences_are_the_pauses_between_sessions_of_one_user() -> None:
    hours = np.array([0.0, 1.0, 49.0, 0.0, 3.0, 3.5])
    log = log_of(np.array([0, 0, 0, 1, 1, 1]), np.arange(6), (hours * 3600).astype(np.int64), 6)
    away = absences(log, cut_sessions(log, 90.0), np.arange(6) / 10)
    np.testing.assert_array_equal(away.users, [0, 1])
    np.testing.assert_allclose(away.days, [2.0, 3 / 24])
    np.testing.assert_allclose(away.satisfaction, [0.1, 0.3])


@pytest.mark.parametrize(("count", "reason"), [(20, "only 20 observed returns"), (200, "do not vary")])
def test_too_few_or_constant_gaps_are_not_fitted(count: int, reason: str) -> None:
    one = np.ones(count)
    estimates, problem = fit_returning(Absences(np.arange(count), one, one), 30.0)
    assert estimates == {}
    assert problem is not None
    assert reason in problem


def test_the_crossing_of_two_laws_of_pauses_is_found() -> None:
    """Log seconds of spread 1 around 3.5, and of spread 1 around 10.5 for an equal share: they cross at 7."""
    rng = np.random.default_rng(0)
    log_seconds = np.where(rng.random((100, 60)) < 0.5, 3.5, 10.5) + rng.normal(size=(100, 60))
    times = np.cumsum(np.ceil(np.exp(log_seconds)).astype(np.int64), axis=1)
    log = log_of(np.repeat(np.arange(100), 60), np.tile(np.arange(60), 100), times.ravel(), 60)
    found = fit_pauses(log, 30.0)
    assert not isinstance(found, str)
    crossing, mixture = found
    assert inside(crossing, np.exp(7) / 60)
    assert crossing.high / crossing.low < 1.5
    assert mixture.weight == pytest.approx(0.5, abs=0.03)
    np.testing.assert_allclose(mixture.centres, [3.5, 10.5], atol=0.1)
    np.testing.assert_allclose(mixture.spreads, 1, atol=0.1)


def test_one_law_of_pauses_has_no_crossing() -> None:
    times = np.tile(np.arange(60) * 60, 100)
    log = log_of(np.repeat(np.arange(100), 60), np.tile(np.arange(60), 100), times, 60)
    assert fit_pauses(log, 30.0) == "gap rule: fewer than 100 pauses on one side of 30 min"


GENRES = np.eye(4, dtype=np.float32)[np.arange(80) % 4]


def order_with_fatigue(weight: float, n_users: int = 150, per_user: int = 25) -> Interactions:
    """Users whose items have drawn genres, in an order that avoids (or seeks) genres just consumed."""
    rng = np.random.default_rng(4)
    orders = []
    for _ in range(n_users):
        taste = rng.dirichlet(np.full(4, 2.0))[np.arange(80) % 4]
        left = rng.choice(80, per_user, replace=False, p=taste / taste.sum()).tolist()
        level = np.zeros(4)
        for _ in range(per_user):
            utility = -weight * level[np.array(left) % 4] + rng.gumbel(size=len(left))
            item = left.pop(int(utility.argmax()))
            level = 0.8 * level + GENRES[item]
            orders.append(item)
    users = np.repeat(np.arange(n_users), per_user)
    return log_of(users, np.array(orders), np.tile(np.arange(per_user), n_users), 80)


@pytest.mark.parametrize("weight", [0.6, 0.0, -0.4])
def test_fatigue_and_its_opposite_are_found_whatever_the_tastes(weight: float) -> None:
    log = order_with_fatigue(weight)
    found = fit_fatigue(draw_cases(log, cut_sessions(log), GENRES, 0.8, np.random.default_rng(0)), 0.8)
    assert isinstance(found, Estimate)
    assert inside(found, weight)
    assert found.high - found.low < 0.3


def test_fatigue_without_cases_says_so() -> None:
    log = log_of(np.arange(9), np.arange(9), np.arange(9), 80)
    found = fit_fatigue(draw_cases(log, cut_sessions(log), GENRES, 0.8, np.random.default_rng(0)), 0.8)
    assert isinstance(found, str)
    assert "only 0 rows" in found


def walk_of_taste(scale: float, n_users: int = 150, per_user: int = 240) -> Interactions:
    """Users whose genre preferences walk at random, one step for each of the items that they consume."""
    rng = np.random.default_rng(6)
    level = rng.normal(0, 0.5, (n_users, 1, 4))
    level = level + np.cumsum(rng.normal(0, scale, (n_users, per_user, 4)), axis=1)
    genre = (level + rng.gumbel(size=level.shape)).argmax(axis=2)
    items = genre + 4 * rng.integers(20, size=genre.shape)
    times = np.tile(np.arange(per_user), n_users)
    return log_of(np.repeat(np.arange(n_users), per_user), items.ravel(), times, 80)


@pytest.mark.parametrize("scale", [0.05, 0.12])
def test_the_scale_of_a_walk_of_taste_is_found(scale: float) -> None:
    log = walk_of_taste(scale)
    found = fit_drift(moves_of(log, GENRES, *halves_of(log, GENRES, np.random.default_rng(0))))
    assert isinstance(found, Estimate)
    # The walks of rival genres move a genre's share too, and halves of a walk are not quite normal: an approximation.
    assert found.value == pytest.approx(scale, rel=0.25)
    assert 0 < found.low < found.value < found.high


def test_taste_that_stands_still_has_a_scale_of_about_zero() -> None:
    log = walk_of_taste(0.0)
    halves, shuffled = halves_of(log, GENRES, np.random.default_rng(0))
    found = fit_drift(moves_of(log, GENRES, halves, shuffled))
    assert isinstance(found, Estimate)
    assert found.low == 0
    assert found.value < 0.02
    assert halves.cosine.mean() == pytest.approx(np.mean([half.cosine.mean() for half in shuffled]), abs=0.01)


def noisy_twins(noise: float) -> tuple[Interactions, Catalogue]:
    """Items in pairs of one title; users judge on a scale of hundredths, each time with fresh noise."""
    rng = np.random.default_rng(3)
    scale = tuple(np.round(np.arange(0, 10.01, 0.01), 2).tolist())
    taste = rng.normal(5, 1, (60, 20, 1)) + rng.normal(0, noise, (60, 20, 2))
    ratings = np.clip(np.round(taste.reshape(60, 40), 2), 0, 10)
    users, items = np.repeat(np.arange(60), 40), np.tile(np.arange(40), 60)
    log = Interactions.from_columns(users, items, ratings.ravel(), None, n_users=60, n_items=40, scale=scale)
    titles = tuple(f"{'THE ' if i % 2 else 'The '}Film {i // 2}" for i in range(40))
    return log, Catalogue(tuple(map(str, range(40))), titles, np.full(40, 1990), (), np.zeros((40, 0), np.bool_))


def test_rating_noise_is_found_from_twins_and_bounded_by_similar_items() -> None:
    log, catalogue = noisy_twins(0.4)
    np.testing.assert_array_equal(same_titles(catalogue), np.arange(40).reshape(20, 2))
    estimates, problem = fit_noise(log, catalogue)
    assert problem is None
    assert inside(estimates[PARTS[0]], 0.4)
    assert estimates[PARTS[0]].rows == 60 * 20
    assert estimates[PARTS[1]].value > 0.37


def test_twins_need_the_same_year_and_pairs_of_ratings() -> None:
    log, catalogue = noisy_twins(0.4)
    other = replace(catalogue, years=np.arange(40))
    assert len(same_titles(other)) == 0
    estimates, problem = fit_noise(log, other)
    assert set(estimates) == {PARTS[1]}
    assert problem is not None
    assert PARTS[0] in problem


def test_a_small_data_set_raises_no_warning(make_dataset: Callable[..., Dataset]) -> None:
    data = make_dataset(n_users=3, per_user=5)
    assert fit_noise(data.interactions, data.catalogue)[0] == {}
