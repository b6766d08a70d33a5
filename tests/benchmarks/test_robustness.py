"""The robustness benchmark from the command line, on a log so small that its verdicts mean nothing."""

import importlib
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import tyro

import personagym_agents
from personagym_benchmarks.cli.card import CardCommand
from personagym_benchmarks.cli.robustness import RobustnessCommand
from personagym_benchmarks.robustness.settings import RobustnessSettings
from personagym_env.benchmark import Benchmark
from personagym_env.data.tables import Dataset
from personagym_env.evaluation.robustness.sessions import ONE_SESSION, PROBES, SEVERAL_SESSIONS
from personagym_env.evaluation.robustness.settings import SESSIONS
from personagym_env.evaluation.robustness.verdicts import PARAMETERS, Robustness
from personagym_env.run_context import RunContext
from personagym_env.session.parameters import SessionParameters
from personagym_env.world import make_world

ROOT = Path(__file__).parents[2]
FEW = (
    *("--contestants", "random", "popular", "best-rated", "--judges", "bias", "--session-judges", "bias"),
    *("--users", "6", "--seeds", "1", "--resamples", "10"),
)


@pytest.fixture
def script(make_dataset: Callable[..., Dataset], monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = importlib.import_module("personagym_benchmarks.robustness.study")
    data = make_dataset(n_users=16, n_items=260, per_user=120)
    monkeypatch.setattr(module, "load_dataset", lambda name: data)
    return module


CHANGES_NOTHING = {"instructions.reach"}
"""Parameters of what users say, after which sessions go on as they would."""


def arguments(script: ModuleType, *given: str) -> Any:
    return tyro.cli(RobustnessCommand, args=[*FEW, *given])


def test_every_setting_has_its_verdicts(script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "robustness.json"
    arguments(script, "--output", str(output)).main()
    report = Robustness.load(output)
    assert report.benchmarks[report.dataset].hash is not None
    printed = capsys.readouterr().out
    judges = ("real users", "bias, expected rating", "bias, session return")
    assert set(report.chance) == set(judges)
    kinds = {judge: [row.kind for row in report.rows if row.judge == judge] for judge in judges}
    assert kinds["real users"] == kinds["bias, expected rating"]
    assert set(kinds["real users"]) == {"default", "seed", "split", "catalogue", "picks"}
    assert set(kinds["bias, session return"]) == {"default", "seed", "slate", "assumed", "fitted"}
    assert all(judge in printed for judge in judges)
    for row in report.rows:
        assert row.kind != "default" or row.tau_default == 1
        assert row.judge != "real users" or row.tau.value == 1
    card = make_world(script.load_dataset("here"), "bias").card()
    measured = card.with_sensitivity(report.sensitivity("bias, session return"), "bias, session return")
    assert {entry.assumption.name for entry in measured.entries if not entry.sensitivity} == CHANGES_NOTHING
    CardCommand(script.load_dataset("here"), "bias", output).main()
    words = " ".join(capsys.readouterr().out.split())
    assert "Sensitivity: bias, session return" in words
    for wrong, why in (
        (replace(report, dataset="there"), "is of 'there', and the card of"),
        (replace(report, rows=report.rows[:1]), "tells of no sessions"),
        (replace(report, values={"choice.outside": 3.0}), "other values than the card's: choice.outside 3, here 0"),
        (replace(report, benchmarks=_earlier(report)), "measured in different benchmarks on 'synthetic'"),
    ):
        wrong.save(output)
        with pytest.raises(ValueError, match=why):
            CardCommand(script.load_dataset("here"), "bias", output).main()
    replace(report, benchmarks={}).save(output)
    CardCommand(script.load_dataset("here"), "bias", output).main()
    assert "session return (benchmark unknown" in " ".join(capsys.readouterr().out.split())


def _earlier(report: Robustness) -> dict[str, Benchmark]:
    """As if an earlier version of the environment had been played."""
    parts = asdict(report.benchmarks[report.dataset]) | {"environment": "PersonaRec-v0, behaviour 0"}
    del parts["hash"]
    return {report.dataset: Benchmark.of_parts(**parts)}


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
    report = script.run(arguments(script).settings, RunContext())
    assert [p.reward.empty for p in played].count(-1.0) == PROBES
    assert [p.choice.temperature for p in played].count(2.0) == 3
    (unmoved,) = [row for row in report.rows if row.setting == "reward.empty"]
    usual = next(row for row in report.rows if row.setting == unmoved.against and row.judge == unmoved.judge)
    assert (unmoved.tau_default, unmoved.mean) == (1, usual.mean)


def test_returning_is_varied_where_users_may_return(script: ModuleType) -> None:
    report = script.run(arguments(script, "--users", "16").settings, RunContext())
    rows = {(row.setting, row.value): row for row in report.rows if row.kind in PARAMETERS}
    usual = {row.setting: row for row in report.rows if row.kind == "default" and "session" in row.judge}
    assert {row.sessions for row in usual.values()} == {1, SESSIONS}
    assert usual[SEVERAL_SESSIONS].mean > usual[ONE_SESSION].mean
    across = [row for row in rows.values() if row.against == SEVERAL_SESSIONS]
    assert {row.setting.partition(".")[0] for row in across} == {"returning", "reward"}
    assert rows["reward.retention", 10.0].mean > usual[SEVERAL_SESSIONS].mean
    assert rows["returning.max_sessions", 2.0].against == ONE_SESSION
    assert set(report.values) == {name for name, _ in rows}


def test_frozen_users_are_compared_with_those_who_remember(script: ModuleType) -> None:
    given = ("--session-judges", "frozen:bias")
    report = script.run(arguments(script, *given).settings, RunContext())
    (judge,) = report.session_judges
    assert judge == "frozen bias, session return"
    (row,) = [row for row in report.rows if row.kind == "memory"]
    assert row.judge == judge
    assert row.tau_default == 1  # these users do not remember either


def test_persona_users_judge_where_their_bundle_fits(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = next(script.data_settings(1)).bench(script.load_dataset("here"))
    fits = bench.dealt.others.fingerprint()
    monkeypatch.setattr(script, "find_shipped", lambda log: Path() if log.fingerprint() == fits else None)
    monkeypatch.setattr(
        script, "load_bundle_agent", lambda place, dataset, log: personagym_agents.load("bias", dataset, log)
    )
    given = ("--judges", "persona", "mf", "--session-judges", "frozen:persona")
    report = script.run(arguments(script, *given).settings, RunContext())
    kinds = [row.kind for row in report.of("persona, expected rating")]
    assert kinds == ["default", "picks", "picks"]
    assert len(report.of("mf, expected rating")) > len(kinds)
    assert list(report.absent) == ["persona, expected rating"]
    assert report.session_judges == ("frozen persona, session return",)


def test_committed_figures_tell_the_sensitivity_to_every_parameter() -> None:
    report = Robustness.load(ROOT / "benchmarks" / "results" / "robustness.json")
    names = {known.name for known, _ in SessionParameters().assumptions()} - CHANGES_NOTHING
    assert set(report.values) == names
    assert report.session_judges
    for judge in report.session_judges:
        assert set(report.sensitivity(judge)) == names
    assert "persona, expected rating" in report.judges
    assert set(report.absent) <= set(report.judges) == set(report.chance)


def test_judges_by_default(script: ModuleType) -> None:
    assert RobustnessSettings().judges == ("persona", "mf", "knn")
    assert RobustnessSettings().session_judges == ("frozen:persona", "mf")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("--session-judges", "mf"), "session judges must be some of the judges"),
        (("--contestants", "the best"), "contestants must be some of random, popular"),
    ],
)
def test_bad_requests(script: ModuleType, given: tuple[str, ...], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        script.run(arguments(script, *given).settings, RunContext())
