"""From a mean rating to a distribution over the scale: a cumulative logit link with unequal spreads and styles."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import expit

from personagym_agents.classical.mean_matching import exponents, summed, tilted
from personagym_env.collaborative.rating_model import Opinion
from personagym_env.collaborative.shrinkage import shrunk_mean
from personagym_env.data.tables import FloatArray, IntArray, Interactions

SPREAD_PRIOR = 5.0
"""Ratings of average spread that each user's and item's spread is shrunk by."""
_CELLS = 2**21
"""Rows x ratings that a link is fitted on at most: of a long scale fewer rows, evenly spaced."""
_PRIOR_ROWS = 50.0
"""Rows that say that means are as the probabilities make them."""
SMALLEST = 1e-6
"""No rating gets less probability than this (before renormalising), so that surprise stays finite."""


def logistic(x: FloatArray) -> npt.NDArray[np.float32]:
    """1 / (1 + exp(-x)) through tanh, several times as fast as `scipy.special.expit` and exact to 1e-7."""
    found = np.asarray(0.5 * x)
    np.tanh(found, out=found)
    found *= 0.5
    found += 0.5
    return np.asarray(found, np.float32)


@dataclass(frozen=True, eq=False)
class Spread:
    """How widely ratings scatter around their means: log standard deviations relative to the average row."""

    users: npt.NDArray[np.float32]
    """(u,)"""
    items: npt.NDArray[np.float32]
    """(m,)"""
    variance: float
    """Mean squared residual of the log, in squared rating points."""

    def features(self, users: IntArray, opinion: Opinion) -> npt.NDArray[np.float32]:
        """(b, m, 3): the user's spread, the item's spread, how unsure the model is of the mean."""
        unsure = 0.5 * np.log1p(opinion.variance / self.variance)
        return np.stack(np.broadcast_arrays(self.users[users, None], self.items, unsure), axis=-1)


def fit_spread(log: Interactions, means: FloatArray) -> Spread:
    """Spread of each user's and item's ratings around (n,) predicted means of the log's own rows."""
    square = (log.ratings.astype(np.float64) - means) ** 2
    variance = max(float(square.mean()), 1e-4)

    def relative(index: IntArray, size: int) -> npt.NDArray[np.float32]:
        own = shrunk_mean(index, square, size, SPREAD_PRIOR, towards=variance)
        return np.asarray(0.5 * np.log(np.maximum(own / variance, 1e-4)), np.float32)

    return Spread(relative(log.users, log.n_users), relative(log.items, log.n_items), variance)


@dataclass(frozen=True, eq=False)
class OrdinalLink:
    """P(rating <= j) = logistic((threshold_j - slope * mean) * exp(-weights . spread features)).

    The proportional odds model with a scale part (McCullagh 1980, "Regression models for ordinal data", section 6.1).
    Where response styles are known, the probability of each rating is multiplied by exp(style weights . styles), and
    all are divided by their sum.
    """

    thresholds: npt.NDArray[np.float32]
    """(r - 1,) ascending; none in a log without ratings, whose scale has one value."""
    slope: float
    weights: npt.NDArray[np.float32]
    """(f,) one per spread feature; above 0 where the feature flattens the distribution."""
    style: npt.NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    """(s,) one per response style."""
    line: npt.NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    """(2,) intercept and slope by which the expected rating is a line in the location; none where it is whatever the
    probabilities make it. Styles are no news of means: a predictor knows these better."""
    scale: npt.NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    """(r,) what ratings are worth, where there is a line."""

    def location(self, mean: FloatArray) -> npt.NDArray[np.float32]:
        """`slope * mean`, same shape."""
        return np.asarray(np.float32(self.slope) * mean, np.float32)

    def steepness(self, features: FloatArray) -> npt.NDArray[np.float32]:
        """(..., f) features to (...) factors that multiply the distance to the thresholds."""
        return np.asarray(np.exp(-(features @ self.weights)), np.float32)

    def tilts(self, styles: Iterable[FloatArray]) -> tuple[npt.NDArray[np.float32], ...]:
        """(s) response styles, each (..., r), to factors (..., r) that multiply probabilities."""
        return tuple(np.exp(np.float32(weight) * style) for weight, style in zip(self.style, styles, strict=True))

    def distribution(
        self,
        location: FloatArray,
        steepness: FloatArray,
        tilt: FloatArray | None = None,
        exponent: FloatArray | None = None,
    ) -> npt.NDArray[np.float32]:
        """(...) locations and steepnesses to (..., r) probabilities that sum to 1; certainty where r is 1.

        Args:
            location: see `location`.
            steepness: see `steepness`.
            tilt: (..., r) product of `tilts`; None where nothing is known of response styles.
            exponent: (...) what `exponent` finds for these, where that is known already: it takes most of the time.
        """
        if not len(self.thresholds):
            return np.ones((*location.shape, 1), np.float32)
        result = self._in_style(location, steepness, tilt)
        if len(self.line):
            if exponent is None:
                exponent = exponents(result, self.line[0] + self.line[1] * location, self.scale)
            result = tilted(result, exponent, self.scale)
        np.maximum(result, np.float32(SMALLEST), out=result)
        result /= summed(result)
        return np.ascontiguousarray(result.transpose(*range(1, result.ndim), 0))

    def exponent(self, location: FloatArray, steepness: FloatArray, tilt: FloatArray | None) -> npt.NDArray[np.float32]:
        """(...) what brings expected ratings onto the line, of a link that has one; see `distribution`."""
        result = self._in_style(location, steepness, tilt)
        return exponents(result, self.line[0] + self.line[1] * location, self.scale)

    def _in_style(
        self, location: FloatArray, steepness: FloatArray, tilt: FloatArray | None
    ) -> npt.NDArray[np.float32]:
        """(r, ...) probabilities above 0, whatever rating they make expected."""
        # The scale is the first axis until the end: whole slates are then contiguous, which is ten times as fast.
        thresholds = self.thresholds.reshape(-1, *(1,) * location.ndim)
        below = logistic((thresholds - location) * steepness)
        result = np.empty((len(below) + 1, *location.shape), np.float32)
        result[0] = below[0]
        np.subtract(below[1:], below[:-1], out=result[1:-1])
        np.subtract(1.0, below[-1], out=result[-1])
        if tilt is not None:
            result *= np.moveaxis(tilt, -1, 0)
        if len(self.line):
            np.maximum(result, np.float32(SMALLEST), out=result)
            result /= summed(result)
        return result


def fit_link(
    mean: FloatArray,
    features: FloatArray,
    rating_index: IntArray,
    n_ratings: int,
    styles: FloatArray | None = None,
    scale: Sequence[float] = (),
) -> OrdinalLink:
    """Maximum likelihood with a unit Gaussian prior around the marginal, worth about one row.

    Args:
        mean: (n,) predicted means of rows that the predictor was not fitted on.
        features: (n, f) spread features of those rows.
        rating_index: (n,) position of the real rating in the scale.
        n_ratings: r, at least 2.
        styles: (n, s, r) response styles of users and items of those rows; None where nothing is known of any.
        scale: (r,) what ratings are worth, if expected ratings are to be a line in the predicted mean.

    Raises:
        ValueError: there is no row, or the scale has fewer than two values.
    """
    n, f = features.shape
    if not n or n_ratings < 2:
        raise ValueError(f"an ordinal link needs rows and a scale of at least 2 ratings, got {n} and {n_ratings}")
    if n * n_ratings > _CELLS:
        some = np.linspace(0, n - 1, max(1, _CELLS // n_ratings)).astype(np.int64)
        styles = None if styles is None else styles[some]
        return fit_link(mean[some], features[some], rating_index[some], n_ratings, styles, scale)
    # 64 bit, because the line search compares sums over all rows that differ in late digits.
    mean, features = mean.astype(np.float64), features.astype(np.float64)
    styles = np.zeros((n, 0, n_ratings)) if styles is None else styles.astype(np.float64)
    slope = 2.0 / max(float(mean.std()), 0.5)
    share = np.cumsum(np.bincount(rating_index, minlength=n_ratings) + 1.0)[:-1] / (n + n_ratings)
    start_thresholds = np.log(share / (1 - share)) + slope * float(mean.mean())
    gaps = np.log(np.maximum(np.diff(start_thresholds), 1e-2))
    start = np.concatenate([start_thresholds[:1], gaps, [slope], np.zeros(f + styles.shape[1])])

    def unpack(parameters: FloatArray) -> OrdinalLink:
        steps = np.concatenate([parameters[:1], np.exp(np.clip(parameters[1 : n_ratings - 1], -10, 10))])
        rest = parameters[n_ratings:]
        return OrdinalLink(np.cumsum(steps), float(parameters[n_ratings - 1]), rest[:f], rest[f:])

    def loss(parameters: FloatArray) -> tuple[float, FloatArray]:
        link = unpack(parameters)
        surprise, by = summed_negative_log_likelihood(link, mean, features, rating_index, styles)
        # Threshold j is the first parameter plus the exponentials of all gaps up to j.
        by_later = np.cumsum(by.thresholds[::-1])[::-1]
        by_gap = by_later[1:] * np.diff(link.thresholds)
        gradient = np.concatenate([by_later[:1], by_gap, [by.slope], by.weights, by.style])
        distance = parameters - start
        return float((surprise + 0.5 * distance @ distance) / n), (gradient + distance) / n

    found = unpack(minimize(loss, start, jac=True, method="L-BFGS-B").x)
    arrays = (np.asarray(array, np.float32) for array in (found.thresholds, found.weights, found.style))
    link = OrdinalLink(next(arrays), found.slope, next(arrays), next(arrays))
    if not len(scale):
        return link
    return _with_line(link, mean, features, np.asarray(scale)[rating_index], styles, np.asarray(scale, np.float32))


def _with_line(
    link: OrdinalLink,
    mean: FloatArray,
    features: FloatArray,
    ratings: FloatArray,
    styles: FloatArray,
    scale: FloatArray,
) -> OrdinalLink:
    """The link with the line nearest to (n,) ratings and, as if of some more rows, to its own expectation."""
    location = link.location(mean)
    tilt = np.prod(link.tilts(np.moveaxis(styles, 1, 0)), axis=0) if styles.shape[1] else None
    own = link.distribution(location, link.steepness(features), tilt) @ scale
    more = _PRIOR_ROWS / len(mean)
    slope, intercept = np.polyfit(location, (ratings + more * own) / (1 + more), 1) if np.ptp(location) > 0 else (0, 0)
    if not slope:
        return link
    return replace(link, line=np.array([intercept, slope], np.float32), scale=scale)


class Gradient(NamedTuple):
    """Of a sum over rows, by the fields of an `OrdinalLink`."""

    thresholds: FloatArray
    slope: float
    weights: FloatArray
    style: FloatArray


def summed_negative_log_likelihood(
    link: OrdinalLink, mean: FloatArray, features: FloatArray, rating_index: IntArray, styles: FloatArray
) -> tuple[float, Gradient]:
    """Summed -log P(rating) over (n,) rows, and its gradient; see `fit_link` for what the rows have."""
    row = np.arange(len(mean))
    steep = np.exp(np.clip(-(features @ link.weights), -20, 20))
    # (n, r - 1) each threshold, and (n, r + 1) with both ends of the line.
    place = (link.thresholds - link.slope * mean[:, None]) * steep[:, None]
    ends = np.pad(place, ((0, 0), (1, 1)), constant_values=((0, 0), (-np.inf, np.inf)))
    low, high = ends[:, :-1], ends[:, 1:]
    # Mirrored where both lie above 0, since a difference of two numbers near 1 would lose its digits.
    likelihood = np.where(low > 0, expit(-low) - expit(-high), expit(high) - expit(low))
    likelihood = np.maximum(likelihood, 1e-12)
    tilted = likelihood * np.exp(np.einsum("s,nsr->nr", link.style, styles))
    share = tilted / tilted.sum(axis=1, keepdims=True)
    by_likelihood = share / likelihood
    by_likelihood[row, rating_index] -= 1 / likelihood[row, rating_index]
    by_place = expit(place) * expit(-place) * (by_likelihood[:, :-1] - by_likelihood[:, 1:])
    by_distance = by_place * steep[:, None]
    gradient = Gradient(
        thresholds=by_distance.sum(axis=0),
        slope=-float(by_distance.sum(axis=1) @ mean),
        weights=-((by_place * place).sum(axis=1) @ features),
        style=np.einsum("nr,nsr->s", share, styles) - styles[row, :, rating_index].sum(axis=0),
    )
    return float(-np.log(share[row, rating_index]).sum()), gradient
