"""The off-policy study on a small world: the truth is the truth, logs are logs, and the board says what was found."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from personagym_benchmarks.off_policy import replicates as replicates_module
from personagym_benchmarks.off_policy import study
from personagym_benchmarks.off_policy.aggregate import Measured, aggregate, goals
from personagym_benchmarks.off_policy.features import SlateFeatures
from personagym_benchmarks.off_policy.policies import evaluation_policies, logging_policy
from personagym_benchmarks.off_policy.pool import reduce_pool
from personagym_benchmarks.off_policy.questions import Asker, Locator
from personagym_benchmarks.off_policy.replicates import Replicates, replicates
from personagym_benchmarks.off_policy.settings import OffPolicySettings
from personagym_benchmarks.off_policy.simulator import fitted_world, policy_values
from personagym_env.data.export import write_atomic_files
from personagym_env.data.tables import Dataset
from personagym_env.evaluation.core.simulate import SessionPlan
from personagym_env.evaluation.off_policy.board import OffPolicyBoard, Study
from personagym_env.evaluation.off_policy.from_log import decisions_of
from personagym_env.evaluation.off_policy.plots import coverage_plot, error_plot
from personagym_env.evaluation.off_policy.session_values import session_values
from personagym_env.evaluation.off_policy.situations import Situations, SlateTable
from personagym_env.evaluation.off_policy.tables import tables
from personagym_env.logs.collect import collect
from personagym_env.logs.decisions import LoggedDecisions
from personagym_env.logs.sessions import open_log
from personagym_env.run_context import RunContext
from personagym_env.session.random import Stream, stream_keys
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


def _tables(world: World, steps: int, names: tuple[str, ...]) -> tuple[Locator, dict[str, Asker]]:
    logging = logging_policy(world, P)
    locator = Locator(Situations.of(logging.items_, K, steps), SlateFeatures(world), world.profiles)
    table = SlateTable.of(logging.joint, world.profiles, locator.situations)
    policies = evaluation_policies(world, P)
    return locator, {name: Asker(policies[name], table, locator) for name in names}


NAMES = ("BestRated 1.5", "MatrixFactorisation 1, own candidates")


@pytest.mark.parametrize("steps", [1, 3])
def test_tables_answer_as_policies_do(
    world: World, single: LoggedDecisions, sessions: LoggedDecisions, steps: int
) -> None:
    batch = (single if steps == 1 else sessions).episodes(np.arange(300))
    locator, askers = _tables(world, steps, NAMES)
    located = locator.locate(batch)
    for name, asker in askers.items():
        policy = evaluation_policies(world, P)[name]
        asked = decisions_of(batch, policy, world.profiles, steps)
        looked_up = asker.ask(located)
        for one, other in zip(looked_up.decisions.evaluation, asked.evaluation, strict=True):
            if not np.isnan(one).any():
                np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-12)
        observation, drawn = batch.observation(world.profiles, steps), []
        for luck in range(60):
            keys = stream_keys(np.arange(len(batch), dtype=np.uint64), batch.step + luck, batch.step, Stream.POLICY)
            slates = policy.draw(observation, K, keys)
            drawn.append(locator.features.of_slates(locator.features.of_items(batch.user, slates)))
        off = looked_up.actions.expected[:, 7:] - np.mean(drawn, axis=0)
        error = np.std(drawn, axis=0).max(axis=0) / np.sqrt(60 * len(batch))
        assert (np.abs(off.mean(axis=0)) < 5 * error + 1e-9).all()


@pytest.mark.parametrize("steps", [1, 3])
def test_models_told_by_predictions_are_models_told_by_features(
    world: World, single: LoggedDecisions, sessions: LoggedDecisions, steps: int
) -> None:
    locator, askers = _tables(world, steps, NAMES[:1])
    located = locator.locate((single if steps == 1 else sessions).episodes(np.arange(200)))
    question = askers[NAMES[0]].ask(located)
    rng, fold = np.random.default_rng(0), np.arange(200) % 2
    actions = rng.normal(size=(2, located.logged.shape[1]))
    places = None if located.places is None else rng.normal(size=(2, located.places.shape[1]))
    by_feature = question.sums().with_models(actions[fold], None if places is None else places[fold])
    by_prediction = question.predicted(fold, actions, places).sums().with_models(np.ones(1), np.ones(1))
    for name, terms in by_feature.items():
        np.testing.assert_allclose(by_prediction[name].numerator, terms.numerator, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("name", ["EASE 4", "BestRated 1.5"])
def test_estimates_of_many_logs_are_near_the_truth(world: World, single: LoggedDecisions, name: str) -> None:
    locator, askers = _tables(world, 1, (name,))
    pool = reduce_pool(askers, locator, [single], 6_000)
    assert pool.n_runs == 6
    truth = session_values(world, {name: askers[name].table}, 1)[name]
    by_estimator = replicates(pool, askers, 1_000, 30, 60, seed=0)[name]
    assert set(by_estimator) == {
        "IPS", "SNIPS", "clipped IPS", "DM", "DR", "switch-DR", "SIPS", "IIPS", "RIPS", "cascade-DR", "PI"
    }  # fmt: skip
    for estimator in ("IPS", "SNIPS", "DR"):
        one = by_estimator[estimator]
        spread = max(one.value.std(), 0.01)
        assert abs(one.value.mean() - truth) < 2.5 * spread, estimator
        assert ((one.low <= truth) & (truth <= one.high)).mean() > 0.6
    again = replicates(pool, askers, 1_000, 30, 60, seed=0)[name]
    np.testing.assert_array_equal(by_estimator["DR"].value, again["DR"].value)


@pytest.mark.parametrize("steps", [1, 3])
def test_small_and_large_logs_say_the_same_of_the_whole_pool(
    world: World, single: LoggedDecisions, sessions: LoggedDecisions, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A log of all that there is, drawn session by session and run by run."""
    log = single if steps == 1 else sessions
    locator, askers = _tables(world, steps, NAMES[:1])
    pool = reduce_pool(askers, locator, [log], len(log))
    size = pool.n_runs * 1_000
    small = replicates(pool, askers, size, 1, 20, seed=0)[NAMES[0]]
    monkeypatch.setattr(replicates_module, "SMALL", 1)
    large = replicates(pool, askers, size, 1, 20, seed=0)[NAMES[0]]
    assert set(small) == set(large)
    for estimator, one in small.items():
        assert one.value == pytest.approx(large[estimator].value, abs=0.04), estimator


def test_sessions_have_their_estimators(world: World, sessions: LoggedDecisions) -> None:
    locator, askers = _tables(world, 3, ("EASE 4",))
    found = replicates(reduce_pool(askers, locator, [sessions], 10_000), askers, 600, 10, 40, seed=0)["EASE 4"]
    assert set(found) == {"PDIS", "weighted PDIS", "FQE", "DR"}
    logged = sessions.reward.sum() / sessions.n_episodes
    for estimator in ("PDIS", "weighted PDIS", "DR"):
        assert found[estimator].value.mean() == pytest.approx(logged, abs=0.3)


def test_a_simulator_is_fitted_on_training_rows_and_log(world: World, single: LoggedDecisions) -> None:
    fitted = fitted_world(world, single.episodes(np.arange(200)))
    assert fitted.agent.n_users == world.train.n_users
    assert fitted.train is world.train
    policies = dict(list(evaluation_policies(world, P).items())[:2])
    plan = SessionPlan.draw(world.train.n_users, episodes_per_user=20, seed=0)
    for steps in (1, 2):
        situations = Situations.of(policies["EASE 4"].items_, K, steps)
        tables = {name: SlateTable.of(one.joint, world.profiles, situations) for name, one in policies.items()}
        values = policy_values(fitted, policies, tables, plan=plan, steps=steps)
        assert all(0 < value < steps for value, _ in values.values())
        assert all(error == 0 for _, error in values.values()), "factor-model users stay as they are"
    played = policy_values(world, policies, tables, plan=plan, steps=2)
    for name, (value, error) in played.items():
        assert 0 < error < 0.1, "these users may change, so their sessions are played"
        assert value == pytest.approx(session_values(world, tables, 2)[name], abs=4 * error)


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
    assert list(found.values()) == [True, True, True, True, False]


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
        pool=2_600,
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
    assert back.studies[1].policies[0].standard_error == 0
    assert not back.studies[0].policies[-1].supported
    assert len(list(tables(back))) == 5
    assert error_plot(back).startswith("<")
    assert "svg" in coverage_plot(back)


def test_settings_are_checked() -> None:
    with pytest.raises(ValueError, match="candidates must leave a slate of 3"):
        OffPolicySettings(candidates=4)
    with pytest.raises(ValueError, match="need a larger pool"):
        OffPolicySettings(pool=1_000)
    with pytest.raises(ValueError, match="logs of 10000 decisions need a larger bank than 9000"):
        OffPolicySettings(bank=9_000)
