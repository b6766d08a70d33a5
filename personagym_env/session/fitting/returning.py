"""The gap between two sessions: log-normal accelerated failure time, by maximum likelihood."""

from typing import NamedTuple

import numpy as np

from personagym_env.data.tables import FloatArray, IntArray, Interactions
from personagym_env.session.cuts import SessionCuts
from personagym_env.session.fitting.estimates import Z_95, Estimate, maximise
from personagym_env.session.returning import MINUTES_PER_DAY, SECONDS_PER_DAY, log_density

_FEWEST_RETURNS = 30
"""With fewer observed returns (ten for each of the three parameters) the gap is not fitted."""
_LEAST_SPREAD = 1e-6
"""Standard deviation of log days, or of satisfaction, below which a column holds one value only."""


class Absences(NamedTuple):
    """Times away between a user's sessions. Shapes: a absences."""

    users: IntArray
    """(a,)"""
    days: FloatArray
    """(a,) until the user came back, above the pause that ends a session."""
    satisfaction: FloatArray
    """(a,) that the user left with."""


def absences(log: Interactions, sessions: SessionCuts, satisfaction: FloatArray) -> Absences:
    """The absences that a log shows from leaving to return.

    What follows a user's last row is left out: training rows end at a share of each user's own, which says nothing of
    how long the user stayed away then. Cut by rows and not by time, such a log holds long absences as likely as short
    ones.

    Args:
        log: n rows with timestamps.
        sessions: of the log.
        satisfaction: (n,) after each row.
    """
    assert log.timestamps is not None
    end = np.flatnonzero(sessions.last & ~sessions.censored)
    days = (log.timestamps[end + 1] - log.timestamps[end]) / SECONDS_PER_DAY
    return Absences(log.users[end], days, satisfaction[end])


def fit_returning(away: Absences, gap_minutes: float) -> tuple[dict[str, Estimate], str | None]:
    """Fit the law of `personagym_env.session.returning`: log days, linear in satisfaction, normal, cut at the pause.

    Returns:
        Estimates by parameter, or none and the reason why.
    """
    returns = len(away.days)
    if returns < _FEWEST_RETURNS:
        return {}, f"returning: only {returns} observed returns, at least {_FEWEST_RETURNS} are needed"
    log_days, satisfaction = np.log(away.days), away.satisfaction
    if min(log_days.std(), satisfaction.std()) < _LEAST_SPREAD:
        return {}, "returning: gaps between sessions, or the satisfaction before them, do not vary"
    middle, shortest = satisfaction.mean(), gap_minutes / MINUTES_PER_DAY

    def likelihood(values: FloatArray) -> FloatArray:
        centre, spread = values[0] + values[1] * (satisfaction - middle), float(np.exp(values[2]))
        return log_density(away.days, centre, spread, shortest)

    start = np.array([log_days.mean(), 0.0, np.log(log_days.std())])
    found = maximise(likelihood, start, away.users)
    if found is None:
        return {}, "returning: the log does not identify the law of the gaps between sessions"
    centre, weight, log_spread = found.values
    to_zero = np.array([1.0, -middle, 0.0])  # the location belongs to satisfaction 0
    location_error = float(np.sqrt(to_zero @ found.covariance @ to_zero))
    low, high = np.exp(log_spread + np.array([-Z_95, Z_95]) * found.errors[2])
    method = (
        f"log-normal accelerated failure time above {gap_minutes:g} min by maximum likelihood, interval robust to "
        "dependence within users"
    )
    return {
        "returning.location": Estimate.wald(centre - weight * middle, location_error, returns, method),
        "returning.satisfaction_weight": Estimate.wald(weight, found.errors[1], returns, method),
        "returning.spread": Estimate(float(np.exp(log_spread)), float(low), float(high), returns, method),
    }, None
