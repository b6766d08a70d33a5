"""`personagym train`: which rows the bundle is made from, and with which settings."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tyro

from personagym_agents.bundle.settings import BundleSettings, paper_settings
from personagym_agents.memory.settings import Recall
from personagym_agents.training.settings import TrainingSettings
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

    def train_base(dataset: Dataset, split: Any, settings: Any, context: Any) -> None:
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
    assert ("half that recommenders do not know" in made["split_words"]) == judge_half


def test_options_left_out_are_the_presets(made: dict[str, Any]) -> None:
    for default in ((), ("default",)):
        train(*default)
        assert made["settings"] == BundleSettings()
    train("paper", "--base", "some/model")
    assert made["settings"] == paper_settings("some/model")


def test_one_seed_is_that_of_base_personas_and_adapters(made: dict[str, Any]) -> None:
    train("--seed", "7")
    assert made["settings"] == BundleSettings(seed=7)
    assert made["settings"].adapter_seed == 7
    train("--seed", "7", "--adapters.seed", "8")
    assert (made["settings"].seed, made["settings"].adapter_seed) == (7, 8)


def test_options_are_the_settings_themselves(made: dict[str, Any]) -> None:
    train("--base", "small", "--width", "64", "--layers", "2", "--training.epochs", "3")
    assert made["settings"] == BundleSettings(base="small", width=64, layers=2, training=TrainingSettings(epochs=3))
    of_adapters = (
        "--adapters.rank 8 --adapters.alpha 4 --adapters.dropout 0.2 --adapters.targets query-key "
        "--adapters.training.epochs 5 --adapters.training.checkpointing True --adapters.groups individual"
    )
    train("paper", "--base", "some/model", *of_adapters.split(), "--personas.features", "both")
    paper = paper_settings("some/model")
    adapters = replace(
        paper.adapters,
        groups="individual",
        rank=8,
        alpha=4,
        dropout=0.2,
        targets="query-key",
        training=replace(paper.adapters.training, epochs=5, checkpointing=True),
    )
    assert made["settings"] == replace(paper, adapters=adapters, personas=replace(paper.personas, features="both"))


@pytest.mark.parametrize(
    ("options", "recall"),
    [
        ("", Recall()),
        ("paper --base some/model", Recall(evidence=False, reasons=1)),
        ("--recall.evidence False", Recall(evidence=False)),
        ("paper --base some/model --recall.evidence True --recall.reasons 0", Recall()),
        ("--recall.evidence False --recall.reasons 3", Recall(evidence=False, reasons=3)),
        ("--recall.reasons 1 --recall.reason-book book.jsonl", Recall(reasons=1, reason_book="book.jsonl")),
    ],
)
def test_what_users_recall_is_one_setting(options: str, recall: Recall, made: dict[str, Any]) -> None:
    train(*options.split())
    assert made["settings"].recall == recall


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--base some/model --width 64 --layers 2", "width, layers: of the small base alone, got base 'some/model'"),
        ("--base small --width 44", "width must be a multiple of 8, for 4 attention heads of even width, got 44"),
        ("--base small --layers 0", "layers must be at least 1, got 0"),
        ("--training.epochs 0", "TrainingSettings.epochs must be at least 1, got 0"),
        ("--recall.reason-book book.jsonl", "of no use where no reasons are recalled"),
        ("paper", "--base"),
    ],
)
def test_settings_that_do_not_fit_are_refused_before_anything_is_read(
    options: str, words: str, made: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        train(*options.split())
    told = re.sub(r"[^!-~]+", " ", capsys.readouterr().err)  # the words, without the frame around them
    assert words in told
    assert not made
