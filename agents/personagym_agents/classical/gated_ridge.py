"""Linear corrections of an expectation, by evidence whose weights depend on how much is known.

Sill, Takacs, Mackey and Lin, "Feature-weighted linear stacking" (arXiv:0911.0460, 2009), as the entries of the Netflix
prize were blended: every signal has a weight that is linear in the gates, which is one ridge regression on the products
of signals and gates. Limiting case: in a log of few rows all weights are shrunk to 0, which leaves the expectation.

Shapes: n rows, f columns of evidence, s signals, g gates.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt

from personagym_agents.classical.rating_evidence import EVIDENCE_COLUMNS, PEERS, Columns
from personagym_env.data.tables import BoolArray, FloatArray, IntArray

_RELATIVE = ("knn", "mf3", "mf8", "mf16")
"""Expectations that are told as what they add to the bias."""
_ROOTS = ("support",)
_LOGARITHMS = ("bias variance", "variance")
_SIGNALS = ("bias", *_RELATIVE, "taste", "mood5", "mood20", "implicit", "recent", "recent taste", "text")
_GATES = ("support", "bias variance", "variance", "user count", "user spread", "item count", "item spread")
_PENALTY = 2000.0
"""Rows by which the weight of a standardised column is shrunk; chosen on each user's last fifth of the training rows
of ML-100K, of all users and of 30 to 300 of them."""
_FARTHEST = 4.0
"""Standard deviations beyond which evidence says no more."""
_TINY = 1e-6


_USER_MEAN = EVIDENCE_COLUMNS.index("user mean")


def _places(names: tuple[str, ...]) -> IntArray:
    return np.array([EVIDENCE_COLUMNS.index(name) for name in names])


@dataclass(frozen=True, eq=False, repr=False)
class GatedRidge:
    """Weights of the evidence, fitted by `fit_gated_ridge`; a few hundred numbers."""

    centre: npt.NDArray[np.float64]
    """(f,) mean of each column, as it is told."""
    scale: npt.NDArray[np.float64]
    """(f,) and its standard deviation."""
    linear: npt.NDArray[np.float64]
    """(f,) rating points for a standard deviation of each column."""
    gated: npt.NDArray[np.float64]
    """(g, s) rating points for one of both."""
    constant: npt.NDArray[np.float64]
    """() rating points."""
    begin: npt.NDArray[np.float64] | None = None
    """() rating points that the means of users are counted from, where it is these that are corrected; None where it is
    the mean of the factor models."""

    def __call__(self, evidence: Columns) -> FloatArray:
        """(...) expected ratings by (..., f) evidence."""
        return self.anchored(evidence) + self.correction(self.told(evidence))

    def correction(self, told: FloatArray) -> FloatArray:
        """(...) rating points by (..., f) standardised columns."""
        gated = ((told[..., _places(_GATES)] @ self.gated) * told[..., _places(_SIGNALS)]).sum(axis=-1)
        return np.asarray(self.constant + told @ self.linear + gated)

    def anchored(self, evidence: Columns) -> FloatArray:
        """(...) the expectation that is corrected; an unknown user has the mean of all."""
        if self.begin is None:
            return np.asarray(evidence[..., PEERS].mean(axis=-1))
        return np.asarray(self.begin + np.nan_to_num(evidence[..., _USER_MEAN]))

    def told(self, evidence: Columns) -> FloatArray:
        """(..., f) standardised columns."""
        return np.clip((_told(evidence) - self.centre) / self.scale, -_FARTHEST, _FARTHEST)

    def shrunk(self, share: float) -> "GatedRidge":
        """A share of the correction."""
        return replace(self, linear=share * self.linear, gated=share * self.gated, constant=share * self.constant)

    def arrays(self) -> dict[str, npt.NDArray[np.float64]]:
        """By the names of the fields."""
        named = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: np.asarray(array) for name, array in named.items() if array is not None}


def checked_ridge(arrays: Mapping[str, npt.NDArray[np.float64]]) -> GatedRidge:
    """What `GatedRidge.arrays` gave.

    Raises:
        ValueError: it gave others.
    """
    shapes = {name: array.shape for name, array in arrays.items()}
    columns = shapes.get("centre", ())
    expected: dict[str, tuple[int, ...]] = dict.fromkeys(("centre", "scale", "linear"), columns)
    expected |= {"gated": (len(_GATES), len(_SIGNALS)), "constant": ()} | ({"begin": ()} if "begin" in shapes else {})
    if shapes != expected or len(columns) != 1 or columns[0] < len(EVIDENCE_COLUMNS):
        raise ValueError(f"expected shapes {expected}, got {shapes}")
    return GatedRidge(**{name: np.asarray(arrays[name], np.float64) for name in expected})


def fit_gated_ridge(evidence: Columns, ratings: FloatArray, *, user_means: bool = False) -> GatedRidge:
    """Fit weights to evidence on rows that the evidence does not know.

    Args:
        evidence: (n, f) on rows.
        ratings: (n,) of these.
        user_means: whether the means of users are corrected, instead of what the factor models expect on average.
    """
    # Here, because it takes a second to import, and fitted weights do without.
    from sklearn.linear_model import Ridge

    columns = _told(evidence)
    fit = GatedRidge(
        centre=columns.mean(axis=0),
        scale=columns.std(axis=0) + _TINY,
        linear=np.zeros(columns.shape[1]),
        gated=np.zeros((len(_GATES), len(_SIGNALS))),
        constant=np.zeros(()),
        begin=np.asarray(np.mean(ratings - np.nan_to_num(evidence[:, _USER_MEAN])), np.float64) if user_means else None,
    )
    told = fit.told(evidence)
    products = told[:, _places(_GATES), None] * told[:, None, _places(_SIGNALS)]
    middle, width = products.mean(axis=0), products.std(axis=0) + _TINY
    columns = np.concatenate([told, ((products - middle) / width).reshape(len(told), -1)], axis=1)
    ridge = Ridge(_PENALTY).fit(columns, ratings - fit.anchored(evidence))  # type: ignore[no-untyped-call]
    gated = ridge.coef_[told.shape[1] :].reshape(middle.shape) / width
    constant = np.asarray(ridge.intercept_ - (gated * middle).sum())
    return replace(fit, linear=ridge.coef_[: told.shape[1]], gated=gated, constant=constant)


def fit_trusted_ridge(
    evidence: Columns, ratings: FloatArray, fold: IntArray, cluster: IntArray, *, user_means: bool = False
) -> GatedRidge:
    """The same, corrected no farther than rows of other folds bear out.

    Args:
        evidence: (n, f) on rows.
        ratings: (n,) of these.
        fold: (n,) by which the correction is tried.
        cluster: (n,) users or items, whose rows err together.
        user_means: see `fit_gated_ridge`.
    """
    fit = fit_gated_ridge(evidence, ratings, user_means=user_means)
    correction, residual = np.zeros(len(ratings)), ratings - fit.anchored(evidence)
    for inside in folds(fold):
        tried = fit_gated_ridge(evidence[~inside], ratings[~inside], user_means=user_means)
        correction[inside] = tried.correction(tried.told(evidence[inside]))
    return fit.shrunk(trust(correction, residual, cluster))


def folds(fold: IntArray) -> Iterator[BoolArray]:
    """(n,) rows inside each fold, as long as there are others."""
    numbers = np.unique(fold)
    for number in numbers if len(numbers) > 1 else ():
        yield fold == number


def trust(correction: FloatArray, residual: FloatArray, cluster: IntArray) -> float:
    """How far a correction goes that was fitted elsewhere: the slope of the residuals on it, less its standard error.

    The error is that of a ratio whose clusters are drawn anew (linearised). Limiting cases: 0 without a correction, or
    where it goes the wrong way; at most 1.

    Args:
        correction: (n,) of rows.
        residual: (n,) what it should have been.
        cluster: (n,) whose rows err together.
    """
    size = float(correction @ correction)
    if size < _TINY:
        return 0.0
    slope = float(correction @ residual) / size
    errors = np.bincount(cluster, correction * (residual - slope * correction))
    return float(np.clip(slope - np.sqrt(float(errors @ errors)) / size, 0.0, 1.0))


def _told(evidence: Columns) -> FloatArray:
    """(..., f) columns in shapes that weights can be linear in; 0 for what is not known."""
    told = np.nan_to_num(evidence.astype(np.float64))
    told[..., _places(_RELATIVE)] -= told[..., [EVIDENCE_COLUMNS.index("bias")]]
    told[..., _places(_ROOTS)] = np.sqrt(np.maximum(told[..., _places(_ROOTS)], 0))
    told[..., _places(_LOGARITHMS)] = np.log(np.maximum(told[..., _places(_LOGARITHMS)], 0) + _TINY)
    return told
