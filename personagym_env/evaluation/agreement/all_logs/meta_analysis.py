"""One figure from several logs: a random-effects mean.

Logs differ by more than the noise of their users, so the spread between them is part of the interval. With few logs
normal intervals are too narrow: Hartung and Knapp's, from Student's t, is used (Hartung and Knapp, Statistics in
Medicine 2001), with DerSimonian and Laird's estimate of the spread (Controlled Clinical Trials 1986).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

from personagym_env.evaluation.core.statistics import Interval

_NORMAL_WIDTH = 2 * 1.959964
"""Standard errors in a 95 % interval."""


class Pooled(NamedTuple):
    """What logs say together."""

    mean: Interval
    """With its interval over logs; without bounds for one log or two, whose t distribution has no end."""
    spread: float
    """Standard deviation between logs, beyond the noise of their users."""
    logs: int


def random_effects(found: Sequence[Interval]) -> Pooled:
    """The mean over logs of figures with 95 % intervals over users.

    Limiting cases: intervals of one width give the plain mean; a single log gives its own figure.

    Raises:
        ValueError: there is no figure.
    """
    if not found:
        raise ValueError("a mean over logs needs at least one figure")
    values = np.array([one.value for one in found])
    errors = np.array([(one.high - one.low) / _NORMAL_WIDTH for one in found])
    variances = np.maximum(np.nan_to_num(errors, nan=0.0), 1e-4) ** 2
    n = len(found)
    fixed = 1 / variances
    around = float((fixed * values).sum() / fixed.sum())
    if n == 1:
        return Pooled(Interval(around, np.nan, np.nan), 0.0, 1)
    excess = float((fixed * (values - around) ** 2).sum()) - (n - 1)
    between = max(0.0, excess / float(fixed.sum() - (fixed**2).sum() / fixed.sum()))
    weights = 1 / (variances + between)
    mean = float((weights * values).sum() / weights.sum())
    if n == 2:
        return Pooled(Interval(mean, np.nan, np.nan), float(np.sqrt(between)), n)
    error = float(np.sqrt((weights * (values - mean) ** 2).sum() / ((n - 1) * weights.sum())))
    reach = float(stats.t.ppf(0.975, n - 1)) * error
    return Pooled(Interval(mean, mean - reach, mean + reach), float(np.sqrt(between)), n)
