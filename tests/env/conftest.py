"""Fixtures of the environments."""

import sys
import types
from typing import Any

import pytest

from personagym_env.data.tables import Dataset


@pytest.fixture
def arguments(monkeypatch: pytest.MonkeyPatch, dataset: Dataset, agent: Any) -> dict[str, Any]:
    """Arguments of `gym.make` for the synthetic world: a name and an entry point, as JSON needs it."""
    module = types.ModuleType("a_users_module")
    module.load = lambda dataset, train: agent  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr("personagym_env.world.load_dataset", {"synthetic": dataset}.__getitem__)
    return {"dataset": "synthetic", "agent": "a_users_module:load", "slate_size": 4}
