"""`personagym train`: which rows the bundle is made from, and with which settings."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tyro

from personagym_agents.bundle.settings import BundleSettings, paper_settings
from personagym_benchmarks.cli import train as train_module
from personagym_env.data.splits import temporal_split
from personagym_env.data.tables import Dataset
from personagym_env.evaluation.core.data_overlap import deal_rows


@pytest.fixture
def made(dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the command, whose trainings do nothing here, passes on."""
    made: dict[str, Any] = {}

    class _Manifest:
        metrics = None

    def train_base(dataset: Dataset, split: Any, settings: Any, **rest: Any) -> None:
        made.update(split=split, settings=settings)

    def build_bundle(trained_base: Any, **rest: Any) -> _Manifest:
        made.update(rest)
        return _Manifest()

    monkeypatch.setattr(train_module, "load_dataset", lambda source: dataset)
    monkeypatch.setattr("personagym_agents.training.base.train_base", train_base)
    monkeypatch.setattr("personagym_agents.bundle.build.build_bundle", build_bundle)
    monkeypatch.chdir(tmp_path)
    return made


def train(*options: str) -> None:
    tyro.cli(train_module.TrainCommand, args=["--output", "bundle", "--run", "run", *options]).main()


@pytest.mark.parametrize("judge_half", [False, True])
def test_the_judge_learns_from_the_half_that_contestants_do_not_know(
    judge_half: bool, dataset: Dataset, made: dict[str, Any]
) -> None:
    train(*["--judge-half"] * judge_half)
    split = temporal_split(dataset.interactions)
    dealt = deal_rows(split.train, "alternate", np.random.default_rng(0))
    assert made["split"].train.fingerprint() == dealt.of_judge("disjoint" if judge_half else "superset").fingerprint()
    assert made["split"].test.fingerprint() == split.test.fingerprint()
    assert ("half that contestants do not know" in made["split_words"]) == judge_half


def test_options_left_out_are_the_presets(made: dict[str, Any]) -> None:
    train()
    assert made["settings"] == BundleSettings()
    train("--preset", "paper", "--base", "some/model")
    assert made["settings"] == paper_settings("some/model")


def test_one_seed_is_that_of_base_personas_and_adapters(made: dict[str, Any]) -> None:
    train("--seed", "7")
    plain = BundleSettings()
    assert made["settings"] == replace(
        plain,
        training=replace(plain.training, seed=7),
        adapters=replace(plain.adapters, training=replace(plain.adapters.training, seed=7)),
    )


def test_options_of_base_and_adapters_are_passed_on(made: dict[str, Any]) -> None:
    train("--width", "64", "--layers", "2", "--epochs", "3")
    assert (made["settings"].width, made["settings"].layers, made["settings"].training.epochs) == (64, 2, 3)
    adapters = (
        "--rank 8 --alpha 4 --dropout 0.2 --targets query-key --adapter-epochs 5 --checkpointing --groups individual"
    )
    train("--preset", "paper", "--base", "some/model", *adapters.split(), "--persona-features", "both")
    paper, settings = paper_settings("some/model"), made["settings"]
    assert settings.personas == replace(paper.personas, features="both")
    assert settings.adapters == replace(
        paper.adapters,
        groups="individual",
        rank=8,
        alpha=4,
        dropout=0.2,
        targets="query-key",
        training=replace(paper.adapters.training, epochs=5, checkpointing=True),
    )


@pytest.mark.parametrize(
    ("options", "memory", "reasons"),
    [
        ("", True, 0),
        ("--preset paper --base some/model", False, 1),
        ("--recall nothing", False, 0),
        ("--recall evidence --preset paper --base some/model", True, 0),
        ("--recall reasons --reasons 3", False, 3),
        ("--recall both", True, 1),
    ],
)
def test_what_users_recall_is_one_option(options: str, memory: bool, reasons: int, made: dict[str, Any]) -> None:
    train(*options.split())
    assert (made["settings"].memory, made["settings"].reasons) == (memory, reasons)


def test_sizes_of_the_small_base_are_refused_for_another_one_and_where_no_model_has_them(made: dict[str, Any]) -> None:
    with pytest.raises(SystemExit, match="width, layers: of the small base alone, got base 'some/model'"):
        train("--base", "some/model", "--width", "64", "--layers", "2")
    with pytest.raises(ValueError, match="width must be a multiple of 8, for 4 attention heads of even width, got 44"):
        train("--width", "44")
    with pytest.raises(ValueError, match="layers must be at least 1, got 0"):
        train("--layers", "0")
