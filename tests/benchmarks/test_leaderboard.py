"""The leaderboard's judge is independent: who learns from which rows, what is shown, and what is on record."""

import importlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import tyro

from personagym_agents.bundle.manifest import FORMAT
from personagym_benchmarks.cli.leaderboard import LeaderboardCommand
from personagym_benchmarks.leaderboard import measuring
from personagym_env.data.splits import temporal_split
from personagym_env.data.tables import Dataset
from personagym_env.evaluation.core.data_overlap import DATA_OVERLAPS, DataOverlap, DealtRows, deal_rows
from personagym_env.evaluation.leaderboard.board import Leaderboard, Row
from personagym_env.evaluation.leaderboard.tables import ranking_table
from personagym_env.evaluation.reporting.markdown import markdown
from personagym_env.run_context import RunContext
from personagym_env.vector_env import PersonaRecVectorEnv
from personagym_env.world import make_world
from personagym_recommenders import BestRated, CandidateFeatures, MostPopular, VectorDecodeAction, WeightedFeatures

ROOT = Path(__file__).parents[2]
FEW = ("--floors", "bias", "--contestants", "random", "popular", "linucb", "--users", "8", "--resamples", "20")


@pytest.fixture
def data(make_dataset: Callable[..., Dataset]) -> Dataset:
    return make_dataset(n_users=20, n_items=120, per_user=60)


@pytest.fixture
def dealt(data: Dataset) -> DealtRows:
    return deal_rows(temporal_split(data.interactions).train, "alternate", np.random.default_rng(0))


@pytest.fixture
def script(data: Dataset, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = importlib.import_module("personagym_benchmarks.leaderboard.study")
    monkeypatch.setattr(module, "load_dataset", lambda name: data)
    return module


def arguments(script: ModuleType, *given: str) -> Any:
    return tyro.cli(LeaderboardCommand, args=[*FEW, "--no-band", *given])


@pytest.mark.parametrize("rows", DATA_OVERLAPS)
def test_recommenders_and_users_learn_from_the_rows_on_record(
    script: ModuleType, dealt: DealtRows, monkeypatch: pytest.MonkeyPatch, rows: DataOverlap
) -> None:
    """Logs are watched where recommenders and users are given them, slates where sessions show them."""
    seen: dict[str, set[str]] = {"recommenders": set(), "users": set()}
    load, simulate, choose = script.personagym_agents.load, measuring.simulate, script.choose_recommenders

    def loading(name: str, dataset: Dataset, log: Any) -> Any:
        seen["users"] |= {log.fingerprint(), dataset.interactions.fingerprint()}
        return load(name, dataset, log)

    def choosing(args: Any, world: Any) -> Any:
        chosen = choose(args, world)
        for one in chosen:
            fit = one.recommender.fit

            def watched(log: Any, catalogue: Any, fit: Any = fit) -> Any:
                seen["recommenders"].add(log.fingerprint())
                return fit(log, catalogue)

            one.recommender.fit = watched
        return chosen

    def simulating(recommender: Any, world: Any, plan: Any, **options: Any) -> Any:
        assert options["hidden"] is not None
        recommend = recommender.recommend

        def watched(observation: Any, k: int, candidates: Any = None) -> Any:
            slates = recommend(observation, k, candidates=candidates)
            people = np.repeat(observation["user"], k)
            assert not dealt.train.contains(people, slates.ravel()).any()
            return slates

        recommender.recommend = watched
        try:
            return simulate(recommender, world, plan, **options)
        finally:
            del recommender.recommend

    monkeypatch.setattr(script.personagym_agents, "load", loading)
    monkeypatch.setattr(script, "choose_recommenders", choosing)
    monkeypatch.setattr(measuring, "simulate", simulating)
    board = script.run(arguments(script, "--agent", "mf", "--data-overlap", rows).settings, RunContext())
    assert seen == {
        "recommenders": {dealt.recommenders.fingerprint()},
        "users": {dealt.of_judge(rows).fingerprint()},
    }
    assert board.independence == dealt.independence(rows, "alternate")
    assert {row.name for row in board.rows} == {"random", "popular", "linucb", "oracle-greedy"}
    assert rows in board.setting["users know"]


def test_a_saved_policy_is_a_contestant(script: ModuleType, data: Dataset, tmp_path: Path) -> None:
    ppo = pytest.importorskip("stable_baselines3").PPO
    from personagym_recommenders.rl.sb3_features import NEEDED
    from personagym_recommenders.rl.sb3_recommender import SB3Recommender
    from personagym_recommenders.rl.sb3_vec_env import SB3VecEnv

    world = make_world(data, "bias")
    decoder = WeightedFeatures(CandidateFeatures([MostPopular(), BestRated()]))
    decoder.fit(world.train, data.catalogue)
    users = PersonaRecVectorEnv(world, 2, autoreset_mode="SameStep")
    env = SB3VecEnv(VectorDecodeAction(users, decoder), parts=NEEDED)
    SB3Recommender(ppo("MultiInputPolicy", env, device="cpu").policy, decoder, name="mine").save(tmp_path / "policy")
    board = script.run(
        arguments(script, "--agent", "mf", "--recommender", str(tmp_path / "policy")).settings, RunContext()
    )
    assert "mine" in {row.name for row in board.rows}


def test_the_independent_judge_is_the_default_and_says_so(
    script: ModuleType,
    dealt: DealtRows,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_report = "personagym_env.evaluation.reporting.report.write_report"
    monkeypatch.setattr(write_report, lambda board, path: path.write_text(str(board.independence)))
    output, report = tmp_path / "board.json", tmp_path / "board.html"
    arguments(script, "--agent", "bias", "--output", str(output), "--report", str(report)).main()
    board = Leaderboard.load(output)
    assert board.benchmarks[board.dataset].hash is not None
    assert board.independence == dealt.independence("disjoint", "alternate")
    told = " ".join(capsys.readouterr().out.split())
    assert str(board.independence) in told
    assert f"know {len(dealt.others):,} training rows (disjoint)" in told
    assert "no row of which a recommender knows" in report.read_text()
    assert {law["name"] for law in board.card["goodness"]} <= {"leaving", "returning", "satiation", "drift"}
    assert board.card["goodness"]


def test_a_bundle_of_other_rows_is_refused(script: ModuleType, dealt: DealtRows, tmp_path: Path) -> None:
    """Users who were trained on all training rows are no independent judges."""
    about = {"dataset": "synthetic", "split": "all", "command": "", "settings": {}, "logs": [], "versions": {}}
    manifest = about | {"train_fingerprint": dealt.train.fingerprint(), "metrics": {}, "format": FORMAT}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ValueError, match="was trained on other rows"):
        script.run(arguments(script, "--agent", str(tmp_path)).settings, RunContext())


def test_returns_have_a_band_where_the_log_cannot_tell_when_people_leave(
    script: ModuleType, data: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    timeless = replace(data, interactions=replace(data.interactions, timestamps=None))
    monkeypatch.setattr(script, "load_dataset", lambda name: timeless)
    board = script.run(
        arguments(script, "--band", "--agent", "mf", "--contestants", "random", "popular", "--no-reference").settings,
        RunContext(),
    )
    assert len(board.setting["plausible laws"]) == 6  # three parameters of leaving, at either end
    for row in board.rows:
        assert row.band is not None
        assert row.band.low < row.band.value < row.band.high
        assert row.band.value == row.simulated["return"].value
    assert "return over plausible laws" in markdown(ranking_table(board))
    assert "return over plausible laws" not in markdown(ranking_table(replace(board, rows=without_bands(board))))


def without_bands(board: Leaderboard) -> tuple[Row, ...]:
    return tuple(replace(row, band=None) for row in board.rows)
