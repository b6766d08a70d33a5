"""Predicted winners by confidence."""

import numpy as np
import pytest

from personagym_env.evaluation.backtest.confidence import brier, confidence_bins, corrected, right_winner


def test_probabilities_that_are_right_are_found_right():
    rng = np.random.default_rng(0)
    probability = rng.random(20_000)
    outcome = np.where(rng.random(20_000) < probability, 1.0, -1.0)
    bins = confidence_bins(probability, outcome)
    assert sum(one.tests for one in bins) == 20_000
    for one in bins:
        assert one.low <= one.predicted <= one.high
        assert one.right == pytest.approx(one.predicted, abs=0.025)
    assert brier(probability, outcome) == pytest.approx(1 / 6, abs=0.01)


def test_limiting_cases():
    assert brier(np.array([0.5, 0.5]), np.array([1.0, -2.0])) == 0.25
    assert brier(np.array([1.0, 0.0]), np.array([0.3, -2.0])) == 0.0
    np.testing.assert_array_equal(
        right_winner(np.array([0.9, 0.9, 0.9, 0.2]), np.array([1.0, -1.0, 0.0, -3.0])), [1, 0, 0.5, 1]
    )
    (only,) = confidence_bins(np.array([0.0, 1.0]), np.array([-1.0, 1.0]))
    assert (only.low, only.tests, only.right) == (0.975, 2, 1.0)


def test_probabilities_that_are_too_sure_are_corrected():
    rng = np.random.default_rng(1)
    odds = rng.normal(0, 1.5, 2_000)
    outcome = np.where(rng.random(2_000) < 1 / (1 + np.exp(-odds)), 1.0, -1.0)
    sure = 1 / (1 + np.exp(-2 * odds))
    found = corrected(sure, outcome)
    moderate = np.abs(odds) < 2  # beyond, probabilities are cut before they are corrected
    np.testing.assert_allclose(np.log(found / (1 - found))[moderate], odds[moderate], atol=0.25)
    assert brier(found, outcome) < brier(sure, outcome)
    nothing = corrected(rng.random(2_000), rng.choice([-1.0, 1.0], 2_000))
    assert np.abs(nothing - 0.5).max() < 0.1
