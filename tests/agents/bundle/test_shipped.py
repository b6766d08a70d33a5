"""Shipped bundles are found by the rows that they were trained on."""

import json
from pathlib import Path

import numpy as np
import pytest

from personagym_agents.bundle import shipped
from personagym_agents.bundle.storage import FORMAT
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
        about = {"dataset": "synthetic", "split": "", "command": "", "history_lines": 1, "settings": {}, "versions": {}}
        manifest = about | {"train_fingerprint": log.fingerprint(), "metrics": {}, "format": FORMAT}
        (tmp_path / name / "manifest.json").write_text(json.dumps(manifest))
    (tmp_path / "empty").mkdir()
    monkeypatch.setattr(shipped, "BUNDLED", tmp_path / "all")
    return tmp_path


def test_each_log_has_its_bundle(bundles: Path, dataset: Dataset) -> None:
    train = temporal_split(dataset.interactions).train
    dealt = deal_rows(train, "alternate", np.random.default_rng(0))
    assert shipped.shipped_bundles() == [bundles / "all", bundles / "half"]
    assert shipped.find_shipped(train) == bundles / "all"
    assert shipped.find_shipped(dealt.others) == bundles / "half"
    assert shipped.find_shipped(dealt.contestants) is None


def test_names(bundles: Path, dataset: Dataset) -> None:
    train = temporal_split(dataset.interactions).train
    dealt = deal_rows(train, "alternate", np.random.default_rng(0))
    assert shipped.name_shipped("default", dealt.others) == str(bundles / "half")
    assert shipped.name_shipped("persona", train) == str(bundles / "all")
    assert shipped.name_shipped("frozen:default", train) == f"frozen:{bundles / 'all'}"
    assert shipped.name_shipped("mf", train) == "mf"
    assert shipped.name_shipped("default", dealt.contestants) == "default"
