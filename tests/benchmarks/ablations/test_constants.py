"""The measurement of hand-chosen numbers: what it asks, and that it leaves out what a setting does not change."""

import importlib.util
import sys
from dataclasses import fields
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from personagym_agents.memory.co_consumption import READINGS, CoConsumptionSettings
from personagym_env.data.splits import Split
from personagym_env.data.tables import Dataset, Interactions

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("constants", ROOT / "benchmarks" / "ablations" / "constants.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["constants"] = module
    spec.loader.exec_module(module)
    return module


def test_every_setting_is_halved_and_doubled(script: ModuleType) -> None:
    settings = CoConsumptionSettings()
    made = list(script.variants(settings))
    assert [name for name, _, _ in made] == [field.name for field in fields(settings) for _ in range(2)]
    for name, value, variant in made:
        assert getattr(variant, name) == pytest.approx(value)
        assert value in (getattr(settings, name) / 2, getattr(settings, name) * 2)


def test_readings_tell_the_own_taste_from_the_other(script: ModuleType) -> None:
    """Even users take even items and odd users odd ones: whatever is taken late stands above the other half."""
    users, items = np.nonzero(np.add.outer(np.arange(30), np.arange(20)) % 2 == 0)
    late = np.random.default_rng(0).random(len(users)) < 0.3
    late[users == 7] = False

    def rows(some: np.ndarray) -> Interactions:
        return Interactions.from_columns(
            users[some], items[some], np.ones(some.sum()), None, n_users=30, n_items=20, scale=(1.0, 2.0)
        )

    found = script.user_auc(Split(rows(~late), rows(late)), CoConsumptionSettings(rank=2))
    assert found.shape == (30, len(READINGS))
    assert np.isnan(found[7]).all()
    known = np.delete(found, 7, axis=0)
    np.testing.assert_array_equal(known[:, [READINGS.index("lately"), READINGS.index("latent")]], 1.0)
    # Items that nobody took any other after tell nothing of what comes next.
    assert known[:, READINGS.index("next")].mean() > 0.9


def test_effects_are_of_readings_that_a_setting_changes(script: ModuleType, dataset: Dataset) -> None:
    rows = script.effects(dataset.interactions, script.Args(resamples=10))
    assert [(row.setting, row.reading) for row in rows[:3]] == [("defaults", reading) for reading in READINGS]
    changed = {row.setting: set() for row in rows}
    for row in rows:
        changed[row.setting].add(row.reading)
        assert row.difference.low <= row.difference.value <= row.difference.high
    assert changed["recent"] == {"lately"}
    assert changed["last"] == {"next"}


def test_shares_of_words_add_up(script: ModuleType, dataset: Dataset) -> None:
    shares = script.word_shares(dataset, dataset.interactions, 2)
    for words in (("generous", "fair", "strict"), ("focused", "varied", "curious")):
        assert sum(shares[word] for word in words) == pytest.approx(1)
