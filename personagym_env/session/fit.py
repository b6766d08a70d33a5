"""Fit what a training log says about sessions: where they begin, how content users start, and when they leave.

A log of ratings shows consumptions only: no slate, no step without consumption, no leaving after a step without
consumption. So examination, choice, satiation and the miss rate stay assumptions, and are not touched here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import expit

from personagym_env.data.tables import BoolArray, FloatArray, IntArray, Interactions
from personagym_env.session.kernel import scale_worth
from personagym_env.session.parameters import SessionParameters

GAP_MINUTES = 30.0
"""A pause longer than this ends a session, the convention of web analytics."""
Z_95 = 1.959963984540054
"""Standard normal quantile of a two-sided 95 % interval."""
_FEWEST_LEAVINGS = 30
"""With fewer observed leavings (ten for each of the three coefficients) the hazard is not fitted."""

_LARGEST_ERROR = 3.0
"""A standard error above this, in logits per standard deviation of a covariate, means that nothing was learned."""


class Estimate(NamedTuple):
    """A parameter as a log tells it."""

    value: float
    low: float
    """Lower end of the 95 % interval."""
    high: float
    """Upper end of the 95 % interval."""
    rows: int
    """Log rows that it is estimated from."""
    method: str


@dataclass(frozen=True, eq=False)
class SessionFit:
    """What was fitted, what the sessions of the log look like, and why the rest was not fitted."""

    estimates: Mapping[str, Estimate] = field(default_factory=dict)
    """By `part.field` of `SessionParameters`."""
    statistics: Mapping[str, float] = field(default_factory=dict)
    """Description of the log's sessions, in words; empty without timestamps."""
    notes: tuple[str, ...] = ()
    """What could not be fitted, and why."""

    def apply(self, parameters: SessionParameters) -> SessionParameters:
        """The parameters with every estimate in the place of its default."""
        changes: dict[str, dict[str, float]] = {}
        for name, estimate in self.estimates.items():
            part, _, entry = name.partition(".")
            changes.setdefault(part, {})[entry] = estimate.value
        return parameters.updated(changes)


class SessionCuts(NamedTuple):
    """A log cut into sessions. Shapes: n rows, s sessions."""

    first: IntArray
    """(s,) the row that begins each session."""
    length: IntArray
    """(s,) rows of each session."""
    last: BoolArray
    """(n,) whether the row ends its session."""
    censored: BoolArray
    """(n,) whether the row is its user's last: the log stops here, so nobody knows whether the session did."""
    position: IntArray
    """(n,) rows of the same session up to and including this one: 1, 2, ..."""


def cut_sessions(log: Interactions, gap_minutes: float = GAP_MINUTES) -> SessionCuts:
    """Cut each user's rows wherever the pause is longer than `gap_minutes`.

    Raises:
        ValueError: the log has no timestamps or no rows, or the gap is not above 0.
    """
    if log.timestamps is None or not len(log):
        raise ValueError("sessions need a log with timestamps and at least one row")
    if not gap_minutes > 0:
        raise ValueError(f"gap_minutes must be above 0, got {gap_minutes}")
    new_user = np.diff(log.users) != 0
    cut = new_user | (np.diff(log.timestamps) > gap_minutes * 60)
    first = np.flatnonzero(np.concatenate([[True], cut]))
    length = np.diff(np.append(first, len(log)))
    return SessionCuts(
        first=first,
        length=length,
        last=np.append(cut, True),
        censored=np.append(new_user, True),
        position=np.arange(len(log)) - np.repeat(first, length) + 1,
    )


def satisfaction_after(worth: FloatArray, sessions: SessionCuts, initial: float, rate: float) -> FloatArray:
    """(n,) satisfaction right after each row, by the rule of the kernel: `s + rate * (worth - s)` from `initial`.

    Runs over positions, all sessions that reach a position at once: n operations in all.
    """
    longest_first = np.argsort(-sessions.length, kind="stable")
    first, length = sessions.first[longest_first], sessions.length[longest_first]
    reaching = np.searchsorted(-length, -np.arange(length[0]), side="left")
    level = np.full(len(first), initial)
    after = np.empty(len(worth))
    for position, count in enumerate(reaching):
        rows = first[:count] + position
        level[:count] += rate * (worth[rows] - level[:count])
        after[rows] = level[:count]
    return after


class _LogisticFit(NamedTuple):
    coefficients: FloatArray
    """(p + 1,) intercept first."""
    errors: FloatArray
    """(p + 1,) standard errors from the observed information."""


def _fit_logistic(covariates: FloatArray, events: BoolArray) -> _LogisticFit | None:
    """Maximum likelihood of a logistic regression with intercept; None if the data do not identify it.

    The covariates (n, p) are standardised for the search, so their units do not matter to its conditioning.
    """
    centre, spread = covariates.mean(axis=0), covariates.std(axis=0)
    if np.any(spread < 1e-9):
        return None
    design = np.column_stack([np.ones(len(events)), (covariates - centre) / spread])
    answer = events.astype(np.float64)

    def loss(beta: FloatArray) -> float:
        logit = design @ beta
        return float(np.logaddexp(0, logit).sum() - answer @ logit)

    def gradient(beta: FloatArray) -> FloatArray:
        return np.asarray(design.T @ (expit(design @ beta) - answer))

    def hessian(beta: FloatArray) -> FloatArray:
        chance = expit(design @ beta)
        return np.asarray((design * (chance * (1 - chance))[:, None]).T @ design)

    start = np.zeros(design.shape[1])
    found: Any = minimize(loss, start, jac=gradient, hess=hessian, method="trust-exact", options={"gtol": 1e-6})
    information = hessian(found.x)
    if not np.all(np.isfinite(found.x)) or np.linalg.cond(information) > 1e10:
        return None
    covariance = np.linalg.inv(information)
    # With separated data the likelihood has no maximum: the search stops far out, where the errors are huge.
    if covariance.diagonal().max() > _LARGEST_ERROR**2:
        return None
    # Back to the covariates' own units: beta = scaling @ standardised beta.
    scaling = np.diag(np.concatenate([[1.0], 1 / spread]))
    scaling[0, 1:] = -centre / spread
    return _LogisticFit(scaling @ found.x, np.sqrt(np.diag(scaling @ covariance @ scaling.T)))


def _initial_satisfaction(worth: npt.NDArray[np.floating]) -> Estimate:
    mean, error = float(worth.mean()), float(worth.std() / np.sqrt(len(worth)))
    low, high = max(0.0, mean - Z_95 * error), min(1.0, mean + Z_95 * error)
    return Estimate(mean, low, high, len(worth), "mean normalised rating, normal interval")


def _leaving(
    sessions: SessionCuts, satisfaction: FloatArray, gap_minutes: float
) -> tuple[dict[str, Estimate], str | None]:
    """Estimates of the hazard, or the reason why there are none."""
    seen = ~sessions.censored
    leavings = int((sessions.last & seen).sum())
    if leavings < _FEWEST_LEAVINGS:
        return {}, f"leaving: only {leavings} observed ends of sessions, at least {_FEWEST_LEAVINGS} are needed"
    covariates = np.column_stack([satisfaction, np.log1p(sessions.position)])[seen]
    fit = _fit_logistic(covariates, sessions.last[seen])
    if fit is None:
        return {}, "leaving: the log does not identify the hazard (no variation, or leaving is perfectly predicted)"
    method = f"logistic hazard by maximum likelihood, Wald interval; a session ends at a pause of {gap_minutes:g} min"
    names = ("leaving.intercept", "leaving.satisfaction_weight", "leaving.duration_weight")
    return {
        name: Estimate(float(value), float(value - Z_95 * error), float(value + Z_95 * error), int(seen.sum()), method)
        for name, value, error in zip(names, fit.coefficients, fit.errors, strict=True)
    }, None


def fit_sessions(
    train: Interactions, parameters: SessionParameters | None = None, *, gap_minutes: float = GAP_MINUTES
) -> SessionFit:
    """Fit initial satisfaction and the leaving hazard to training rows.

    The hazard is that of `personagym_env.session.kernel.transition` with a step for every rating: log odds of ending
    the session after a rating, linear in satisfaction after it and in `log(1 + ratings of the session so far)`. Each
    user's last row is left out, because there the log stops rather than the user (right censoring).

    Args:
        train: training rows; without timestamps only the initial satisfaction is fitted.
        parameters: supplies `satisfaction.rate`, which the fit takes as given; the defaults if None.
        gap_minutes: a longer pause ends a session.
    """
    rate = (parameters or SessionParameters()).satisfaction.rate
    if not len(train):
        return SessionFit(notes=("the log has no rows: nothing was fitted",))
    worth = scale_worth(train.scale)[train.rating_index].astype(np.float64)
    initial = _initial_satisfaction(worth)
    estimates = {"satisfaction.initial": initial}
    if train.timestamps is None:
        return SessionFit(estimates, notes=("leaving: the log has no timestamps, so it shows no sessions",))
    sessions = cut_sessions(train, gap_minutes)
    satisfaction = satisfaction_after(worth, sessions, initial.value, rate)
    leaving, problem = _leaving(sessions, satisfaction, gap_minutes)
    quartiles = np.quantile(sessions.length, [0.25, 0.5, 0.75])
    statistics = {
        "pause that ends a session, minutes": gap_minutes,
        "sessions": float(len(sessions.first)),
        "sessions whose end is observed": float((sessions.last & ~sessions.censored).sum()),
        "ratings per session, mean": float(sessions.length.mean()),
        "ratings per session, lower quartile": float(quartiles[0]),
        "ratings per session, median": float(quartiles[1]),
        "ratings per session, upper quartile": float(quartiles[2]),
    }
    return SessionFit(estimates | leaving, statistics, () if problem is None else (problem,))
