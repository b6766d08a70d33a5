"""`personagym train`: which rows the bundle is made from."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from personagym_env import cli
from personagym_env.data.splits import temporal_split
from personagym_env.data.tables import Dataset
from personagym_env.evaluation.judge_rows import deal_rows


@pytest.mark.parametrize("judge_half", [False, True])
def test_the_judge_learns_from_the_half_that_contestants_do_not_know(
    judge_half: bool, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: dict[str, Any] = {}

    class _Manifest:
        metrics = None

    def lay_ground(dataset: Dataset, split: Any, settings: Any, **rest: Any) -> Any:
        return split

    def make_bundle(ground: Any, **rest: Any) -> _Manifest:
        made.update(split=ground, **rest)
        return _Manifest()

    monkeypatch.setattr(cli, "load_dataset", lambda source: dataset)
    monkeypatch.setattr("personagym_agents.ground.lay_ground", lay_ground)
    monkeypatch.setattr("personagym_agents.making.make_bundle", make_bundle)
    cli.Train(output=tmp_path / "bundle", judge_half=judge_half, run=tmp_path / "run").main()
    split = temporal_split(dataset.interactions)
    dealt = deal_rows(split.train, "alternate", np.random.default_rng(0))
    assert made["split"].train.fingerprint() == dealt.of_judge("disjoint" if judge_half else "superset").fingerprint()
    assert made["split"].test.fingerprint() == split.test.fingerprint()
    assert ("half that contestants do not know" in made["split_words"]) == judge_half
