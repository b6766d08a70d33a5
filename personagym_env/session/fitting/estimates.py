"""What a log says about one quantity, and maximum likelihood with intervals that allow for dependence within users."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import minimize

from personagym_env.data.tables import FloatArray, IntArray

Z_95 = 1.959963984540054
"""Standard normal quantile of a two-sided 95 % interval."""
_STEP = 1e-4
"""Step of central differences: their error, of order step ** 2, is far below any standard error."""
_WORST_CONDITION = 1e10
"""An information matrix with a larger condition number identifies nothing."""


class Estimate(NamedTuple):
    """A quantity as a log tells it."""

    value: float
    low: float
    """Lower end of the 95 % interval."""
    high: float
    """Upper end of the 95 % interval."""
    rows: int
    """Log rows (or gaps, pairs, users: `method` says which) that it is estimated from."""
    method: str

    @classmethod
    def wald(cls, value: float, error: float, rows: int, method: str) -> "Estimate":
        """An estimate with the normal interval of its standard error."""
        return cls(float(value), float(value - Z_95 * error), float(value + Z_95 * error), rows, method)

    @classmethod
    def mean(cls, values: FloatArray, clusters: IntArray, method: str) -> "Estimate":
        """The mean of values (n,) with the normal interval of `mean_error`."""
        return cls.wald(float(values.mean()), mean_error(values, clusters), len(values), method)


class Maximum(NamedTuple):
    """A maximum of a likelihood."""

    values: FloatArray
    """(p,) parameters."""
    covariance: FloatArray
    """(p, p) of the parameters."""

    @property
    def errors(self) -> FloatArray:
        """(p,) standard errors."""
        return np.sqrt(np.diag(self.covariance))


LogDensity = Callable[[FloatArray], FloatArray]
"""Parameters (p,) to the log likelihood (n,) of each observation."""


def _scores(log_density: LogDensity, values: FloatArray) -> FloatArray:
    """(n, p) derivatives of each observation's log likelihood, by central differences."""
    steps = np.eye(len(values)) * _STEP
    return np.column_stack([(log_density(values + step) - log_density(values - step)) / (2 * _STEP) for step in steps])


def sum_by(clusters: IntArray, values: FloatArray) -> FloatArray:
    """(c, p) sums of the rows (n, p) that belong to each of the c distinct clusters (n,)."""
    _, cluster = np.unique(clusters, return_inverse=True)
    return np.column_stack([np.bincount(cluster, column) for column in values.T])


def mean_error(values: FloatArray, clusters: IntArray) -> float:
    """Standard error of the mean of values (n,), of which those of one cluster (n,) may depend on each other.

    It is `robust_covariance` of a mean, so that values that are equal within c clusters of n / c have the error of c
    values. Infinite for a single cluster, which does not tell how clusters differ.
    """
    summed = sum_by(clusters, (values - values.mean())[:, None])
    if len(summed) < 2:
        return np.inf
    return float(np.sqrt((summed**2).sum() * _of_few(len(summed)))) / len(values)


def _of_few(clusters: int) -> float:
    """Factor of a variance that was measured on few clusters (Cameron, Miller, J. Human Resources 2015, II.C)."""
    return clusters / (clusters - 1)


def robust_covariance(information: FloatArray, scores: FloatArray, clusters: IntArray) -> FloatArray | None:
    """(p, p) sandwich covariance of a maximum of likelihood (Huber 1967), clustered (Liang, Zeger, Biometrika 1986).

    Args:
        information: (p, p) minus the second derivatives of the log likelihood.
        scores: (n, p) first derivatives of each observation's log likelihood.
        clusters: (n,) the user of each observation; observations of one user may depend on each other.

    Returns:
        None if the information is not positive definite, so that the data do not identify the parameters, or if there
        is one cluster only: at the maximum its scores add up to 0, which would pass for certainty.
    """
    if not np.all(np.isfinite(information)) or np.linalg.cond(information) > _WORST_CONDITION:
        return None
    if np.linalg.eigvalsh(information)[0] <= 0:
        return None
    bread, summed = np.linalg.inv(information), sum_by(clusters, scores)
    if len(summed) < 2:
        return None
    return np.asarray(bread @ (summed.T @ summed) @ bread * _of_few(len(summed)))


def covariance_at(log_density: LogDensity, values: FloatArray, clusters: IntArray) -> FloatArray | None:
    """(p, p) `robust_covariance` at a maximum (p,), with derivatives by central differences; None if unidentified."""
    steps = np.eye(len(values)) * _STEP
    rows = [
        (_scores(log_density, values + step).sum(axis=0) - _scores(log_density, values - step).sum(axis=0))
        / (2 * _STEP)
        for step in steps
    ]
    information = -np.array(rows)
    return robust_covariance((information + information.T) / 2, _scores(log_density, values), clusters)


def maximise(log_density: LogDensity, start: FloatArray, clusters: IntArray) -> Maximum | None:
    """Maximum likelihood by quasi-Newton steps (BFGS) from `start` (p,), whose entries should be of order 1.

    Returns:
        None if the search ends nowhere, or the likelihood does not identify the parameters there.
    """
    n = len(clusters)

    def loss(values: FloatArray) -> float:
        return -float(log_density(values).sum()) / n

    def gradient(values: FloatArray) -> FloatArray:
        return np.asarray(-_scores(log_density, values).sum(axis=0) / n)

    with np.errstate(all="ignore"):  # a long first step may leave the range of numbers; the search then shortens it
        found: Any = minimize(loss, start, jac=gradient, method="BFGS", options={"gtol": 1e-7})
    values = np.asarray(found.x)
    if not np.all(np.isfinite(values)) or np.abs(found.jac).max() > 1e-4:
        return None
    covariance = covariance_at(log_density, values, clusters)
    return None if covariance is None else Maximum(values, covariance)
