"""Who is seen, on cases that can be counted by hand."""

import numpy as np
import pytest

from personagym_env.evaluation.closed_loop import exposure
from personagym_env.evaluation.core.metrics import gini
from personagym_env.evaluation.core.statistics import over_repetitions


def test_exposure_counts_places_as_they_are_looked_at():
    shares = exposure.exposure(np.array([[0, 1], [0, 2]]), np.array([1.0, 0.5]), 4)
    np.testing.assert_allclose(shares, [2 / 3, 1 / 6, 1 / 6, 0])


def test_gini_of_equals_is_0_and_of_one_owner_near_1():
    found = gini(np.array([[0.25, 0.25, 0.25, 0.25], [0, 0, 0, 1], [0, 0, 0.5, 0.5]]))
    np.testing.assert_allclose(found, [0, 0.75, 0.5], atol=1e-12)
    shares = np.array([0.5, 0.5, 0.0, 0.0])
    assert exposure.concentration(shares, np.array([True, True, False, False])) == pytest.approx(0)
    assert exposure.concentration(shares, np.ones(4, np.bool_)) == pytest.approx(0.5)


def test_newcomers_are_held_against_their_share_of_the_catalogue():
    shares, offered = np.array([0.6, 0.3, 0.1, 0.0]), np.array([True, True, True, False])
    assert exposure.newcomers(shares, offered, np.array([False, False, True, False])) == pytest.approx(0.3)
    assert np.isnan(exposure.newcomers(shares, offered, np.zeros(4, np.bool_)))


def test_providers_share_what_their_items_have():
    owners = np.array([[1, 0], [0.5, 0.5], [0, 0]])
    exposed = exposure.by_provider(np.array([0.2, 0.6, 0.2]), owners)
    np.testing.assert_allclose(exposed, [0.5 / 0.8, 0.3 / 0.8])
    assert exposure.disparity(exposed, np.array([0.75, 0.25])) == pytest.approx(0.125)


def test_intervals_over_repetitions_are_students():
    found = over_repetitions(np.array([1.0, 2.0, 3.0]))
    assert found.value == 2
    assert found.high - 2 == pytest.approx(4.302653 / np.sqrt(3), rel=1e-6)  # t of 2 degrees of freedom, in tables
    with pytest.raises(ValueError, match="at least 2"):
        over_repetitions(np.ones(1))
