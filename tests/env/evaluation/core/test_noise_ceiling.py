"""What a perfect judge would reach, where the true means are known."""

import numpy as np
import pytest

from personagym_env.evaluation.core.noise_ceiling import noise_ceiling
from personagym_env.evaluation.core.statistics import kendall_tau, user_resamples

C, U = 15, 120


def measured(true, rng):
    """(b, c) resampled means of users who scatter around true means, and who are strict or lenient themselves."""
    values = true + rng.normal(size=(U, C)) + rng.normal(0, 2.0, (U, 1))
    return user_resamples(U, 200, rng) @ values / U, values


def test_the_ceiling_is_what_the_true_means_reach():
    rng = np.random.default_rng(0)
    ceilings, reached, stepped_up = [], [], []
    for _ in range(40):
        true = rng.normal(0, 0.12, C)
        real, values = measured(true, rng)
        ceilings.append(noise_ceiling(real, rng, 200).value)
        reached.append(kendall_tau(true[None], real[:1])[0])
        half = rng.permutation(U) < U // 2
        between = kendall_tau(values[half].mean(axis=0)[None], values[~half].mean(axis=0)[None])[0]
        stepped_up.append(2 * between / (1 + between))
    assert np.mean(ceilings) == pytest.approx(np.mean(reached), abs=0.03)
    assert np.mean(stepped_up) < np.mean(ceilings)


def test_without_noise_it_is_one_and_without_signal_nothing():
    rng = np.random.default_rng(1)
    clear, _ = measured(np.arange(C) * 10.0, rng)
    assert noise_ceiling(clear, rng).low == 1
    flat = np.concatenate([np.zeros((1, C)), rng.normal(size=(50, C))])
    flat[0] = 1e-3 * np.arange(C)
    assert abs(noise_ceiling(flat, rng).value) < 0.05


def test_what_moves_all_alike_is_no_noise():
    rng = np.random.default_rng(2)
    real = np.arange(4.0) + rng.normal(0, 100.0, (60, 1))
    assert noise_ceiling(real, rng).low == 1


def test_large_values_are_no_mistake():
    real, _ = measured(np.random.default_rng(3).normal(0, 0.3, C), np.random.default_rng(3))
    ceilings = [noise_ceiling(unit * real, np.random.default_rng(4)) for unit in (1.0, 1e7)]
    np.testing.assert_allclose(*ceilings, atol=0.02)


def test_shapes_are_checked():
    with pytest.raises(ValueError, match=r"got shape \(3, 5\)"):
        noise_ceiling(np.zeros((3, 5)), np.random.default_rng(0))
