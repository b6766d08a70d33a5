"""The time until a user returns: log-normal accelerated failure time, longer than the pause that ends a session."""

import numpy as np
from scipy.special import log_ndtr, ndtr, ndtri

from personagym_env.data.tables import FloatArray
from personagym_env.session.parameters import Returning

MINUTES_PER_DAY = 24 * 60
SECONDS_PER_DAY = 60 * MINUTES_PER_DAY


def log_density(days: FloatArray, centre: FloatArray, spread: float, shortest: float) -> FloatArray:
    """(n,) log density of absences of `days` (n,), given that they are longer than `shortest` days.

    Args:
        days: absences.
        centre: (n,) mean of the log days before the cut.
        spread: standard deviation of the log days before the cut.
        shortest: the cut, in days.
    """
    z = (np.log(days) - centre) / spread
    normal = -0.5 * (z**2 + np.log(2 * np.pi)) - np.log(spread * days)
    return np.asarray(normal - log_survival(np.full(1, shortest), centre, spread, 0.0))


def log_survival(days: FloatArray, centre: FloatArray, spread: float, shortest: float) -> FloatArray:
    """(n,) log probability that an absence lasts longer than `days`, given that it outlasts `shortest` days."""
    beyond = log_ndtr((centre - np.log(days)) / spread)
    return np.asarray(beyond if shortest == 0 else beyond - log_ndtr((centre - np.log(shortest)) / spread))


def days_away(random_draw: FloatArray, satisfaction: FloatArray, parameters: Returning) -> FloatArray:
    """(n,) float64 days until users return who left with `satisfaction` (n,), by inverse survival of `random_draw`."""
    centre = parameters.location + parameters.satisfaction_weight * satisfaction.astype(np.float64)
    shortest = parameters.pause / MINUTES_PER_DAY
    longer = random_draw * ndtr((centre - np.log(shortest)) / parameters.spread)
    # Where nearly nobody stays away for so short a time that it counts, rounding must not lead below the cut.
    log_days = np.minimum(centre - parameters.spread * ndtri(longer), np.log(1e9))
    return np.asarray(np.maximum(np.exp(log_days), shortest))
