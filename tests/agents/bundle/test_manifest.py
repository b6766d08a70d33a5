"""Shipped bundles are found by the rows that they were trained on."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from personagym_agents.bundle import manifest
from personagym_agents.bundle.manifest import FORMAT, Manifest, read_manifest, save_manifest, shipped_bundles
from personagym_agents.bundle.settings import SMALL, AdapterSettings, BundleSettings
from personagym_agents.memory.settings import Recall
from personagym_env.data.splits import temporal_split
from personagym_env.data.tables import Dataset
from personagym_env.evaluation.core.data_overlap import deal_rows


@pytest.fixture
def bundles(tmp_path: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Manifests of a bundle of all training rows and of one of the judge's half; a folder without one is no bundle."""
    train = temporal_split(dataset.interactions).train
    half = deal_rows(train, "alternate", np.random.default_rng(0)).others
    for name, log in (("all", train), ("half", half)):
        (tmp_path / name).mkdir()
        about = {"dataset": "synthetic", "split": "", "command": "", "settings": {}, "logs": [], "versions": {}}
        raw = about | {"train_fingerprint": log.fingerprint(), "metrics": {}, "format": FORMAT}
        (tmp_path / name / "manifest.json").write_text(json.dumps(raw))
    (tmp_path / "empty").mkdir()
    monkeypatch.setattr(manifest, "BUNDLED", tmp_path / "all")
    return tmp_path


def test_what_is_written_is_read(tmp_path: Path) -> None:
    settings = BundleSettings(recall=Recall(reasons=2), adapters=AdapterSettings(groups="random", seed=3), seed=7)
    made = Manifest(
        "synthetic", "print", "all", "personagym train", settings, (), {"numpy": "2"}, {"base": {"rmse": 1.0}}
    )
    save_manifest(tmp_path, made)
    assert read_manifest(tmp_path) == made


@pytest.mark.parametrize("place", shipped_bundles(), ids=lambda place: place.name)
def test_shipped_bundles_were_made_with_the_defaults(place: Path) -> None:
    settings = read_manifest(place).settings
    # Whether layers are computed again moves no weight.
    training = replace(settings.training, checkpointing=None)
    assert replace(settings, training=training) == BundleSettings(base=SMALL, variants=4)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": 3}, "has format 3, and format 4 is expected: make it again .*by `personagym train --output mine`"),
        ({"format": None}, "has format None"),
        ({"settings": {"memory": True}}, r"extra fields .*memory.* \$\.settings"),
        ({"settings": {"base": "small", "width": 44}}, "must be a multiple of 8"),
        ({"settings": {"base": "small", "width": "wide"}}, r"width"),
        ({"settings": {"adapters": {"groups": "couples"}}}, r"settings\.adapters"),
    ],
)
def test_a_manifest_of_other_words_is_refused(tmp_path: Path, change: dict[str, object], words: str) -> None:
    save_manifest(
        tmp_path, Manifest("synthetic", "", "", "personagym train --output mine", BundleSettings(), (), {}, {})
    )
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ValueError, match=words):
        read_manifest(tmp_path)


def test_each_log_has_its_bundle(bundles: Path, dataset: Dataset) -> None:
    train = temporal_split(dataset.interactions).train
    dealt = deal_rows(train, "alternate", np.random.default_rng(0))
    assert manifest.shipped_bundles() == [bundles / "all", bundles / "half"]
    assert manifest.find_shipped(train) == bundles / "all"
    assert manifest.find_shipped(dealt.others) == bundles / "half"
    assert manifest.find_shipped(dealt.recommenders) is None


def test_a_log_fits_any_shipped_bundle_or_the_one_that_is_named(bundles: Path, dataset: Dataset) -> None:
    train = temporal_split(dataset.interactions).train
    dealt = deal_rows(train, "alternate", np.random.default_rng(0))
    assert manifest.bundle_fits(None, train)
    assert manifest.bundle_fits(None, dealt.others)
    assert not manifest.bundle_fits(None, dealt.recommenders)
    assert manifest.bundle_fits(bundles / "half", dealt.others)
    assert not manifest.bundle_fits(bundles / "half", train)
