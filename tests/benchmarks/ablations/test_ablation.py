"""Bundles of the ablation: every kind of adapters on one base, which none of them changes."""

import importlib.util
import re
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from fixtures.display import RecordingDisplay
from personagym_agents.bundle.settings import SMALL, AdapterSettings, BundleSettings
from personagym_agents.bundle.storage import load_bundle_agent
from personagym_agents.memory.settings import Recall
from personagym_agents.personas.settings import PersonaSettings
from personagym_agents.training.base import TrainedBase, train_base
from personagym_agents.training.settings import TrainingSettings
from personagym_env.data.splits import Split
from personagym_env.data.tables import Dataset
from personagym_env.run_context import RunContext

ROOT = Path(__file__).parents[3]
KINDS = ("single", "single-equal-rows", "random", "persona", "individual")
QUICK = TrainingSettings(epochs=1, batch=4, warmup=1)


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("ablation", ROOT / "benchmarks" / "ablations" / "ablation.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["ablation"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def trained_base(small_data: Dataset, small_split: Split, tmp_path: Path) -> TrainedBase:
    settings = BundleSettings(
        base=SMALL,
        width=32,
        layers=1,
        vocabulary=900,
        teacher="bias",
        training=QUICK,
        personas=PersonaSettings(n_personas=3),
    )
    return train_base(small_data, small_split, settings, RunContext(tmp_path / "base"))


def test_kinds_differ_in_who_shares_an_adapter_and_in_rows(script: ModuleType) -> None:
    kinds = script.kinds_of_adapters(script.Args(), [30, 10, 20])
    assert tuple(kinds) == KINDS
    assert kinds["single-equal-rows"] == replace(kinds["single"], rows=20)
    assert kinds["persona"] == replace(kinds["random"], groups="persona")
    assert kinds["persona"].training == kinds["persona"].training_on(chooses=True)
    last = {
        kind: adapters.training.averaging
        for kind, adapters in script.kinds_of_adapters(script.Args(averaging=0.0), [9]).items()
    }
    assert last == dict.fromkeys(KINDS, 0.0)
    equal = script.kinds_of_adapters(script.Args(equal_rows=True), [30, 10, 20])
    assert {adapters.rows for adapters in equal.values()} == {10}
    assert equal["persona"] == replace(equal["random"], groups="persona") == replace(equal["single"], groups="persona")
    narrow = script.kinds_of_adapters(script.Args(rank=4), [9])["persona"]
    assert narrow == replace(kinds["persona"], rank=4, alpha=4)
    assert script.words_of(
        script.Args(rank=4, personas=8, features="both"), BundleSettings(recall=Recall(evidence=False))
    ) == (
        ", 8 personas, features both, rank 4",
        ", no memory",
    )
    assert script.words_of(script.Args(), BundleSettings(recall=Recall(reasons=2)))[1] == ", reasons and evidence"
    with pytest.raises(ValueError, match="rows must be at least 1 or None, got 0"):
        AdapterSettings(rows=0)


def test_equal_rows_are_equal_up_to_a_user(script: ModuleType, trained_base: TrainedBase, tmp_path: Path) -> None:
    counts = trained_base.split.train.counts
    fewest = int(np.bincount(trained_base.personas.assignment, counts).min())
    args = script.Args(equal_rows=True, kinds=("single", "random", "persona"), seeds=1, output=tmp_path)
    display = RecordingDisplay()
    context = RunContext(tmp_path, display=display)
    entries = script.train_missing(replace(args, bundle=tmp_path / "some"), trained_base, context)
    assert entries[0] == f"'single, equal rows={tmp_path / 'temporal-some-single-equal-rows-0'}'"
    told = re.findall(r"adapter (\w+)-\d.*: ([\d,]+) rows of", "\n".join(display.lines))
    assert len(told) == 1 + 2 * len(trained_base.personas)
    for kind, rows in told:
        assert fewest - counts.max() < int(rows.replace(",", "")) <= fewest or kind == "random"


def test_every_kind_is_trained_on_one_base(
    script: ModuleType, trained_base: TrainedBase, small_data: Dataset, small_split: Split, tmp_path: Path
) -> None:
    before = {name: value.clone() for name, value in trained_base.model.state_dict().items()}
    args = script.Args(kinds=KINDS, seeds=2, output=tmp_path / "ablation", bundle=tmp_path / "some")
    entries = script.train_missing(args, trained_base, RunContext(tmp_path))
    after = trained_base.model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert len(entries) == 2 * len(KINDS)
    users = {}
    for entry in entries:
        place = Path(entry.strip("'").partition("=")[2])
        agent = load_bundle_agent(place, small_data, small_split.train)
        users[place.name.removeprefix("temporal-some-")] = agent.population.adapters
    assert len(np.unique(users["individual-0"])) == small_split.train.n_users
    assert len(np.unique(users["single-0"])) == 1
    np.testing.assert_array_equal(users["persona-0"], users["persona-1"])
    assert (users["random-0"] != users["random-1"]).any(), "each seed deals its own random groups"
    np.testing.assert_array_equal(np.bincount(users["random-1"]), np.bincount(users["persona-1"]))


def test_a_finished_bundle_is_kept_and_unknown_kinds_are_named(
    script: ModuleType, trained_base: TrainedBase, tmp_path: Path
) -> None:
    place = tmp_path / "ablation" / "temporal-some-single-0"
    place.mkdir(parents=True)
    args = script.Args(kinds=("single",), seeds=1, output=tmp_path / "ablation", bundle=tmp_path / "some")
    assert script.train_missing(args, trained_base, RunContext(tmp_path)) == [f"'single={place}'"]
    assert not list(place.iterdir())
    place = tmp_path / "ablation" / "temporal-some-single-averaging-0-0"
    place.mkdir()
    unaveraged = script.train_missing(replace(args, averaging=0.0), trained_base, RunContext(tmp_path))
    assert unaveraged == [f"'single, averaging 0={place}'"]
    with pytest.raises(ValueError, match=r"kinds of adapters must be some of .*, got couples"):
        script.train_missing(replace(args, kinds=("couples",)), trained_base, RunContext(tmp_path))
