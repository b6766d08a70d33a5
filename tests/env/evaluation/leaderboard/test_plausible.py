"""Laws that a log cannot tell: what it was fitted to and what somebody chose stays as it is."""

from dataclasses import replace

from personagym_env.evaluation.leaderboard.plausible import plausible_worlds, untold
from personagym_env.session.fitting.estimates import Estimate
from personagym_env.session.fitting.sessions import SessionFit
from personagym_env.world import make_world


def without_times(dataset):
    return replace(dataset, interactions=replace(dataset.interactions, timestamps=None))


def test_what_is_assumed_is_tried_at_both_ends(dataset, make_agent):
    world = make_world(without_times(dataset), make_agent(rating=4))
    found = dict(plausible_worlds(world))
    assert [name.partition(" ")[0] for name in found] == [
        f"leaving.{part}" for part in ("intercept", "satisfaction_weight", "duration_weight") for _ in range(2)
    ]
    assert found["leaving.intercept = 0"].parameters.leaving.intercept == 0
    assert found["leaving.intercept = 0"].parameters.choice == world.parameters.choice


def test_what_is_fitted_or_set_is_told(dataset, make_agent):
    world = make_world(without_times(dataset), make_agent(rating=4), parameters={"leaving": {"intercept": -3.0}})
    estimates = {"leaving.duration_weight": Estimate(0.3, 0.2, 0.4, 100, "as assumed, by the log")}
    known = replace(world, fit=SessionFit(estimates))
    assert [one.name for one in untold(known)] == ["leaving.satisfaction_weight"]


def test_returning_counts_where_users_may_return(dataset, make_agent):
    world = make_world(without_times(dataset), make_agent(rating=4), parameters={"returning": {"max_sessions": 3}})
    names = [one.name for one in untold(world) if one.name.startswith("returning")]
    assert names == [f"returning.{part}" for part in ("location", "satisfaction_weight", "spread", "recovery")]
