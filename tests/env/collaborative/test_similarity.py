"""Agreement over common columns, and the nearest of each row."""

import numpy as np
import pytest
from scipy import sparse

from personagym_env.collaborative.similarity import CommonColumns, nearest


def test_agreement_counts_the_columns_of_both_alone():
    known = np.array([[1, 1, 1, 0], [1, 1, 0, 1], [0, 0, 0, 1]], np.bool_)
    values = np.array([[1.0, 2.0, 9.0, 0.0], [2.0, 0.0, 0.0, 7.0], [0.0, 0.0, 0.0, -1.0]])
    rows, columns = np.nonzero(known)
    agreement = CommonColumns(sparse.csr_array((values[known], (rows, columns)), shape=known.shape))(slice(0, 2))
    np.testing.assert_array_equal(agreement.common, [[3, 2, 0], [2, 3, 1]])
    # Over the first two columns: (1, 2) and (2, 0), whose 0 is a value as good as any other.
    assert agreement.cosine[0, 1] == pytest.approx(2 / (np.sqrt(5) * 2))
    assert agreement.cosine[1, 2] == pytest.approx(-1)
    assert agreement.cosine[0, 2] == 0
    assert agreement.shrunk(2.0)[0, 1] == pytest.approx(agreement.cosine[0, 1] / 2)
    np.testing.assert_array_equal(agreement.shrunk(0.0), agreement.cosine)


def test_only_the_nearest_are_kept():
    rng = np.random.default_rng(1)
    full = rng.random((600, 600)).astype(np.float32)
    kept = nearest(lambda rows: full[rows], 600, 5).toarray()
    assert (np.count_nonzero(kept, axis=1) == 5).all()
    off_diagonal = np.where(np.eye(600) > 0, 0, full)
    np.testing.assert_array_equal(np.sort(kept, axis=1)[:, -5:], np.sort(off_diagonal, axis=1)[:, -5:])


def test_others_below_zero_are_no_neighbours():
    full = np.array([[9.0, -1.0, 0.5], [-1.0, 9.0, 0.0], [0.5, 0.0, 9.0]])
    kept = nearest(lambda rows: full[rows], 3, 7)
    np.testing.assert_array_equal(kept.toarray(), [[0, 0, 0.5], [0, 0, 0], [0.5, 0, 0]])
    assert kept.nnz == 2
