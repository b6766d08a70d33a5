"""How ratings of any scale are told, with answers that are known beforehand."""

import numpy as np
import pytest

from personagym_agents.documents.told import Told, fit_told
from personagym_env.data.tables import Interactions

LEVELS = (1.0, 2.0, 3.0, 4.0, 5.0)


def log_of(ratings: list[float], scale: tuple[float, ...]) -> Interactions:
    n = len(ratings)
    return Interactions.from_columns(
        np.arange(n), np.arange(n), np.array(ratings), None, n_users=n, n_items=n, scale=scale
    )


def test_a_log_like_the_bases_is_told_as_it_is():
    ratings = [1.0, 2.0, 3.0, 4.0, 5.0, 5.0]
    told = fit_told(log_of(ratings, LEVELS), LEVELS, float(np.mean(ratings)), float(np.std(ratings)))
    np.testing.assert_allclose(told.values, LEVELS)
    np.testing.assert_array_equal(told.level, np.arange(5))


@pytest.mark.parametrize("factor", [0.1, 1.0, 10.0])
def test_units_and_origin_do_not_matter(factor):
    """The same opinions on another scale read alike."""
    ratings = np.array([2.0, 4.0, 6.0, 6.0, 8.0])
    scale = (2.0, 4.0, 6.0, 8.0)
    one = fit_told(log_of(list(ratings), scale), LEVELS, 3.5, 1.1)
    other = fit_told(log_of(list(7 + factor * ratings), tuple(7 + factor * np.array(scale))), LEVELS, 3.5, 1.1)
    np.testing.assert_allclose(one.values, other.values, rtol=1e-5)


def test_mean_and_spread_are_the_bases():
    log = log_of([0.0, 10.0, 10.0, 70.0, 100.0], (0.0, 10.0, 70.0, 100.0))
    told = fit_told(log, LEVELS, 3.5, 1.1).log(log)
    assert told.ratings.mean() == pytest.approx(3.5, abs=1e-5)
    assert told.ratings.std() == pytest.approx(1.1, abs=1e-5)
    np.testing.assert_array_equal(told.rating_index, log.rating_index)
    np.testing.assert_array_equal(told.items, log.items)


def test_three_ratings_are_told_as_three_of_the_levels():
    told = fit_told(log_of([-1.0, 1.0, 1.0, 0.0], (-1.0, 0.0, 1.0)), LEVELS, 3.5, 1.1)
    assert len(set(told.level.tolist())) == 3
    assert (np.diff(told.level) > 0).all()


@pytest.mark.parametrize(("scale", "ratings"), [((3.0,), [3.0, 3.0]), ((1.0, 9.0), [9.0, 9.0])])
def test_ratings_that_are_all_equal_are_told_as_the_mean(scale, ratings):
    told = fit_told(log_of(ratings, scale), LEVELS, 3.5, 1.1)
    assert told.values[-1] == pytest.approx(3.5)
    assert np.isfinite(told.values).all()


def test_values_beyond_the_levels_are_told_as_the_last():
    assert Told((1.0, 2.0, 3.0), LEVELS, (-3.0, 2.4, 9.0)).level.tolist() == [0, 1, 4]


def test_no_rows_are_named():
    with pytest.raises(ValueError, match="training rows, and there are none"):
        fit_told(log_of([], LEVELS), LEVELS, 3.5, 1.1)


def test_answers_in_levels_are_ratings_again():
    """What a distribution over three ratings reads like gives it back; the ends of the levels are the ends of a log."""
    told = fit_told(log_of([-1.0, 1.0, 1.0, 0.0], (-1.0, 0.0, 1.0)), LEVELS, 3.5, 1.1)
    given = np.array([[0.2, 0.5, 0.3], [1.0, 0.0, 0.0]])
    np.testing.assert_allclose(told.as_ratings(given @ told.target), given, atol=1e-6)
    np.testing.assert_allclose(told.as_ratings(np.eye(5)[[0, 4]])[[0, 1], [0, 2]], 1, atol=0.2)
