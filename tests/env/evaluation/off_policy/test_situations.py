"""What stands in tables of situations is what policies say, and what sessions earn is what they earn when played."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from personagym_env.data.tables import Dataset
from personagym_env.evaluation.core.simulate import SessionPlan, simulate
from personagym_env.evaluation.off_policy.session_values import session_values
from personagym_env.evaluation.off_policy.situations import Situations, SlateTable
from personagym_env.logs.collect import collect
from personagym_env.logs.decisions import LoggedDecisions
from personagym_env.logs.sessions import open_log
from personagym_env.world import World, make_world
from personagym_recommenders import EASE, BestRated, MostPopular
from personagym_recommenders.stochastic.epsilon_greedy import EpsilonGreedy
from personagym_recommenders.stochastic.options import ScoredOptions
from personagym_recommenders.stochastic.plackett_luce import PlackettLuce

P, K = 5, 2


@pytest.fixture(scope="module")
def world(dataset: Dataset, agent: Any) -> World:
    return make_world(dataset, agent)


@pytest.fixture(scope="module")
def policy(world: World) -> PlackettLuce:
    return PlackettLuce(EASE(), 0.8, candidates=P, retrieval=MostPopular()).fit(world.train, world.dataset.catalogue)


@pytest.fixture(scope="module")
def other(world: World) -> EpsilonGreedy:
    """Draws from other candidates."""
    return EpsilonGreedy(BestRated(), 0.4, candidates=P).fit(world.train, world.dataset.catalogue)


@pytest.fixture(scope="module")
def log(world: World, policy: PlackettLuce, tmp_path_factory: pytest.TempPathFactory) -> LoggedDecisions:
    folder: Path = tmp_path_factory.mktemp("log")
    sizes = {"slate_size": K, "max_episode_steps": 3, "history_length": 3, "rows": 200}
    collect(policy, world, folder, episodes=400, policy_fingerprint="", **sizes)  # type: ignore[arg-type]
    return open_log(folder).read()


def _table(policy: ScoredOptions, world: World, steps: int) -> SlateTable:
    return SlateTable.of(policy.joint, world.profiles, Situations.of(policy.items_, K, steps))


def test_logged_slates_are_found_with_their_propensities(
    world: World, policy: PlackettLuce, other: EpsilonGreedy, log: LoggedDecisions
) -> None:
    situations = Situations.of(policy.items_, K, 3)
    taken, slate = situations.locate(log)
    assert taken.max() >= P, "some sessions have taken an item, some two"
    own = SlateTable.of(policy.joint, world.profiles, situations)
    column = situations.column[taken, slate]
    np.testing.assert_allclose(own.joint[log.user, column], log.propensities.joint, rtol=1e-9)
    seen, sets = _table(other, world, 3).seen_from(situations)
    asked = other.propensities(log.observation(world.profiles, 3), log.slate)
    np.testing.assert_allclose(seen[log.user, column], asked.joint, rtol=1e-9)
    assert (asked.joint > 0).any()
    assert (asked.joint == 0).any()
    assert (sets[:, 0] == 0).all()


def test_foreign_slates_are_refused(policy: PlackettLuce, other: EpsilonGreedy, log: LoggedDecisions) -> None:
    with pytest.raises(ValueError, match=r"row \d+: expected candidates of user \d+, got \["):
        Situations.of(other.items_, K, 3).locate(log)


def test_parts_of_opening_slates_have_the_propensities_that_the_policy_tells(
    world: World, policy: PlackettLuce
) -> None:
    table = _table(policy, world, 1)
    slates, users = table.situations.slates, np.arange(len(policy.items_))
    np.testing.assert_allclose(table.joint.sum(axis=1), 1)
    np.testing.assert_allclose(table.at_places(0).sum(axis=2), 1)
    for number in (0, 7, 19):
        observation = table.situations.observation(users, 0, world.profiles)
        asked = policy.propensities(observation, policy.items_[:, slates[number]])
        np.testing.assert_allclose(table.opening_prefix()[:, number], asked.prefix, rtol=1e-9)
        np.testing.assert_allclose(table.opening_marginal()[:, number], asked.marginal, rtol=1e-5)


def test_expectations_of_the_next_item_are_conditional(world: World, policy: PlackettLuce) -> None:
    table = _table(policy, world, 1)
    situations = table.situations
    expected = table.next_item(np.broadcast_to(np.eye(P), (len(policy.items_), P, P)))
    user, number = 3, 17
    for place in range(K):
        same = (situations.slates[:, :place] == situations.slates[number, :place]).all(axis=1)
        shares = np.zeros(P)
        np.add.at(shares, situations.slates[same, place], table.joint[user, same])
        found = expected[user, situations.opening[number, place]]
        np.testing.assert_allclose(found, shares / shares.sum(), atol=1e-12)


@pytest.mark.parametrize("steps", [1, 3])
def test_computed_values_are_what_sessions_earn(
    world: World, policy: PlackettLuce, other: EpsilonGreedy, steps: int
) -> None:
    policies: dict[str, ScoredOptions] = {"one": policy, "other": other}
    exact = session_values(world, {name: _table(one, world, steps) for name, one in policies.items()}, steps)
    plan = SessionPlan.draw(world.train.n_users, episodes_per_user=1_000, seed=1)
    for name, one in policies.items():
        played = simulate(one, world, plan, slate_size=K, max_episode_steps=steps, history_length=steps, rows=4_096)
        error = played.returns.std() / np.sqrt(len(played.returns))
        assert exact[name] == pytest.approx(played.returns.mean(), abs=4 * error)
        assert error < 0.012


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"reward": {"leave": -1.0}}, "rewards for what is taken alone"),
        ({"drift": {"scale": 0.1}}, "taste does not drift"),
        ({"returning": {"max_sessions": 2}}, "do not return"),
    ],
)
def test_what_cannot_be_computed_is_refused(
    world: World, policy: PlackettLuce, changed: dict[str, Any], message: str
) -> None:
    moved = World(world.dataset, world.train, world.agent, world.parameters.updated(changed), world.fit)
    with pytest.raises(ValueError, match=message):
        session_values(moved, {"one": _table(policy, world, 1)}, 1)
