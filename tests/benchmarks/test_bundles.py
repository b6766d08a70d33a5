"""Bundles on the fidelity board: several seeds of one population, a base, controls, and the leak test."""

import importlib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from personagym_agents.bundle.manifest import Manifest
from personagym_agents.bundle.settings import BundleSettings
from personagym_agents.documents.corpus import Corpus
from personagym_agents.inference.language_users import LanguageUserAgent
from personagym_agents.memory.settings import Recall
from personagym_benchmarks.fidelity import bundles, populations
from personagym_benchmarks.fidelity.settings import FidelitySettings
from personagym_env.data.splits import Split
from personagym_env.data.tables import Dataset, Interactions
from personagym_env.run_context import RunContext

ROOT = Path(__file__).parents[2]


@pytest.fixture
def script(
    monkeypatch: pytest.MonkeyPatch,
    small_data: Dataset,
    small_split: Split,
    make_language_agent: Callable[..., LanguageUserAgent],
) -> ModuleType:
    """The benchmark, with random users in place of bundles."""
    module = importlib.import_module("personagym_benchmarks.fidelity.study")

    def fits(place: Path | None, train: Interactions) -> bool:
        return train.fingerprint() == small_split.train.fingerprint()

    def load(place: Path, dataset: Dataset, train: Interactions, *, adapters: bool) -> LanguageUserAgent:
        assert dataset.interactions is train, "held-out rows must not reach the users"
        return make_language_agent("qwen2" if place.name == "other" else "llama", adapted=adapters)

    settings = BundleSettings(base="some/folder/base", recall=Recall(reasons=2))
    manifest = Manifest("synthetic", small_split.train.fingerprint(), "", "", settings, (), {}, {})
    monkeypatch.setattr(bundles, "read_manifest", lambda place: manifest)
    monkeypatch.setattr(module, "load_dataset", lambda name: small_data)
    monkeypatch.setattr(module, "bundle_fits", fits)
    monkeypatch.setattr(populations, "load_bundle_agent", load)
    return module


@pytest.fixture
def args(script: ModuleType, tmp_path: Path) -> Callable[..., object]:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()

    def make(**options: object) -> object:
        defaults = {
            "splits": ("temporal", "cold"),
            "agents": ("bias",),
            "recommenders": (),
            "bases": (f"none={tmp_path / 'one'}",),
            "bundles": (f"persona={tmp_path / 'one'}", f"persona={tmp_path / 'other'}"),
            "shipped": False,
            "negatives": 20,
            "resamples": 20,
        }
        return FidelitySettings(**defaults | options)

    return make


def test_bundles_join_the_protocol_that_they_were_trained_for(script: ModuleType, args: Callable[..., object]) -> None:
    report = script.run(args(compare=("persona:none", "none:bias")), RunContext())
    temporal, cold = report.boards
    made = report.setting["bundles"]
    assert [(one["name"], one["base"], one["recall"]["reasons"], one["adapters"] is None) for one in made] == [
        ("none", "folder", 2, True),
        ("persona", "folder", 2, False),
        ("persona", "folder", 2, False),
    ]
    names = [(row.name, row.kind, row.seeds) for row in temporal.rows[4:]]
    assert names == [
        ("bias", "users", 1),
        ("none", "users", 1),
        ("persona", "users", 2),
        ("persona, no history", "control", 1),
        ("persona, shuffled ratings", "control", 1),
        ("persona, ids alone", "control", 1),
    ]
    assert [row.name for row in cold.rows[4:]] == ["bias"]
    assert [(one.left, one.right) for one in temporal.differences] == [("persona", "none"), ("none", "bias")]
    assert cold.differences == ()
    assert temporal.leak_test == {"none": 10, "persona": 20}
    assert temporal.memorisation["base of persona"].completed.value < 0.2
    low, high = temporal.row("persona").spread["rmse"]
    assert low < temporal.row("persona").figures["rmse"].value < high
    assert temporal.row("persona").figures["urr"].value == 0


def test_users_are_asked_again_with_each_others_adapters(script: ModuleType, args: Callable[..., object]) -> None:
    pair = "persona:persona, adapters of others"
    (board,) = script.run(
        args(splits=("temporal",), controls=False, swapped=("persona",), compare=(pair,)), RunContext()
    ).boards
    row = board.row("persona, adapters of others")
    assert (row.kind, row.seeds) == ("ablation", 2)
    assert row.figures["rmse"].value != board.row("persona").figures["rmse"].value
    assert [f"{one.left}:{one.right}" for one in board.differences] == [pair]


def test_a_base_has_no_adapters_to_swap(script: ModuleType, args: Callable[..., object]) -> None:
    with pytest.raises(ValueError, match="got none"):
        script.run(args(swapped=("none",)), RunContext())


def test_a_pair_that_no_protocol_has_is_refused_before_anything_is_asked(
    script: ModuleType, args: Callable[..., object]
) -> None:
    with pytest.raises(ValueError, match="no protocol has both populations of persona:nobody"):
        script.run(args(compare=("persona:nobody",)), RunContext())


def test_a_prompt_that_speaks_of_held_out_rows_stops_everything(
    script: ModuleType,
    args: Callable[..., object],
    monkeypatch: pytest.MonkeyPatch,
    small_data: Dataset,
    make_language_agent: Callable[..., LanguageUserAgent],
) -> None:
    honest = make_language_agent("llama", adapted=False)
    corpus = Corpus.build(small_data, small_data.interactions, honest.corpus.tokenizer)
    traitor = LanguageUserAgent(honest.population.model, corpus, name="traitor", history_lines=4)
    monkeypatch.setattr(populations, "load_bundle_agent", lambda *found, adapters: traitor)
    with pytest.raises(SystemExit, match="prompts of 'none' speak of held-out rows"):
        script.run(args(splits=("temporal",)), RunContext())
