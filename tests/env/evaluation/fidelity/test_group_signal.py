"""Errors that groups explain are found, errors that belong to single users are not taken for it."""

import numpy as np
import pytest

from personagym_env.evaluation.fidelity.group_signal import group_signal, variance_between

USERS, ROWS = 80, 30


def drawn(of_group: float, of_user: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    users, group = np.repeat(np.arange(USERS), ROWS), np.arange(USERS) % 4
    features = rng.integers(2, size=(len(users), 3)).astype(float)
    taste = of_group * rng.normal(size=(4, 3))
    errors = (features * taste[group[users]]).sum(axis=1) + of_user * rng.normal(size=USERS)[users]
    return errors + rng.normal(size=len(users)), users, group, features


def test_what_groups_have_in_common_is_found() -> None:
    signal = group_signal(*drawn(0.5, 0.0), np.random.default_rng(1), shuffles=20)
    assert signal.grouped < 0.9 * signal.random[0]
    assert signal.grouped < signal.common
    assert signal.grouped == pytest.approx(1, abs=0.03), "what is left is the noise"


def test_what_belongs_to_single_users_is_not_the_groups() -> None:
    signal = group_signal(*drawn(0.0, 0.7), np.random.default_rng(1), shuffles=20)
    assert signal.grouped >= signal.random[0]
    assert signal.between_users == pytest.approx(0.49, rel=0.3)
    assert abs(signal.between_groups) < 0.05


def test_variance_between_classes_leaves_the_noise_of_few_rows_out() -> None:
    rng = np.random.default_rng(0)
    of = np.repeat(np.arange(2000), rng.integers(1, 6, size=2000))
    means = 0.5 * rng.normal(size=2000)
    assert variance_between(means[of] + rng.normal(size=len(of)), of) == pytest.approx(0.25, rel=0.2)
    assert variance_between(rng.normal(size=len(of)), of) == pytest.approx(0, abs=0.03)
