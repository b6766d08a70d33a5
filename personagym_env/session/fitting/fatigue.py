"""Repeat-genre fatigue: does a genre just consumed make the next consumption less likely to be of that genre?"""

from typing import NamedTuple

import numpy as np
from scipy.special import log_softmax

from personagym_env.data.tables import FloatArray, IntArray, Interactions
from personagym_env.session.cuts import SessionCuts, exposure_before
from personagym_env.session.fitting.estimates import Estimate, robust_covariance

_CONTROLS = 10
"""Items drawn beside the consumed one; ten give over 90 % of the information of all."""
_MOST_CASES = 40_000
"""Rows that are looked at; more are drawn from."""
_FEWEST_CASES = 200
_MOST_ROUNDS = 50


class Cases(NamedTuple):
    """Consumptions with what else might have been consumed. Shapes: c cases, d candidates, the consumed one first."""

    users: IntArray
    """(c,)"""
    covariates: FloatArray
    """(c, d, 2): satiation with the candidate's genres, log popularity."""


def draw_cases(
    log: Interactions,
    sessions: SessionCuts,
    genre_share: FloatArray,
    decay: float,
    rng: np.random.Generator,
) -> Cases:
    """Pair consumptions that follow others of their session with items that the same user consumes then or later.

    Those candidates are of the user's own taste and choice, so neither taste nor selection needs a model: if order
    followed neither genre nor popularity, each candidate would be as likely the next. That is the partial likelihood of
    orders (Plackett-Luce, Cox), with risk sets sampled with replacement and the case added, which leaves the estimate
    consistent (Ben-Akiva, Lerman, Discrete Choice Analysis, 1985, section 9.3).
    """
    assert log.timestamps is not None
    exposure = exposure_before(log, sessions, genre_share, decay)
    position = np.arange(len(log))
    other_moment = np.concatenate([[True], (np.diff(log.users) != 0) | (np.diff(log.timestamps) > 0)])
    moment = np.maximum.accumulate(np.where(other_moment, position, 0))
    end = log.indptr[1:][log.users]
    rows = np.flatnonzero((exposure.max(axis=1, initial=0) > 0) & (end - moment > 1))
    if len(rows) > _MOST_CASES:
        rows = np.sort(rng.choice(rows, _MOST_CASES, replace=False))
    drawn = rng.integers(moment[rows][:, None], end[rows][:, None], size=(len(rows), _CONTROLS))
    candidates = log.items[np.column_stack([rows, drawn])]
    burden = np.matmul(genre_share[candidates], exposure[rows][:, :, None])[:, :, 0]
    popularity = np.log1p(np.bincount(log.items, minlength=log.n_items))
    return Cases(log.users[rows], np.stack([burden, popularity[candidates]], axis=2).astype(np.float64))


def choice_log_chances(cases: Cases, weights: FloatArray) -> FloatArray:
    """(c, d) log probability of each candidate to be the consumed one, by a logit with the weights (2,).

    Candidates are drawn uniformly, and one that was drawn twice counts twice, so no correction for sampling is needed
    (McFadden 1978, uniform conditioning).
    """
    return np.asarray(log_softmax(cases.covariates @ weights, axis=1))


def log_likelihood(cases: Cases, weights: FloatArray) -> FloatArray:
    """(c,) log probability of each consumption among its candidates."""
    return np.asarray(choice_log_chances(cases, weights)[:, 0])


def conditional_logit(cases: Cases) -> tuple[FloatArray, FloatArray] | None:
    """(2,) weights, (2, 2) covariance of maximum likelihood, robust to dependence within users; None if unidentified.

    The likelihood (McFadden 1974) is concave, so Newton's steps, halved where they do not climb, find its maximum.
    """
    x = cases.covariates
    weights = np.zeros(x.shape[2])
    climbed = float(log_likelihood(cases, weights).sum())
    for _ in range(_MOST_ROUNDS):
        chance = np.exp(choice_log_chances(cases, weights))
        mean = np.einsum("cd,cdp->cp", chance, x)
        information = np.einsum("cd,cdp,cdq->pq", chance, x, x) - mean.T @ mean
        scores = x[:, 0] - mean
        covariance = robust_covariance(information, scores, cases.users)
        if covariance is None:
            return None
        step = np.linalg.solve(information, scores.sum(axis=0))
        if np.abs(step).max() < 1e-8:
            return weights, covariance
        while (level := float(log_likelihood(cases, weights + step).sum())) < climbed and np.abs(step).max() > 1e-9:
            step = step / 2
        weights, climbed = weights + step, max(level, climbed)
    return None


def fit_fatigue(cases: Cases, decay: float) -> Estimate | str:
    """The weight of satiation (`choice.satiation_weight`): utility lost per unit of satiation, below 0 if gained.

    Returns:
        The estimate, or the reason why there is none.
    """
    if len(cases.users) < _FEWEST_CASES:
        return f"satiation: only {len(cases.users)} rows follow another genre exposure, {_FEWEST_CASES} are needed"
    fit = conditional_logit(cases)
    if fit is None:
        return "satiation: the log does not identify the weight of genres just consumed"
    weights, covariance = fit
    method = (
        "conditional logit of the consumed item against items that the user consumes then or later, given popularity; "
        f"maximum likelihood at satiation.decay {decay:g}, interval robust to dependence within users"
    )
    return Estimate.wald(-weights[0], float(np.sqrt(covariance[0, 0])), len(cases.users), method)
