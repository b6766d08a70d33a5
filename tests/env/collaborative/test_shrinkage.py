"""Shrunk means: between the values' own mean and what they are shrunk towards."""

import numpy as np

from personagym_env.collaborative.shrinkage import shrunk_mean


def test_values_count_beside_those_at_the_target():
    found = shrunk_mean(np.array([0, 0, 2]), np.array([4.0, 5.0, 1.0]), 4, 2.0, towards=3.0)
    np.testing.assert_allclose(found, [(9 + 6) / 4, 3.0, (1 + 6) / 3, 3.0])
    np.testing.assert_allclose(shrunk_mean(np.array([0, 0]), np.array([4.0, 5.0]), 1, 0.0), [4.5])
