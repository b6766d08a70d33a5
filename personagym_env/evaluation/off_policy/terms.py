"""What an estimator adds up: every estimate here is a sum of ratios of sums over sessions.

So a resample of sessions needs no second look at the log, groups of sessions stand for sessions in a large log, and
the exact expectation of an estimator is its value under the sessions' probabilities. Shapes: j sessions or groups of
sessions, c ratios, f coefficients of an action-value model, b rows of bootstrap weights.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt

from personagym_env.data.tables import FloatArray, IntArray

Floats = npt.NDArray[np.float64]

GROUPS = 1_000
"""Groups that `grouped` makes of the sessions of a log, if there are more."""


@dataclass(frozen=True, eq=False)
class WeightSums:
    """Sums of the importance weights that carry an estimate, by session or group; each (j,)."""

    count: Floats
    """Weights."""
    total: Floats
    squares: Floats
    largest: Floats
    zeros: Floats
    """Weights of 0: the evaluation policy would never have done what was logged."""

    @classmethod
    def of(cls, weights: Floats) -> "WeightSums":
        """Of weights (j,) or (j, k), of which a session has one or k."""
        if weights.ndim == 1:
            return cls(np.ones_like(weights), weights, weights**2, weights, (weights == 0).astype(np.float64))
        rows = weights
        return cls(
            np.full(len(rows), float(rows.shape[1])),
            rows.sum(axis=1),
            (rows**2).sum(axis=1),
            rows.max(axis=1),
            (rows == 0).sum(axis=1).astype(np.float64),
        )

    @classmethod
    def joined(cls, parts: Sequence["WeightSums"]) -> "WeightSums":
        """Of the rows of all parts."""
        return cls(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)))

    def take(self, rows: IntArray) -> "WeightSums":
        """Of some rows, which may repeat."""
        return WeightSums(*(getattr(self, field.name)[rows] for field in fields(self)))

    def grouped(self, group: IntArray, n_groups: int) -> "WeightSums":
        """The same by group (j,) of sessions."""
        order, starts = _grouped_order(group, n_groups)
        count, total, squares, zeros = (
            np.add.reduceat(one[order], starts) for one in (self.count, self.total, self.squares, self.zeros)
        )
        return WeightSums(count, total, squares, np.maximum.reduceat(self.largest[order], starts), zeros)


@dataclass(frozen=True, eq=False)
class Terms:
    """An estimator's sums by session or group: `sum over c of (sum of numerators c) / (sum of denominators c)`.

    A `personagym_env.evaluation.core.statistics.Statistic`.
    """

    numerator: Floats
    """(j, c)"""
    denominator: Floats
    """(j, c)"""
    gradient: Floats
    """(j, c, f) what each coefficient of the action-value model adds to the numerators; (j, c, 0) without a model."""
    weights: WeightSums | None
    """The weights that carry the estimate; None where a model alone does."""

    @classmethod
    def mean(cls, values: Floats, weights: WeightSums | None = None, gradient: Floats | None = None) -> "Terms":
        """The mean over sessions of values (j,), plus gradient (j, f) times a model's coefficients."""
        slope = np.zeros((len(values), 0)) if gradient is None else gradient
        return cls(values[:, None], np.ones((len(values), 1)), slope[:, None, :], weights)

    @classmethod
    def ratio(cls, numerator: Floats, denominator: Floats, weights: WeightSums) -> "Terms":
        """A sum over ratios of (j,) or (j, c) numerators and denominators."""
        rows = len(numerator)
        columns = numerator.reshape(rows, -1)
        return cls(columns, denominator.reshape(rows, -1), np.zeros((*columns.shape, 0)), weights)

    def __repr__(self) -> str:
        return f"Terms({len(self.numerator)} rows, {self.numerator.shape[1]} ratios, {self.gradient.shape[2]} slopes)"

    @classmethod
    def joined(cls, parts: Sequence["Terms"]) -> "Terms":
        """Of the rows of all parts, which are of one estimator."""
        weights = [part.weights for part in parts if part.weights is not None]
        return cls(
            np.concatenate([part.numerator for part in parts]),
            np.concatenate([part.denominator for part in parts]),
            np.concatenate([part.gradient for part in parts]),
            WeightSums.joined(weights) if weights else None,
        )

    def take(self, rows: IntArray) -> "Terms":
        """Of some rows, which may repeat: of a resampled log."""
        weights = None if self.weights is None else self.weights.take(rows)
        return Terms(self.numerator[rows], self.denominator[rows], self.gradient[rows], weights)

    def grouped(self, group: IntArray, n_groups: int) -> "Terms":
        """The same by group (j,) of sessions: sums of random groups are as good as sessions for a bootstrap of many."""
        numerator, denominator, gradient = (
            sum_by_group(part, group, n_groups) for part in (self.numerator, self.denominator, self.gradient)
        )
        weights = None if self.weights is None else self.weights.grouped(group, n_groups)
        return Terms(numerator, denominator, gradient, weights)

    def with_model(self, coefficients: Floats) -> "Terms":
        """Fix the action-value model: coefficients (f,) for all rows, or (j, f) for each, as from cross-fitting."""
        rows, _, f = self.gradient.shape
        if coefficients.shape not in ((f,), (rows, f)):
            raise ValueError(f"expected coefficients of shape {(f,)} or {(rows, f)}, got {coefficients.shape}")
        added = np.matmul(self.gradient, np.broadcast_to(coefficients, (rows, f))[:, :, None])[:, :, 0]
        return replace(self, numerator=self.numerator + added, gradient=self.gradient[:, :, :0])

    def resampled(self, weights: FloatArray) -> FloatArray:
        """(b,) the estimate under each row of weights (b, j): how often each row was drawn, or its probability.

        NaN where a resample has no denominator.

        Raises:
            ValueError: the action-value model is not fixed yet.
        """
        return resampled_together([self], weights)[:, 0]


def resampled_together(terms: Sequence[Terms], weights: FloatArray) -> Floats:
    """(b, e) what e estimators say under each row of weights (b, j), in one product; see `Terms.resampled`.

    Raises:
        ValueError: an action-value model is not fixed yet.
    """
    if any(one.gradient.shape[2] for one in terms):
        raise ValueError("this estimator needs an action-value model: see Terms.with_model")
    sums = weights @ np.concatenate([part for one in terms for part in (one.numerator, one.denominator)], axis=1)
    found, column = np.empty((len(weights), len(terms))), 0
    for at, one in enumerate(terms):
        c = one.numerator.shape[1]
        above, below = sums[:, column : column + c], sums[:, column + c : column + 2 * c]
        found[:, at] = np.divide(above, below, out=np.full_like(above, np.nan), where=below > 0).sum(axis=1)
        column += 2 * c
    return found


def sum_by_group(values: Floats, group: IntArray, n_groups: int) -> Floats:
    """(n_groups, ...) sums of values (j, ...) by group (j,).

    Raises:
        ValueError: a group has nothing.
    """
    order, starts = _grouped_order(group, n_groups)
    return np.asarray(np.add.reduceat(values[order], starts))


def _grouped_order(group: IntArray, n_groups: int) -> tuple[IntArray | slice, IntArray]:
    """What puts rows (j,) into the order of their groups, and where each group begins.

    Raises:
        ValueError: a group has nothing.
    """
    order: IntArray | slice = slice(None)
    if (group[1:] < group[:-1]).any():
        order = np.argsort(group, kind="stable")
    starts = np.searchsorted(group[order], np.arange(n_groups))
    if (np.diff(np.append(starts, len(group))) == 0).any():
        raise ValueError(f"each of the {n_groups} groups needs a session")
    return order, starts


def random_groups(n_sessions: int, rng: np.random.Generator, most: int = GROUPS) -> IntArray:
    """(j,) a group for each session: `most` of equal size to within one, or one per session if there are fewer."""
    return rng.permutation(n_sessions) % min(n_sessions, most)
