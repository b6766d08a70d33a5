"""A check of the gap rule: where pauses within sessions and pauses between sessions part, as the log has it."""

from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq

from personagym_env.data.tables import FloatArray, Interactions
from personagym_env.session.fitting.estimates import Z_95, Estimate, covariance_at

_FEWEST_PAUSES = 100
_MOST_ROUNDS = 2000
_PROGRESS = 1e-10
"""EM ends when a round gains less log likelihood than this per pause."""


class PauseMixture(NamedTuple):
    """Two log-normal laws of pauses between a user's rows, in log seconds."""

    weight: float
    """Share of the pauses that belong to the law of short pauses."""
    centres: tuple[float, float]
    """Means of the log seconds, ascending."""
    spreads: tuple[float, float]
    """Standard deviations of the log seconds."""

    def log_densities(self, log_seconds: FloatArray) -> FloatArray:
        """(n, 2) log of weight times density under the short and the long law."""
        centres, spreads = np.array(self.centres), np.array(self.spreads)
        weights = np.array([self.weight, 1 - self.weight])
        z = (log_seconds[:, None] - centres) / spreads
        return np.asarray(np.log(weights / spreads) - 0.5 * (z**2 + np.log(2 * np.pi)))

    @property
    def crossing(self) -> float | None:
        """Seconds at which a pause is as likely within as between sessions; None if there is none between the means."""

        def ahead(log_seconds: float) -> float:
            short, long = self.log_densities(np.array([log_seconds]))[0]
            return float(short - long)

        if not ahead(self.centres[0]) > 0 > ahead(self.centres[1]):
            return None
        return float(np.exp(brentq(ahead, *self.centres)))


def _expectation_maximisation(log_seconds: FloatArray, counts: FloatArray, cut: float) -> PauseMixture:
    """Maximum likelihood of the mixture for distinct values (d,) with their counts, begun by cutting at `cut`."""
    belongs = (log_seconds < cut).astype(np.float64)
    before = -np.inf
    for _ in range(_MOST_ROUNDS):
        shares = np.stack([belongs, 1 - belongs]) * counts
        total = shares.sum(axis=1)
        centres = shares @ log_seconds / total
        spreads = np.sqrt((shares * (log_seconds - centres[:, None]) ** 2).sum(axis=1) / total)
        # A pause is measured in whole seconds: a law narrower than this would praise itself for one repeated value.
        spreads = np.maximum(spreads, 0.05)
        mixture = PauseMixture(
            float(total[0] / total.sum()),
            (float(centres[0]), float(centres[1])),
            (float(spreads[0]), float(spreads[1])),
        )
        parts = mixture.log_densities(log_seconds)
        whole = np.logaddexp(*parts.T)
        belongs = np.exp(parts[:, 0] - whole)
        likelihood = float(counts @ whole) / float(counts.sum())
        if likelihood - before < _PROGRESS:
            break
        before = likelihood
    return mixture


def _mixture(values: FloatArray) -> PauseMixture:
    """From unbounded parameters (5,): log odds of the weight, two means, two log spreads."""
    weight = float(1 / (1 + np.exp(-values[0])))
    return PauseMixture(
        weight, (float(values[1]), float(values[2])), (float(np.exp(values[3])), float(np.exp(values[4])))
    )


def fit_pauses(log: Interactions, gap_minutes: float) -> tuple[Estimate, PauseMixture] | str:
    """Where the two laws of pauses cross, in minutes, beside the convention of `gap_minutes`.

    A mixture of two normal laws of the log seconds between consecutive rows of a user, by maximum likelihood (EM; as
    Halfaker et al., WWW 2015, find sessions). Pauses of 0 seconds, rows sent together, are left out.

    Returns:
        The crossing with its interval by the delta method, and the mixture; or the reason why there is none.
    """
    assert log.timestamps is not None
    same_user = np.diff(log.users) == 0
    pauses = np.diff(log.timestamps)[same_user]
    users = log.users[1:][same_user][pauses > 0]
    log_seconds = np.log(pauses[pauses > 0])
    cut = np.log(gap_minutes * 60)
    long = int((log_seconds > cut).sum())
    if min(long, len(log_seconds) - long) < _FEWEST_PAUSES:
        return f"gap rule: fewer than {_FEWEST_PAUSES} pauses on one side of {gap_minutes:g} min"
    distinct, counts = np.unique(log_seconds, return_counts=True)
    mixture = _expectation_maximisation(distinct, counts.astype(np.float64), float(cut))
    crossing = mixture.crossing
    if crossing is None:
        return "gap rule: the pauses do not fall into two laws that cross between their means"
    values = np.array(
        [np.log(mixture.weight / (1 - mixture.weight)), *mixture.centres, *np.log(np.array(mixture.spreads))]
    )

    def likelihood(values: FloatArray) -> FloatArray:
        return np.asarray(np.logaddexp(*_mixture(values).log_densities(log_seconds).T))

    covariance = covariance_at(likelihood, values, users)
    if covariance is None:
        return "gap rule: the log does not identify two laws of pauses"
    slopes = []
    for step in np.eye(5) * 1e-4:
        above, below = _mixture(values + step).crossing, _mixture(values - step).crossing
        if above is None or below is None:
            return "gap rule: the laws of pauses hardly cross"
        slopes.append(np.log(above / below) / 2e-4)
    error = float(np.sqrt(np.array(slopes) @ covariance @ np.array(slopes)))
    minutes = crossing / 60
    method = (
        "crossing of two log-normal laws of pauses by maximum likelihood, interval robust to dependence within users"
    )
    interval = minutes * np.exp(np.array([-Z_95, Z_95]) * error)
    return Estimate(minutes, float(interval[0]), float(interval[1]), len(log_seconds), method), mixture
