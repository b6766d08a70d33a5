"""Silence about recommenders, and what logs are like."""

import numpy as np
import pytest

from personagym_env.data.tables import Interactions
from personagym_env.evaluation.agreement.all_logs.abstention import abstain, silences
from personagym_env.evaluation.agreement.all_logs.log_shape import log_shape

NAMES = [f"r{i}" for i in range(12)]


def test_silence_about_what_is_judged_wrongly_raises_tau_above_chance():
    real = np.arange(12.0)
    said = real.copy()
    said[[2, 9]] = [11.5, 0.5]
    wrong = np.isin(np.arange(12), [2, 9])
    found = abstain(said, real, NAMES, wrong, np.random.default_rng(0))
    assert found is not None
    assert found.silent == ("r2", "r9")
    assert found.tau == 1.0
    assert found.chance < 0.7


def test_nothing_is_told_where_nobody_or_nearly_everybody_is_dropped():
    real = np.arange(12.0)
    for silent in (np.zeros(12, bool), np.arange(12) >= 4):
        assert abstain(real, real, NAMES, silent, np.random.default_rng(0)) is None


def test_rules_name_the_unsupported_and_the_unsure():
    support = np.linspace(0.3, 1.0, 12)
    spread = np.linspace(0.5, 1.5, 12)
    found = silences(support, spread)
    assert [int(rule.sum()) for rule in found.values()] == [4, 3, 3]
    assert found["least supported quarter"][:3].all()
    assert found["quarter of the widest answers"][-3:].all()


def test_selection_is_nothing_where_everybody_rated_everything():
    users, items = (grid.ravel() for grid in np.meshgrid(np.arange(8), np.arange(6), indexing="ij"))
    whole = Interactions.from_columns(
        users, items, 1.0 + items % 5, None, n_users=8, n_items=6, scale=(1.0, 2.0, 3.0, 4.0, 5.0)
    )
    shape = log_shape(whole)
    assert (shape.density, shape.rows_per_user, shape.liked_selection) == (1.0, 6.0, 0.0)
    assert shape.selection == pytest.approx(0.0, abs=1e-12)
    assert log_shape(whole.take((users + 2 * items) % 8 < 7 - items)).selection > 0.5
