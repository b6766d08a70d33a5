"""Rating models stacked: a linear blend whose weights depend on how much is known, on cross-fitted evidence.

Sill, Takacs, Mackey and Lin, "Feature-weighted linear stacking" (arXiv:0911.0460, 2009), as the entries of the Netflix
prize were blended: every signal has a weight that is linear in the gates, which is one ridge regression on the products
of signals and gates. Here it corrects the mean of the factor models. Limiting case: in a log of few rows all weights
are shrunk to 0, which leaves that mean.

Shapes: n rows, b users, m items, f columns of evidence, s signals, g gates.
"""

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from personagym_agents.classical.rating_evidence import (
    EVIDENCE_COLUMNS,
    PEERS,
    Columns,
    RatingEvidence,
    cross_fitted_evidence,
    evidence_on_unknown_items,
    fit_evidence,
)
from personagym_env.collaborative.rating_model import Opinion
from personagym_env.data.tables import Catalogue, FloatArray, IntArray, Interactions

_RELATIVE = ("knn", "mf3", "mf8", "mf16")
"""Expectations that are told as what they add to the bias."""
_ROOTS = ("support",)
_LOGARITHMS = ("bias variance", "variance")
_SIGNALS = ("bias", *_RELATIVE, "taste", "mood5", "mood20", "implicit", "recent", "recent taste", "text")
_GATES = ("support", "bias variance", "variance", "user count", "user spread", "item count", "item spread")
_PENALTY = 2000.0
"""Rows by which the weight of a standardised column is shrunk; chosen on each user's last fifth of the training rows
of ML-100K, of all users and of 30 to 300 of them."""
_PENALTIES = (1e3, 1e4, 1e5, 1e6, 1e8)
"""That are tried where rows of an item share what nothing of the evidence tells, and say little more than one."""
_FARTHEST = 4.0
"""Standard deviations beyond which evidence says no more."""
_TINY = 1e-6
_UNRATED = "unrated."
"""Begins the names of weights for items that nobody has rated."""


def _places(names: tuple[str, ...]) -> IntArray:
    return np.array([EVIDENCE_COLUMNS.index(name) for name in names])


@dataclass(frozen=True, eq=False, repr=False)
class Blend:
    """Weights of the evidence, fitted by `fit_blend`; a few hundred numbers."""

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
    unrated: "Blend | None" = None
    """Weights for items that nobody has rated, of which the others say what they say of rarely rated ones; None where
    there are no such weights."""

    def __call__(self, evidence: Columns) -> Columns:
        """(...) expected ratings by (..., f) evidence."""
        told = _standardised(evidence, self.centre, self.scale)
        gated = ((told[..., _places(_GATES)] @ self.gated) * told[..., _places(_SIGNALS)]).sum(axis=-1)
        expected = np.asarray(_anchor(evidence) + self.constant + told @ self.linear + gated, np.float32)
        unrated = np.isnan(evidence[..., EVIDENCE_COLUMNS.index("item count")])
        if self.unrated is not None and unrated.any():
            expected[unrated] = self.unrated(evidence[unrated])
        return expected

    def save(self, path: Path) -> None:
        """Write the weights as safetensors."""
        own = self._arrays()
        further = {} if self.unrated is None else self.unrated._arrays()
        save_file(own | {_UNRATED + name: array for name, array in further.items()}, path)

    def _arrays(self) -> dict[str, npt.NDArray[np.float64]]:
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name != "unrated"}

    @classmethod
    def load(cls, path: Path) -> "Blend":
        """Read what `save` wrote.

        Raises:
            ValueError: the file is missing, or holds something else.
        """
        try:
            weights = load_file(path)
        except (OSError, SafetensorError) as error:
            raise ValueError(f"{path} holds no weights of evidence: {error}") from error
        further = {name.removeprefix(_UNRATED): weights.pop(name) for name in [*weights] if name.startswith(_UNRATED)}
        return replace(_checked(weights, path), unrated=_checked(further, path) if further else None)


def _checked(weights: dict[str, npt.NDArray[np.float64]], path: Path) -> Blend:
    shapes = {name: weight.shape for name, weight in weights.items()}
    columns = shapes.get("centre", ())
    expected = dict.fromkeys(("centre", "scale", "linear"), columns)
    expected |= {"gated": (len(_GATES), len(_SIGNALS)), "constant": ()}
    if shapes != expected or len(columns) != 1 or columns[0] < len(EVIDENCE_COLUMNS):
        raise ValueError(f"{path} holds no weights of evidence: expected shapes {expected}, got {shapes}")
    return Blend(**{name: weights[name] for name in expected})  # type: ignore[arg-type]


def fit_blend(evidence: Columns, ratings: FloatArray, fold: IntArray | None = None) -> Blend:
    """Fit weights to cross-fitted evidence.

    Args:
        evidence: (n, f) on rows.
        ratings: (n,) of these.
        fold: (n,) of what rows may have in common, by which the penalty is chosen; `_PENALTY` if None.
    """
    # Here, because it takes a second to import, and a fitted blend does without.
    from sklearn.linear_model import Ridge, RidgeCV
    from sklearn.model_selection import PredefinedSplit

    told = _told(evidence)
    centre, scale = told.mean(axis=0), told.std(axis=0) + _TINY
    told = _standardised(evidence, centre, scale)
    products = told[:, _places(_GATES), None] * told[:, None, _places(_SIGNALS)]
    middle, width = products.mean(axis=0), products.std(axis=0) + _TINY
    columns = np.concatenate([told, ((products - middle) / width).reshape(len(told), -1)], axis=1)
    ridge: Any = Ridge(_PENALTY)  # type: ignore[no-untyped-call]
    if fold is not None and np.ptp(fold):
        parts: Any = PredefinedSplit(fold)  # type: ignore[no-untyped-call]
        ridge = RidgeCV(_PENALTIES, scoring="neg_mean_squared_error", cv=parts)  # type: ignore[no-untyped-call]
    ridge.fit(columns, ratings - _anchor(evidence))
    gated = ridge.coef_[told.shape[1] :].reshape(middle.shape) / width
    constant = np.asarray(ridge.intercept_ - (gated * middle).sum())
    return Blend(centre, scale, ridge.coef_[: told.shape[1]], gated, constant)


def _anchor(evidence: Columns) -> Columns:
    return np.asarray(evidence[..., PEERS].mean(axis=-1), np.float32)


def _told(evidence: Columns) -> FloatArray:
    """(..., f) columns in shapes that weights can be linear in; 0 for what is not known."""
    told = np.nan_to_num(evidence.astype(np.float64))
    told[..., _places(_RELATIVE)] -= told[..., [EVIDENCE_COLUMNS.index("bias")]]
    told[..., _places(_ROOTS)] = np.sqrt(np.maximum(told[..., _places(_ROOTS)], 0))
    told[..., _places(_LOGARITHMS)] = np.log(np.maximum(told[..., _places(_LOGARITHMS)], 0) + _TINY)
    return told


def _standardised(evidence: Columns, centre: FloatArray, scale: FloatArray) -> FloatArray:
    return np.clip((_told(evidence) - centre) / scale, -_FARTHEST, _FARTHEST)


@dataclass(frozen=True, eq=False, repr=False)
class StackModel:
    """A `RatingModel` of blended evidence."""

    evidence: RatingEvidence
    blend: Blend

    def predict(self, users: IntArray) -> Opinion:
        """See `RatingModel.predict`; the variance is that of the factor model of highest rank."""
        means = self.blend(self.evidence.features(users))
        return Opinion(means, self.evidence.factors[-1].predict(users).variance)

    def means_at(self, users: IntArray, items: IntArray) -> Columns:
        """(n,) expected ratings of n pairs, without those of the users' other items."""
        return self.blend(self.evidence.at(users, items, self.evidence.mood[users]))


def fit_stack(log: Interactions, catalogue: Catalogue | None = None) -> StackModel:
    """Blend what the other rows say about each row.

    Args:
        log: training rows.
        catalogue: of the log's items, for years, genres and titles.

    Raises:
        ValueError: the log has no rows.
    """
    return StackModel(fit_evidence(log, catalogue), fit_cross_fitted_blend(log, catalogue))


def fit_cross_fitted_blend(log: Interactions, catalogue: Catalogue | None = None) -> Blend:
    """Fit weights to what the other rows, and what the rows of other items, say about each row.

    Raises:
        ValueError: the log has no rows.
    """
    blend = fit_blend(cross_fitted_evidence(log, catalogue, rng=np.random.default_rng(0)), log.ratings)
    unrated, rows, fold = evidence_on_unknown_items(log, catalogue, rng=np.random.default_rng(0))
    return replace(blend, unrated=fit_blend(unrated, log.ratings[rows], fold))
