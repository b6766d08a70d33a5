"""The validation benchmark runs from the command line on a small log, and learns from training rows alone."""

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import tyro

from personagym_benchmarks.cli.validation import ValidationCommand
from personagym_env.data.tables import Interactions
from personagym_env.evaluation.reporting.report import render_report
from personagym_env.evaluation.validation.board import Validation
from personagym_env.run_context import RunContext

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    module = importlib.import_module("personagym_benchmarks.validation.study")
    return module


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log in RecBole's format with sessions, and with genres."""
    place = tmp_path_factory.mktemp("data") / "log"
    place.mkdir()
    rng = np.random.default_rng(0)
    rows = ["user_id:token\titem_id:token\trating:float\ttimestamp:float"]
    for user in range(25):
        times = np.cumsum(np.where(rng.random(30) < 0.2, 86_400, 20)) + 1_000_000
        for item, time in zip(rng.choice(60, 30, replace=False), times, strict=True):
            rows.append(f"u{user}\ti{item}\t{rng.integers(1, 6)}\t{time}")
    (place / "log.inter").write_text("\n".join(rows) + "\n", encoding="utf-8")
    items = ["item_id:token\tmovie_title:token_seq\tclass:token_seq"]
    items += [f"i{item}\tFilm {item}\t{('Drama', 'Comedy', 'War Drama')[item % 3]}" for item in range(60)]
    (place / "log.item").write_text("\n".join(items) + "\n", encoding="utf-8")
    return place


def _arguments(script: ModuleType, folder: Path, *more: str) -> Any:
    return tyro.cli(ValidationCommand, args=["--dataset", str(folder), "--agents", "bias", "--resamples", "20", *more])


def test_from_log_to_report(
    script: ModuleType, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out" / "validation.json"
    _arguments(script, folder, "--output", str(output)).main()
    assert "distance from the held-out log" in capsys.readouterr().out
    result = Validation.load(output)
    assert result.benchmarks[result.dataset].hash is not None
    names = ["real, other half", "real, just before"]
    names += [f"bias, {policy}" for policy in ("popularity", "item-kNN", "mixture", "uniform")]
    assert [source.name for source in result.sources] == names
    assert len(result.aspects) == 8
    assert result.rows == 25 * 6
    assert "Do simulated logs look like real ones?" in render_report(None, validation=result)


def test_nothing_is_learned_from_held_out_rows(
    script: ModuleType, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Logs are watched where users, votes and rulers are given them."""
    seen: list[Interactions] = []

    class Votes(script.ItemKNN):  # type: ignore[name-defined, misc]
        def learn(self, log: Interactions, catalogue: Any) -> None:
            seen.append(log)
            super().learn(log, catalogue)

    class Measure(script.Ruler):  # type: ignore[name-defined, misc]
        def __init__(self, train: Interactions, catalogue: Any) -> None:
            seen.append(train)
            super().__init__(train, catalogue)

    def load(name: str, dataset: Any, train: Interactions, **options: Any) -> Any:
        seen.append(train)
        return original(name, dataset, train, **options)

    original = script.personagym_agents.load
    monkeypatch.setattr(script, "ItemKNN", Votes)
    monkeypatch.setattr(script, "Ruler", Measure)
    monkeypatch.setattr(script.personagym_agents, "load", load)
    script.run(_arguments(script, folder, "--users", "5").settings, RunContext())
    test = script.temporal_split(script.load_dataset(str(folder)).interactions, 0.8).test
    assert len(seen) >= 6
    for log in seen:
        assert len(log)
        assert not log.contains(test.users, test.items).any()
