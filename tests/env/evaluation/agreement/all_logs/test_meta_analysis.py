"""Means over logs: their limiting cases, and a simulation with a known answer."""

import numpy as np
import pytest

from personagym_env.evaluation.agreement.all_logs.meta_analysis import random_effects
from personagym_env.evaluation.core.statistics import Interval


def test_one_log_gives_its_own_figure():
    pooled = random_effects([Interval(0.7, 0.6, 0.8)])
    assert pooled.mean.value == pytest.approx(0.7)
    assert np.isnan(pooled.mean.low)
    assert np.isnan(random_effects([Interval(0.7, 0.6, 0.8), Interval(0.5, 0.4, 0.6)]).mean.low)
    with pytest.raises(ValueError, match="at least one"):
        random_effects([])


def test_logs_of_one_width_give_the_plain_mean():
    pooled = random_effects([Interval(value, value - 0.1, value + 0.1) for value in (0.2, 0.5, 0.8)])
    assert pooled.mean.value == pytest.approx(0.5)
    assert pooled.mean.low < 0.2  # three logs that differ so much say little
    assert pooled.spread > 0.25


def test_logs_that_agree_are_weighted_by_their_noise():
    pooled = random_effects([Interval(0.5, 0.49, 0.51), Interval(0.6, 0.2, 1.0)])
    assert pooled.spread == 0.0
    assert pooled.mean.value == pytest.approx(0.5, abs=0.001)


def test_intervals_hold_the_true_mean_as_often_as_they_say():
    rng = np.random.default_rng(0)
    held = []
    for _ in range(300):
        errors = rng.uniform(0.02, 0.1, 6)
        found = rng.normal(rng.normal(0.6, 0.1, 6), errors)
        mean = random_effects(
            [Interval(v, v - 1.96 * e, v + 1.96 * e) for v, e in zip(found, errors, strict=True)]
        ).mean
        held.append(mean.low <= 0.6 <= mean.high)
    assert 0.91 <= np.mean(held) <= 0.99
