"""The gap between two sessions: log-normal accelerated failure time, by maximum likelihood."""

from typing import NamedTuple

import numpy as np

from personagym_env.data.tables import BoolArray, FloatArray, IntArray, Interactions
from personagym_env.session.cuts import SessionCuts
from personagym_env.session.estimates import Z_95, Estimate, maximise
from personagym_env.session.returning import MINUTES_PER_DAY, SECONDS_PER_DAY, log_density, log_survival

_FEWEST_RETURNS = 30
"""With fewer observed returns (ten for each of the three parameters) the gap is not fitted."""
_LEAST_SPREAD = 1e-6
"""Standard deviation of log days, or of satisfaction, below which a column holds one value only."""


class Absences(NamedTuple):
    """Times away after sessions. Shapes: a absences."""

    users: IntArray
    """(a,)"""
    days: FloatArray
    """(a,) time away so far, above the pause that ends a session."""
    returned: BoolArray
    """(a,) whether the user came back then; else the log ends before."""
    satisfaction: FloatArray
    """(a,) that the user left with."""


def absences(
    log: Interactions,
    sessions: SessionCuts,
    satisfaction: FloatArray,
    gap_minutes: float,
    observed_until: float | None = None,
) -> Absences:
    """The absences that a log shows.

    Args:
        log: n rows with timestamps.
        sessions: of the log.
        satisfaction: (n,) after each row.
        gap_minutes: the pause that ended the sessions.
        observed_until: moment (seconds since 1970) up to which the log would show every user's rows: absences that it
            cuts off are right-censored there. None if the log ends at another place for each user, as a share of each
            user's rows does; a last absence then says nothing.
    """
    assert log.timestamps is not None
    end = np.flatnonzero(sessions.last)
    final = sessions.censored[end]
    begin_next = np.append(log.timestamps[sessions.first[1:]], 0)
    until = np.where(final, -np.inf if observed_until is None else observed_until, begin_next)
    days = (until - log.timestamps[end]) / SECONDS_PER_DAY
    seen = days > gap_minutes / MINUTES_PER_DAY
    return Absences(log.users[end][seen], days[seen], ~final[seen], satisfaction[end][seen])


def fit_returning(away: Absences, gap_minutes: float) -> tuple[dict[str, Estimate], str | None]:
    """Fit the law of `personagym_env.session.returning`: log days, linear in satisfaction, normal, cut at the pause.

    Returns:
        Estimates by parameter, or none and the reason why.
    """
    returns = int(away.returned.sum())
    if returns < _FEWEST_RETURNS:
        return {}, f"returning: only {returns} observed returns, at least {_FEWEST_RETURNS} are needed"
    log_days, satisfaction = np.log(away.days), away.satisfaction
    if min(log_days.std(), satisfaction.std()) < _LEAST_SPREAD:
        return {}, "returning: gaps between sessions, or the satisfaction before them, do not vary"
    middle, shortest = satisfaction.mean(), gap_minutes / MINUTES_PER_DAY

    def likelihood(values: FloatArray) -> FloatArray:
        centre, spread = values[0] + values[1] * (satisfaction - middle), float(np.exp(values[2]))
        came = log_density(away.days, centre, spread, shortest)
        return np.where(away.returned, came, log_survival(away.days, centre, spread, shortest))

    start = np.array([log_days.mean(), 0.0, np.log(log_days.std())])
    found = maximise(likelihood, start, away.users)
    if found is None:
        return {}, "returning: the log does not identify the law of the gaps between sessions"
    centre, weight, log_spread = found.values
    to_zero = np.array([1.0, -middle, 0.0])  # the location belongs to satisfaction 0
    location_error = float(np.sqrt(to_zero @ found.covariance @ to_zero))
    low, high = np.exp(log_spread + np.array([-Z_95, Z_95]) * found.errors[2])
    censored = len(away.days) - returns
    method = (
        f"log-normal accelerated failure time above {gap_minutes:g} min by maximum likelihood, "
        f"{censored} of {len(away.days)} gaps censored, interval robust to dependence within users"
    )
    return {
        "returning.location": Estimate.wald(centre - weight * middle, location_error, len(away.days), method),
        "returning.satisfaction_weight": Estimate.wald(weight, found.errors[1], len(away.days), method),
        "returning.spread": Estimate(float(np.exp(log_spread)), float(low), float(high), len(away.days), method),
    }, None
