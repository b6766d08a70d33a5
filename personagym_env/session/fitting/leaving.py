"""The end of a session: a logistic hazard, by maximum likelihood, with intervals that know of users.

A user's sessions resemble each other, so rows of one user are no independent witnesses. The likelihood treats them as
such, which leaves the estimate consistent, and the intervals do not: their covariance is the sandwich of scores that
are added up by user (Liang, Zeger, Biometrika 1986, independence as working correlation).
"""

from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from personagym_env.data.tables import BoolArray, FloatArray, IntArray
from personagym_env.session.cuts import SessionCuts
from personagym_env.session.fitting.estimates import Estimate, robust_covariance

_FEWEST_LEAVINGS = 30
"""With fewer observed leavings (ten for each of the three coefficients) the hazard is not fitted."""
_LARGEST_ERROR = 3.0
"""A standard error of independent rows above this, in logits per standard deviation of a covariate, means that nothing
was learned."""


class _LogisticFit(NamedTuple):
    coefficients: FloatArray
    """(p + 1,) intercept first."""
    errors: FloatArray
    """(p + 1,) standard errors that allow for dependence within users."""


def _fit_logistic(covariates: FloatArray, events: BoolArray, users: IntArray) -> _LogisticFit | None:
    """Maximum likelihood of a logistic regression with intercept; None if the data do not identify it.

    Args:
        covariates: (n, p), standardised for the search, so that their units do not matter to its conditioning.
        events: (n,) what is explained.
        users: (n,) whose rows may depend on each other.
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
    # With separated data the likelihood has no maximum: the search stops far out, where the curvature is lost.
    if np.linalg.inv(information).diagonal().max() > _LARGEST_ERROR**2:
        return None
    covariance = robust_covariance(information, design * (answer - expit(design @ found.x))[:, None], users)
    if covariance is None:
        return None
    # Back to the covariates' own units: beta = scaling @ standardised beta.
    scaling = np.diag(np.concatenate([[1.0], 1 / spread]))
    scaling[0, 1:] = -centre / spread
    return _LogisticFit(scaling @ found.x, np.sqrt(np.diag(scaling @ covariance @ scaling.T)))


def fit_leaving(
    users: IntArray, sessions: SessionCuts, satisfaction: FloatArray, gap_minutes: float
) -> tuple[dict[str, Estimate], str | None]:
    """Fit the hazard of `personagym_env.session.kernel.transition` with a step for every rating.

    The log odds of ending the session after a rating are linear in satisfaction after it and in
    `log(1 + ratings of the session so far)`. Each user's last row is left out, because there the log stops rather than
    the user (right censoring), and so is the first session, see `SessionCuts.telling`: the users of a simulation have a
    log behind them.

    Args:
        users: (n,) of the log's rows.
        sessions: of the log's n rows.
        satisfaction: (n,) after each row.
        gap_minutes: the pause that ended the sessions, for the account of the method.

    Returns:
        Estimates by parameter, or none and the reason why.
    """
    seen = sessions.telling
    leavings = int((sessions.last & seen).sum())
    if leavings < _FEWEST_LEAVINGS:
        return {}, (
            f"leaving: only {leavings} observed ends of sessions other than a user's first, at least "
            f"{_FEWEST_LEAVINGS} are needed"
        )
    covariates = np.column_stack([satisfaction, np.log1p(sessions.position)])[seen]
    fit = _fit_logistic(covariates, sessions.last[seen], users[seen])
    if fit is None:
        return {}, (
            "leaving: the log does not identify the hazard (one user, no variation, or leaving is perfectly predicted)"
        )
    method = (
        "logistic hazard by maximum likelihood, each user's first session apart, interval robust to dependence within "
        f"users; a session ends at a pause of {gap_minutes:g} min"
    )
    names = ("leaving.intercept", "leaving.satisfaction_weight", "leaving.duration_weight")
    return {
        name: Estimate.wald(value, error, int(seen.sum()), method)
        for name, value, error in zip(names, fit.coefficients, fit.errors, strict=True)
    }, None
