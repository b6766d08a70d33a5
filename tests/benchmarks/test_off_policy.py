"""The off-policy study on a small world: the truth is the truth, logs are logs, and the board says what was found."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from personagym_benchmarks.off_policy import study
from personagym_benchmarks.off_policy.aggregate import Measured, aggregate, goals
from personagym_benchmarks.off_policy.features import SlateFeatures
from personagym_benchmarks.off_policy.policies import evaluation_policies, logging_policy
from personagym_benchmarks.off_policy.questions import OpeningAsker, SessionAsker
from personagym_benchmarks.off_policy.replicates import Replicates, reduce_pool, replicates
from personagym_benchmarks.off_policy.settings import OffPolicySettings
from personagym_benchmarks.off_policy.simulator import fitted_world, opening_value, simulated_values
from personagym_env.data.export import write_atomic_files
from personagym_env.data.tables import Dataset
from personagym_env.evaluation.off_policy.board import OffPolicyBoard, Study
from personagym_env.evaluation.off_policy.plots import coverage_plot, error_plot
from personagym_env.evaluation.off_policy.tables import tables
from personagym_env.logs.collect import collect
from personagym_env.logs.decisions import LoggedDecisions
from personagym_env.logs.sessions import open_log
from personagym_env.run_context import RunContext
from personagym_env.world import World, make_world

K, P = 3, 6


@pytest.fixture(scope="module")
def world(make_dataset: Any, make_agent: Any) -> World:
    data = make_dataset(30, 80)
    return make_world(data, make_agent(30, 80))


@pytest.fixture(scope="module")
def single(world: World, tmp_path_factory: pytest.TempPathFactory) -> LoggedDecisions:
    """Single decisions of the logging policy."""
    return _collected(world, tmp_path_factory.mktemp("single"), 6_000, 1)


@pytest.fixture(scope="module")
def sessions(world: World, tmp_path_factory: pytest.TempPathFactory) -> LoggedDecisions:
    return _collected(world, tmp_path_factory.mktemp("sessions"), 1_500, 3)


def _collected(world: World, folder: Path, episodes: int, steps: int) -> LoggedDecisions:
    policy = logging_policy(world, P)
    sizes = {"slate_size": K, "max_episode_steps": steps, "history_length": steps, "rows": 500}
    collect(policy, world, folder, episodes=episodes, policy_fingerprint="", **sizes)  # type: ignore[arg-type]
    return open_log(folder).read()


def test_tables_answer_as_policies_do(world: World, single: LoggedDecisions) -> None:
    features = SlateFeatures(world)
    policy = evaluation_policies(world, P)["BestRated 1.5"]
    batch = single.episodes(np.arange(400))
    looked_up = OpeningAsker(policy, logging_policy(world, P), features, world.profiles, K).ask(batch)
    asked = SessionAsker(policy, features, world.profiles, 1).ask(batch)
    for one, other in zip(looked_up.decisions.evaluation, asked.decisions.evaluation, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9)
    np.testing.assert_allclose(looked_up.actions.logged, asked.actions.logged)
    off = looked_up.actions.expected - asked.actions.expected
    assert np.abs(off.mean(axis=0)).max() < 0.15, "four draws a decision come close on average"


@pytest.mark.parametrize("name", ["EASE 4", "BestRated 1.5"])
def test_estimates_of_many_logs_are_near_the_truth(world: World, single: LoggedDecisions, name: str) -> None:
    policy = evaluation_policies(world, P)[name]
    asker = OpeningAsker(policy, logging_policy(world, P), SlateFeatures(world), world.profiles, K)
    pool = reduce_pool(asker, [single], 6_000)
    truth = opening_value(world, policy, K)
    found = replicates(pool, 1_000, 30, 60, seed=0)
    assert set(found) == {
        "IPS", "SNIPS", "clipped IPS", "DM", "DR", "switch-DR", "SIPS", "IIPS", "RIPS", "cascade-DR", "PI"
    }  # fmt: skip
    for estimator in ("IPS", "SNIPS", "DR"):
        one = found[estimator]
        spread = max(one.value.std(), 0.01)
        assert abs(one.value.mean() - truth) < 2.5 * spread, estimator
        assert ((one.low <= truth) & (truth <= one.high)).mean() > 0.6
    again = replicates(pool, 1_000, 30, 60, seed=0)
    np.testing.assert_array_equal(found["DR"].value, again["DR"].value)


def test_sessions_have_their_estimators(world: World, sessions: LoggedDecisions) -> None:
    policy = evaluation_policies(world, P)["EASE 4"]
    pool = reduce_pool(SessionAsker(policy, SlateFeatures(world), world.profiles, 3), [sessions], 10_000)
    found = replicates(pool, 600, 10, 40, seed=0)
    assert set(found) == {"PDIS", "weighted PDIS", "FQE", "DR"}
    logged = sessions.reward.sum() / sessions.n_episodes
    for estimator in ("PDIS", "weighted PDIS", "DR"):
        assert found[estimator].value.mean() == pytest.approx(logged, abs=0.3)


def test_a_simulator_is_fitted_on_training_rows_and_log(world: World, single: LoggedDecisions) -> None:
    fitted = fitted_world(world, single.episodes(np.arange(200)))
    assert fitted.agent.n_users == world.train.n_users
    assert fitted.train is world.train
    policies = dict(list(evaluation_policies(world, P).items())[:2])
    for steps in (1, 2):
        values = simulated_values(fitted, policies, k=K, steps=steps, seed=0)
        assert all(0 < value < steps for value in values.values())


def _said(values: list[float], width: float = 0.1, suffices: bool = True) -> Replicates:
    value = np.array(values)
    trusted = np.full(len(value), suffices)
    return Replicates(value, value - width, value + width, np.ones(len(value)), trusted)


def test_cells_and_orders_add_up() -> None:
    measured = {
        "good": Measured(1.0, {100: {"DR": _said([1.0, 1.2, 0.5])}}),
        "fair": Measured(0.6, {100: {"DR": _said([0.6, 0.6, 0.7])}}),
        "bad": Measured(0.0, {100: {"DR": _said([0.0, 0.3, 2.0], suffices=False)}}),
        "elsewhere": Measured(2.0, {100: {"DR": _said([0.0, 0.0, 0.0])}}),
    }
    cells, orders = aggregate(measured, {"good", "fair", "bad"})
    good = next(cell for cell in cells if cell.policy == "good")
    assert good.bias == pytest.approx(-0.1)
    assert good.rmse == pytest.approx(np.sqrt((0.04 + 0.25) / 3))
    assert good.coverage == pytest.approx(1 / 3)
    assert next(cell for cell in cells if cell.policy == "bad").suffices == 0
    (order,) = orders
    assert order.tau.value == 1.0
    assert order.tau.low < 0
    assert order.regret.value == pytest.approx(0.4 / 3), "the third log deploys the fair policy, the bad one warns"


def test_goals_are_told_as_they_are() -> None:
    measured = {
        name: Measured(value, {100_000: {"DR": _said([value] * 4)}}) for name, value in (("a", 1.0), ("b", 0.0))
    }
    cells, orders = aggregate(measured, {"a", "b"})
    found_there = Study("mf", "single", "EASE", 0.5, 1.0, (), tuple(cells), tuple(orders))
    found = {goal.name: goal.reached for goal in goals([found_there], {"single": "DR", "sessions": "DR"}, 70.0)}
    assert list(found.values()) == [True, True, True, False]


def test_the_study_runs_and_is_read_back(dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def few(world: World, candidates: int) -> dict[str, Any]:
        return dict(list(evaluation_policies(world, candidates).items())[::7])

    monkeypatch.setattr(study, "evaluation_policies", few)
    write_atomic_files(dataset, tmp_path / "small")
    settings = OffPolicySettings(
        dataset=str(tmp_path / "small"),
        users=("bias",),
        candidates=6,
        sizes=(60,),
        logs=3,
        pool=400,
        bank=400,
        truth=60,
        simulators=1,
        resamples=20,
    )
    board = study.run(settings, RunContext(tmp_path / "runs"))
    assert [one.hash is None for one in board.benchmarks.values()] == [False]
    board.save(tmp_path / "off_policy.json")
    back = OffPolicyBoard.load(tmp_path / "off_policy.json")
    assert [one.mode for one in back.studies] == ["single", "sessions"]
    assert back.studies[0].policies[0].standard_error == 0
    assert back.studies[1].policies[0].standard_error > 0
    assert not back.studies[0].policies[-1].supported
    assert len(list(tables(back))) == 5
    assert error_plot(back).startswith("<")
    assert "svg" in coverage_plot(back)


def test_settings_are_checked() -> None:
    with pytest.raises(ValueError, match="candidates must leave a slate of 3"):
        OffPolicySettings(candidates=4)
    with pytest.raises(ValueError, match="need a larger pool"):
        OffPolicySettings(pool=1_000)
