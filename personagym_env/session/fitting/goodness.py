"""How well the fitted laws describe sessions that they were not fitted to, beside the simplest law of each kind.

Everything is plain data: curves to draw, distances, and log likelihoods with intervals over users.
"""

from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy.special import expit, ndtr

from personagym_env.data.tables import Catalogue, FloatArray, IntArray, Interactions
from personagym_env.session.cuts import SessionCuts, cut_sessions, satisfaction_after
from personagym_env.session.fitting import drift as fit_drift
from personagym_env.session.fitting import fatigue as fit_fatigue
from personagym_env.session.fitting.estimates import Estimate
from personagym_env.session.fitting.returning import Absences, absences
from personagym_env.session.fitting.sessions import fit_sessions
from personagym_env.session.kernel import normalised_ratings
from personagym_env.session.parameters import SessionParameters
from personagym_env.session.returning import MINUTES_PER_DAY, log_density, log_survival

_CURVE_POINTS = 400
"""Points at which curves are compared and drawn, at most; distances are exact to the 400th part."""


@dataclass(frozen=True)
class SurvivalCurves:
    """Shares of held-out cases above each value, observed and by two laws. Shapes: x points."""

    quantity: str
    """What the values are of, with its unit."""
    at: list[float]
    """(x,) ascending."""
    observed: list[float]
    """(x,) Kaplan-Meier estimate."""
    fitted: list[float]
    """(x,) by the fitted law."""
    baseline: list[float]
    """(x,) by the simple law."""
    fitted_distance: float
    """Kolmogorov-Smirnov: the largest difference between fitted and observed share."""
    baseline_distance: float
    """The same of the simple law."""


@dataclass(frozen=True)
class GoodnessOfFit:
    """One fitted law against one simple law, both fitted to the same rows, on rows that neither has seen."""

    name: str
    """The part of the session model."""
    law: str
    baseline: str
    cases: int
    """Held-out observations."""
    log_likelihood: float
    """Mean over observations under the fitted law."""
    baseline_log_likelihood: float
    """The same under the simple law."""
    gain: Estimate
    """Difference of the two, with an interval over users; above 0 the fitted law is the better one."""
    curves: SurvivalCurves

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON has it."""
        return {**asdict(self), "gain": self.gain._asdict()}


def _compare(
    name: str,
    laws: tuple[str, str],
    log_likelihoods: tuple[FloatArray, FloatArray],
    users: IntArray,
    curves: SurvivalCurves,
) -> GoodnessOfFit:
    """Put two laws' log likelihoods (n,) of the same observations of users (n,) side by side."""
    fitted, baseline = log_likelihoods
    gain = Estimate.mean(fitted - baseline, users, "mean over observations, interval robust to dependence within users")
    return GoodnessOfFit(name, *laws, len(users), float(fitted.mean()), float(baseline.mean()), gain, curves)


def _list(values: FloatArray) -> list[float]:
    return [float(value) for value in values]


class _Observed(NamedTuple):
    """An observed survival curve as steps. Shapes: x points."""

    at: FloatArray
    """(x,) values at which something ends, ascending."""
    before: FloatArray
    """(x,) share that lasts at least so long."""
    after: FloatArray
    """(x,) share that lasts longer."""

    @classmethod
    def of(cls, at: FloatArray, ends: IntArray, at_risk: IntArray) -> "_Observed":
        """Kaplan-Meier estimate (1958) from how many end at each value (x,) of those who get so far (x,), thinned."""
        after = np.cumprod(1 - ends / np.maximum(at_risk, 1))  # beyond the last end nobody is at risk
        keep = np.unique(np.linspace(0, len(at) - 1, _CURVE_POINTS).round().astype(np.int64))
        return cls(at[keep], np.append(1.0, after[:-1])[keep], after[keep])

    @classmethod
    def of_values(cls, values: FloatArray) -> "_Observed":
        """The same from values (n,), each of which is the end of one case."""
        at, ends = np.unique(values, return_counts=True)
        return cls.of(at, ends, len(values) - np.cumsum(ends) + ends)

    def against(self, quantity: str, fitted: FloatArray, baseline: FloatArray, *, continuous: bool) -> SurvivalCurves:
        """Beside the curves of two laws (x,); a continuous law is farthest from a step on either side of it."""

        def distance(law: FloatArray) -> float:
            apart = float(np.abs(law - self.after).max())
            return max(apart, float(np.abs(law - self.before).max())) if continuous else apart

        return SurvivalCurves(
            quantity,
            at=_list(self.at),
            observed=_list(self.after),
            fitted=_list(fitted),
            baseline=_list(baseline),
            fitted_distance=distance(fitted),
            baseline_distance=distance(baseline),
        )


def _lengths(
    log: Interactions, sessions: SessionCuts, satisfaction: FloatArray, parameters: SessionParameters, constant: float
) -> GoodnessOfFit:
    """The hazard of leaving against a constant one, that is sessions of geometric length.

    The fitted curve is the product over positions of one minus the mean fitted hazard of those who get so far: the
    hazard depends on the ratings of each session, and those of a session that has ended do not exist.
    """
    leaving, seen = parameters.leaving, sessions.telling
    logit = leaving.intercept + leaving.satisfaction_weight * satisfaction
    logit = (logit + leaving.duration_weight * np.log1p(sessions.position))[seen]
    left, position = sessions.last[seen], sessions.position[seen]
    fitted = -np.logaddexp(0, np.where(left, -logit, logit))
    baseline = np.log(np.where(left, constant, 1 - constant))
    here = np.bincount(position)
    at = np.flatnonzero(here)
    observed = _Observed.of(at.astype(np.float64), np.bincount(position, left)[at], here[at])
    staying = np.cumprod(1 - np.bincount(position, expit(logit))[at] / here[at])
    curves = observed.against(
        "ratings in a session",
        staying[np.searchsorted(at, observed.at)],
        np.power(1 - constant, observed.at),
        continuous=False,
    )
    laws = ("logistic hazard in satisfaction and position", "constant hazard (geometric length)")
    return _compare("leaving", laws, (fitted, baseline), log.users[seen], curves)


def _gaps(away: Absences, parameters: SessionParameters, mean_beyond: float) -> GoodnessOfFit:
    """The law of returning against exponential gaps of mean `mean_beyond` days beyond the pause."""
    returning = parameters.returning
    shortest = returning.pause / MINUTES_PER_DAY
    centre = returning.location + returning.satisfaction_weight * away.satisfaction
    fitted = log_density(away.days, centre, returning.spread, shortest)
    baseline = -(away.days - shortest) / mean_beyond - np.log(mean_beyond)
    observed = _Observed.of_values(away.days)
    law = [np.exp(log_survival(np.full(1, day), centre, returning.spread, shortest)).mean() for day in observed.at]
    exponential = np.exp(-(observed.at - shortest) / mean_beyond)
    curves = observed.against("days until return", np.array(law), exponential, continuous=True)
    laws = ("log-normal accelerated failure time", "exponential gaps")
    return _compare("returning", laws, (fitted, baseline), away.users, curves)


def _fatigue(cases: fit_fatigue.Cases, weights: FloatArray, popularity_weight: FloatArray) -> GoodnessOfFit:
    """The conditional logit with `weights` (2,) against one of popularity alone (1,).

    The curves are of what fatigue is about, how worn the genres of the consumed item were. Both laws say with which
    chance it would have been each of its candidates.
    """
    laws = [fit_fatigue.choice_log_chances(cases, one) for one in (weights, np.append(0.0, popularity_weight))]
    at, place = np.unique(cases.covariates[:, :, 0], return_inverse=True)
    ends = np.bincount(place[:, 0], minlength=len(at))
    consumed = _Observed.of(at, ends, len(place) - np.cumsum(ends) + ends)
    shares = [np.bincount(place.ravel(), np.exp(law).ravel()) / len(place) for law in laws]
    above = [np.maximum(1 - np.cumsum(share), 0)[np.searchsorted(at, consumed.at)] for share in shares]
    curves = consumed.against("satiation with the genres of the consumed item", *above, continuous=False)
    told = ("conditional logit with genres just consumed", "without them")
    return _compare("satiation", told, (laws[0][:, 0], laws[1][:, 0]), cases.users, curves)


def _moves(moves: fit_drift.Moves, scale: float) -> GoodnessOfFit:
    """A random walk of taste of this scale against no drift at all, both with the noise of random halves."""
    spreads = [np.sqrt(moves.noise + variance * moves.steps) for variance in (scale**2, 0.0)]
    size = np.abs(moves.move)
    observed = _Observed.of_values(size)
    laws = [np.array([2 * ndtr(-value / spread).mean() for value in observed.at]) for spread in spreads]
    curves = observed.against("move of a genre's log odds, early to late half", laws[0], laws[1], continuous=True)
    likelihoods = (fit_drift.log_likelihood(moves, scale**2), fit_drift.log_likelihood(moves, 0.0))
    return _compare("drift", ("random walk of genre preferences", "no drift"), likelihoods, moves.users, curves)


def goodness_of_fit(
    train: Interactions,
    held_out: Interactions,
    parameters: SessionParameters | None = None,
    *,
    catalogue: Catalogue | None = None,
    rng: np.random.Generator | None = None,
) -> list[GoodnessOfFit]:
    """Fit the laws of sessions to one log and compare them with simple ones on another.

    The logs must be different rows of known data, for example those of different users, or of different times. Laws
    that the training log does not identify are left out; without timestamps, all are.

    Args:
        train: rows that the laws are fitted to.
        held_out: rows that they are compared on.
        parameters: see `fit_sessions`, as the next two.
        catalogue: see there.
        rng: see there.
    """
    if train.timestamps is None or held_out.timestamps is None or not len(held_out):
        return []
    rng = np.random.default_rng(0) if rng is None else rng
    given = parameters or SessionParameters()
    fit = fit_sessions(train, given, catalogue=catalogue, rng=rng)
    known = fit.apply(given)
    pause, rate, initial = known.returning.pause, known.satisfaction.rate, known.satisfaction.initial
    parts = []
    for log in (train, held_out):
        normalised_rating = normalised_ratings(log.scale)[log.rating_index].astype(np.float64)
        sessions = cut_sessions(log, pause)
        satisfaction = satisfaction_after(normalised_rating, sessions, initial, rate)
        parts.append((sessions, satisfaction, absences(log, sessions, satisfaction)))
    (seen, _, seen_away), (sessions, satisfaction, away) = parts
    found = []
    if "leaving.intercept" in fit.estimates and sessions.last[sessions.telling].any():
        constant = float(seen.last[seen.telling].mean())
        found.append(_lengths(held_out, sessions, satisfaction, known, constant))
    if "returning.location" in fit.estimates and len(away.days):
        beyond = float(seen_away.days.mean()) - pause / MINUTES_PER_DAY
        found.append(_gaps(away, known, beyond))
    if catalogue is not None and catalogue.genres.any():
        genre_share = catalogue.genre_shares.astype(np.float32)
        found += _genres(train, held_out, known, fit.findings.get("drift.scale"), genre_share, rng)
    return found


def _genres(
    train: Interactions,
    held_out: Interactions,
    parameters: SessionParameters,
    drift: Estimate | None,
    genre_share: FloatArray,
    rng: np.random.Generator,
) -> list[GoodnessOfFit]:
    """Fatigue and drift, as far as both logs show them."""
    found = []
    pause, decay = parameters.returning.pause, parameters.satiation.decay
    cases, unseen = (
        fit_fatigue.draw_cases(log, cut_sessions(log, pause), genre_share, decay, rng) for log in (train, held_out)
    )
    full = fit_fatigue.conditional_logit(cases) if len(cases.users) else None
    plain = fit_fatigue.conditional_logit(cases._replace(covariates=cases.covariates[:, :, 1:])) if full else None
    if full is not None and plain is not None and len(unseen.users):
        found.append(_fatigue(unseen, full[0], plain[0]))
    halves, shuffled = fit_drift.halves_of(held_out, genre_share, rng)
    if drift is not None and len(halves.users):
        found.append(_moves(fit_drift.moves_of(held_out, genre_share, halves, shuffled), drift.value))
    return found
