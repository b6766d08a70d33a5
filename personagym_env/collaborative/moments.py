"""Second moments of rows, packed: of a symmetric matrix the upper triangle says all. Shapes: n rows, D wide."""

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]


def packed_outer(rows: Matrix) -> Matrix:
    """(n, D(D+1)/2) upper triangles of row row^T for rows (n, D)."""
    left, right = np.triu_indices(rows.shape[1])
    return np.asarray(rows[:, left] * rows[:, right])


def packed_symmetric(matrices: Matrix) -> Matrix:
    """(n, D(D+1)/2) upper triangles of symmetric matrices (n, D, D)."""
    left, right = np.triu_indices(matrices.shape[1])
    return np.asarray(matrices[:, left, right])


def unpacked(packed: Matrix, dimension: int) -> Matrix:
    """(n, D, D) the symmetric matrices whose upper triangles (n, D(D+1)/2) are given."""
    left, right = np.triu_indices(dimension)
    matrices = np.empty((len(packed), dimension, dimension))
    matrices[:, left, right] = packed
    matrices[:, right, left] = packed
    return matrices


def twice_off_diagonal(dimension: int) -> npt.NDArray[np.float64]:
    """(D(D+1)/2,) 2 off the diagonal and 1 on it.

    A triangle counts each off-diagonal product once; a full inner product of two symmetric matrices counts it twice.
    """
    left, right = np.triu_indices(dimension)
    return np.where(left == right, 1.0, 2.0)
