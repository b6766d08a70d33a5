"""The robustness benchmark from the command line, on a log so small that its verdicts mean nothing."""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import tyro
from rich.console import Console

from personagym_env.data.tables import Dataset
from personagym_env.evaluation.robustness import Robustness
from personagym_env.session.parameters import SessionParameters
from personagym_env.world import make_world

ROOT = Path(__file__).parent.parent
FEW = (
    *("--contestants", "random", "popular", "best rated", "recent", "--judges", "bias", "--session-judges", "bias"),
    *("--users", "6", "--seeds", "1", "--resamples", "10"),
)


@pytest.fixture
def script(make_dataset: Callable[..., Dataset], monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("robustness_script", ROOT / "benchmarks" / "robustness.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "robustness_script", module)
    spec.loader.exec_module(module)
    data = make_dataset(n_users=16, n_items=260, per_user=120)
    monkeypatch.setattr(module, "load_dataset", lambda name: data)
    return module


def arguments(script: ModuleType, *given: str) -> Any:
    return tyro.cli(script.Args, args=[*FEW, *given])


def test_every_setting_has_its_verdicts(script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "robustness.json"
    script.main(arguments(script, "--output", str(output)))
    report = Robustness.load(output)
    printed = capsys.readouterr().out
    judges = ("real users", "bias, expected rating", "bias, session return")
    assert set(report.chance) == set(judges)
    kinds = {judge: [row.kind for row in report.rows if row.judge == judge] for judge in judges}
    assert kinds["real users"] == kinds["bias, expected rating"]
    assert set(kinds["real users"]) == {"default", "seed", "split", "catalogue", "picks"}
    assert set(kinds["bias, session return"]) == {"default", "seed", "slate", "parameter"}
    assert all(judge in printed for judge in judges)
    for row in report.rows:
        assert row.kind != "default" or row.tau_default == 1
        assert row.judge != "real users" or row.tau.value == 1
    card = make_world(script.load_dataset("here"), "bias").card()
    measured = card.with_sensitivity(report.sensitivity("bias, session return"))
    assert any(entry.sensitivity for entry in measured.entries)


def test_a_parameter_without_effect_is_not_played_by_everybody(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a single session nobody returns, so the half-life of what happens meanwhile moves nothing."""
    played: list[SessionParameters] = []
    play = script.SessionTrial.play

    def counting(trial: Any, recommender: Any, agent: Any) -> Any:
        played.append(trial.parameters)
        return play(trial, recommender, agent)

    monkeypatch.setattr(script.SessionTrial, "play", counting)
    report = script.run(arguments(script), Console(quiet=True))
    times = {name: [p.to_dict()[name[0]][name[1]] for p in played] for name in NAMES}
    assert times["returning", "recovery"].count(2.0) == script.PROBES
    assert times["choice", "temperature"].count(2.0) == 4
    unmoved = [row for row in report.rows if row.setting == "returning.recovery"]
    assert [row.tau_default for row in unmoved] == [1, 1]


NAMES = (("returning", "recovery"), ("choice", "temperature"))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("--session-judges", "mf"), "session judges must be some of the judges"),
        (("--contestants", "the best"), "contestants must be some of random, popular"),
    ],
)
def test_bad_requests(script: ModuleType, given: tuple[str, ...], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        script.run(arguments(script, *given), Console(quiet=True))
