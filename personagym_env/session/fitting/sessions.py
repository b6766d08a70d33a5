"""Fit what a training log says about sessions: how content users start, when they leave and return, how tastes move.

A log of ratings shows consumptions only: no slate, no step without consumption, no leaving after a step without
consumption. So examination, choice and the miss rate stay assumptions, and are not touched here.

Estimates treat rows as independent, which leaves them consistent; intervals do not, for a user's rows resemble each
other. They all rest on scores that are added up by user: `personagym_env.session.fitting.estimates.robust_covariance`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from personagym_env.data.tables import Catalogue, FloatArray, Interactions
from personagym_env.fit_cache.kept import kept
from personagym_env.session.cuts import SessionCuts, cut_sessions, satisfaction_after
from personagym_env.session.fitting.drift import fit_drift, halves_of, moves_of
from personagym_env.session.fitting.estimates import Estimate
from personagym_env.session.fitting.fatigue import draw_cases, fit_fatigue
from personagym_env.session.fitting.leaving import fit_leaving
from personagym_env.session.fitting.noise import fit_noise
from personagym_env.session.fitting.pauses import fit_pauses
from personagym_env.session.fitting.returning import absences, fit_returning
from personagym_env.session.kernel import normalised_ratings
from personagym_env.session.parameters import SessionParameters

_MOST_ROWS = 1_000_000
"""Fatigue and drift need an array of genres for each row, so of larger logs they see a random part of the users."""

_NEVER_BACK = (
    "returning: users who never come back, for the log ends at another place for each user; the law is of those who did"
)


@dataclass(frozen=True, eq=False)
class SessionFit:
    """What was fitted, what the sessions of the log look like, and why the rest was not fitted."""

    estimates: Mapping[str, Estimate] = field(default_factory=dict)
    """By `part.field` of `SessionParameters`: what `apply` puts in the place of the defaults."""
    statistics: Mapping[str, float] = field(default_factory=dict)
    """Description of the log's sessions, in words; empty without timestamps."""
    notes: tuple[str, ...] = ()
    """What could not be fitted, and why."""
    findings: Mapping[str, Estimate] = field(default_factory=dict)
    """What the log says that `apply` leaves alone: by `part.field` what is off by default or no valid value, and in
    words what is no parameter of the model."""
    gap_minutes: float | None = None
    """The pause that ended the log's sessions; None if they were not cut."""

    def apply(self, parameters: SessionParameters) -> SessionParameters:
        """The parameters with every estimate in the place of its default, and the pause that the estimates rest on."""
        changes: dict[str, dict[str, float]] = {}
        for name, estimate in self.estimates.items():
            part, _, entry = name.partition(".")
            changes.setdefault(part, {})[entry] = estimate.value
        if self.gap_minutes is not None:
            changes.setdefault("returning", {})["pause"] = self.gap_minutes
        return parameters.updated(changes)


class _Found(NamedTuple):
    """One part of a fit."""

    estimates: dict[str, Estimate]
    findings: dict[str, Estimate]
    notes: list[str]

    def add(self, found: tuple[dict[str, Estimate], str | None]) -> None:
        """Take estimates, and the reason for those that are missing."""
        estimates, problem = found
        self.estimates.update(estimates)
        self.notes.extend([problem] if problem else [])


def _statistics(sessions: SessionCuts, gap_minutes: float) -> dict[str, float]:
    quartiles = np.quantile(sessions.length, [0.25, 0.5, 0.75])
    return {
        "pause that ends a session, minutes": gap_minutes,
        "sessions": float(len(sessions.first)),
        "sessions whose end is observed": float((sessions.last & ~sessions.censored).sum()),
        "ratings per session, mean": float(sessions.length.mean()),
        "ratings per session, lower quartile": float(quartiles[0]),
        "ratings per session, median": float(quartiles[1]),
        "ratings per session, upper quartile": float(quartiles[2]),
    }


def _some_users(log: Interactions, rng: np.random.Generator) -> Interactions:
    """The log itself, or random users of a log that is too large, up to `_MOST_ROWS` rows."""
    if len(log) <= _MOST_ROWS:
        return log
    order = rng.permutation(log.n_users)
    chosen = np.zeros(log.n_users, np.bool_)
    chosen[order[np.cumsum(log.counts[order]) <= _MOST_ROWS]] = True
    return log.take(chosen[log.users])


def _fit_genres(
    found: _Found,
    log: Interactions,
    genre_share: FloatArray,
    parameters: SessionParameters,
    gap_minutes: float,
    rng: np.random.Generator,
) -> None:
    """Fatigue and drift."""
    decay = parameters.satiation.decay
    if not genre_share.any():
        found.notes.append("satiation and drift: the catalogue has no genres")
        return
    log = _some_users(log, rng)
    fatigue = fit_fatigue(draw_cases(log, cut_sessions(log, gap_minutes), genre_share, decay, rng), decay)
    if isinstance(fatigue, str):
        found.notes.append(fatigue)
    elif fatigue.value >= 0:
        found.estimates["choice.satiation_weight"] = fatigue
    else:
        found.findings["choice.satiation_weight"] = fatigue
        found.notes.append(
            f"satiation: in this log items of one genre follow each other more often than by chance (weight "
            f"{fatigue.value:.3g}, 95 % in [{fatigue.low:.3g}, {fatigue.high:.3g}]), as where users rate lists; the "
            "model knows fatigue only, so the assumed weight holds"
        )
    halves, shuffled = halves_of(log, genre_share, rng)
    if len(halves.users):
        over, cosines = "mean over users", np.mean([half.cosine for half in shuffled], axis=0)
        found.findings["cosine of genre shares, early to late half"] = Estimate.mean(halves.cosine, halves.users, over)
        found.findings["cosine of genre shares, random halves"] = Estimate.mean(cosines, halves.users, over)
    drift = fit_drift(moves_of(log, genre_share, halves, shuffled)) if len(halves.users) else "drift: short histories"
    if isinstance(drift, str):
        found.notes.append(drift)
    else:
        found.findings["drift.scale"] = drift


@kept(SessionFit, Estimate)
def fit_sessions(
    train: Interactions,
    parameters: SessionParameters | None = None,
    *,
    catalogue: Catalogue | None = None,
    gap_minutes: float | None = None,
    rng: np.random.Generator | None = None,
) -> SessionFit:
    """Fit the parameters of sessions to training rows, each by maximum likelihood.

    Drift is measured but not applied, because it is off by default: a world that wants it sets `drift.scale` to what
    `findings` says.

    Args:
        train: training rows; without timestamps only the initial satisfaction and the rating noise are fitted.
        parameters: supplies what the fits take as given, `satisfaction.rate`, `satiation.decay` and
            `returning.pause`; the defaults if None.
        catalogue: of the log; without it neither fatigue, drift nor rating noise is fitted.
        gap_minutes: a longer pause ends a session; `returning.pause` if None.
        rng: draws what the fits compare with, random items and random halves; a fixed one if None, so that a log
            always gives the same fit.
    """
    parameters = parameters or SessionParameters()
    rng = np.random.default_rng(0) if rng is None else rng
    pause = parameters.returning.pause if gap_minutes is None else gap_minutes
    if not len(train):
        return SessionFit(notes=("the log has no rows: nothing was fitted",))
    normalised_rating = normalised_ratings(train.scale)[train.rating_index].astype(np.float64)
    mean = Estimate.mean(
        normalised_rating, train.users, "mean normalised rating, interval robust to dependence within users"
    )
    initial = mean._replace(low=max(0.0, mean.low), high=min(1.0, mean.high))
    found = _Found({"satisfaction.initial": initial}, {}, [])
    statistics: dict[str, float] = {}
    if train.timestamps is None:
        found.notes.append("leaving, returning, satiation, drift: the log has no timestamps, so it shows no sessions")
    else:
        sessions = cut_sessions(train, pause)
        statistics = _statistics(sessions, pause)
        satisfaction = satisfaction_after(normalised_rating, sessions, initial.value, parameters.satisfaction.rate)
        found.add(fit_leaving(train.users, sessions, satisfaction, pause))
        found.add(fit_returning(absences(train, sessions, satisfaction), pause))
        if "returning.location" in found.estimates:
            found.notes.append(_NEVER_BACK)
        crossing = fit_pauses(train, pause)
        if isinstance(crossing, str):
            found.notes.append(crossing)
        else:
            found.findings["pause that ends a session by two laws of pauses, minutes"] = crossing[0]
        if catalogue is not None:
            _fit_genres(found, train, catalogue.genre_shares.astype(np.float32), parameters, pause, rng)
    if catalogue is not None:
        noise, problem = fit_noise(train, catalogue)
        found.findings.update(noise)
        found.notes.extend([problem] if problem else [])
    cut = None if train.timestamps is None else pause
    return SessionFit(found.estimates, statistics, tuple(found.notes), found.findings, cut)
