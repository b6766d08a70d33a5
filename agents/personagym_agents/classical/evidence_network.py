"""Small networks that read evidence: they find what no weight that is linear in a gate can say.

One layer of rectified units, several of them trained from other random weights and averaged, each stopped early on a
tenth of the rows (scikit-learn's `MLPRegressor`). Side by side they are one wide layer.

Shapes: n rows, f columns of evidence, h units.
"""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from personagym_env.data.tables import FloatArray

_UNITS = 32
_DECAY = 1.0
_RATE = 2e-3
_BATCH = 256
_PATIENCE = 4
_VALIDATION = 0.1
_MOST_EPOCHS = 200
_MEMBERS = 4
_MOST_ROWS = 60_000
"""That are learned from; drawn at random."""
_TINY = 1e-6


@dataclass(frozen=True, eq=False, repr=False)
class EvidenceNetwork:
    """Weights of the units, fitted by `fit_evidence_network`."""

    hidden: npt.NDArray[np.float64]
    """(f, h) of the columns."""
    threshold: npt.NDArray[np.float64]
    """(h,) added to these."""
    output: npt.NDArray[np.float64]
    """(h,) rating points for what each unit says."""
    constant: npt.NDArray[np.float64]
    """() rating points."""

    def __call__(self, told: FloatArray) -> FloatArray:
        """(...) rating points by (..., f) standardised columns."""
        return np.asarray(np.maximum(told @ self.hidden + self.threshold, 0) @ self.output + self.constant)

    def arrays(self) -> dict[str, npt.NDArray[np.float64]]:
        """By the names of the fields."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def fit_evidence_network(
    told: FloatArray, residual: FloatArray, rng: np.random.Generator, *, members: int = _MEMBERS
) -> EvidenceNetwork:
    """Learn residuals.

    Args:
        told: (n, f) standardised columns of rows.
        residual: (n,) rating points that they should say.
        rng: draws rows and seeds.
        members: networks that are averaged.
    """
    # Here, because it takes a second to import, and a fitted network does without.
    from sklearn.neural_network import MLPRegressor

    if len(told) > _MOST_ROWS:
        drawn = np.sort(rng.choice(len(told), _MOST_ROWS, replace=False))
        told, residual = told[drawn], residual[drawn]
    size = float(residual.std()) + _TINY
    fits: list[Any] = [
        MLPRegressor(  # type: ignore[no-untyped-call]
            hidden_layer_sizes=(_UNITS,),
            alpha=_DECAY,
            learning_rate_init=_RATE,
            batch_size=min(_BATCH, len(told) // 2),
            max_iter=_MOST_EPOCHS,
            early_stopping=True,
            validation_fraction=_VALIDATION,
            n_iter_no_change=_PATIENCE,
            random_state=int(seed),
        ).fit(told, residual / size)
        for seed in rng.integers(2**31, size=members)
    ]
    return EvidenceNetwork(
        np.concatenate([fit.coefs_[0] for fit in fits], axis=1),
        np.concatenate([fit.intercepts_[0] for fit in fits]),
        np.concatenate([fit.coefs_[1][:, 0] for fit in fits]) * size / members,
        np.asarray(size * np.mean([fit.intercepts_[1][0] for fit in fits])),
    )


def checked_network(arrays: dict[str, npt.NDArray[np.float64]], columns: int) -> EvidenceNetwork:
    """What `EvidenceNetwork.arrays` gave, of a network that reads so many columns.

    Raises:
        ValueError: it gave others.
    """
    shapes = {name: array.shape for name, array in arrays.items()}
    units = shapes.get("threshold", ())
    expected: dict[str, tuple[int, ...]] = {
        "hidden": (columns, *units),
        "threshold": units,
        "output": units,
        "constant": (),
    }
    if shapes != expected or len(units) != 1:
        raise ValueError(f"expected shapes {expected}, got {shapes}")
    return EvidenceNetwork(**{name: np.asarray(arrays[name], np.float64) for name in expected})
