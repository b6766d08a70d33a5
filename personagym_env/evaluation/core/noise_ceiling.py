"""How well a perfect judge would agree with a real ranking that was measured on so many users.

A judge that knows every recommender's true mean still disagrees with the mean of a sample of users. The correlation of
two halves of the users, stepped up by Spearman and Brown, understates what it would reach: tau is no correlation of
sums, and near ties turn far more often between halves than against the whole.
"""

import numpy as np

from personagym_env.data.tables import FloatArray
from personagym_env.evaluation.core.statistics import Interval, interval, kendall_tau

DRAWS = 1000
"""True rankings that are drawn."""


def noise_ceiling(real: FloatArray, rng: np.random.Generator, draws: int = DRAWS) -> Interval:
    """Kendall's tau of true means with the measured ones, over what the true means may be.

    Measured means are true means plus noise, whose covariance the resamples of the users give. The true means are
    normal with a variance that is what the measured ones spread beyond their noise (method of moments), so that their
    posterior is known in closed form (Efron and Morris 1973), and they are drawn from it. Limiting cases: without noise
    1; where the means spread no more than noise does, 0.

    A judge that knows these very users, and not just people like them, may exceed it.

    Args:
        real: (b, c) real value of c recommenders; row 0 is the sample of users, the others are resamples.
        rng: draws true means.
        draws: how many.

    Returns:
        The mean tau; 95 % of the draws lie within the bounds.

    Raises:
        ValueError: fewer than two recommenders or three resamples.
    """
    if real.ndim != 2 or real.shape[1] < 2 or len(real) < 4:
        raise ValueError(f"a noise ceiling needs values (1 + resamples, recommenders), got shape {real.shape}")
    c = real.shape[1]
    centred = real - real.mean(axis=1, keepdims=True)  # what moves all recommenders alike orders nothing
    measured, noise = centred[0], np.cov(centred[1:], rowvar=False)
    spread = max(0.0, float(measured @ measured - np.trace(noise)) / (c - 1))
    if spread == 0.0:
        true = rng.normal(size=(draws, c))
    else:
        gain = spread * np.linalg.inv(spread * np.eye(c) + noise)
        posterior = spread * (np.eye(c) - gain)
        symmetric = (posterior + posterior.T) / 2
        # No variance is below 0 but by rounding, which a check of large values would take for a mistake.
        true = rng.multivariate_normal(gain @ measured, symmetric, draws, check_valid="ignore", method="eigh")
    tau = kendall_tau(true, np.broadcast_to(measured, true.shape))
    return interval(np.concatenate([[tau.mean()], tau]))
