"""Predicted winners by confidence."""

import numpy as np
import pytest

from personagym_env.evaluation.backtest.confidence import brier, confidence_bins, right_winner


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
