"""Fit a simulator on a log and ask it for values: the project's own users as the direct method."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

import personagym_agents
from personagym_agents.classical.static_cached import StaticCachedUsers
from personagym_agents.classical.users import ClassicalUsers
from personagym_env.data.tables import Dataset, FloatArray, Interactions
from personagym_env.evaluation.core.simulate import SessionPlan, simulate
from personagym_env.evaluation.off_policy.session_values import session_values, why_not_computable
from personagym_env.evaluation.off_policy.situations import SlateTable
from personagym_env.logs.decisions import LoggedDecisions
from personagym_env.protocols import NO_ITEM
from personagym_env.workers import Workers, all_done
from personagym_env.world import World
from personagym_recommenders.stochastic.options import ScoredOptions

USERS = "mf"
"""Kind of users that is fitted."""
ROWS = 4_096
"""Sessions side by side; these users answer from tables."""


def fitted_world(world: World, log: LoggedDecisions) -> World:
    """A world of factor-model users, fitted on the training rows and on what users took in a log.

    Session parameters stay as they were fitted on the training rows. A pair that comes several times has its last
    rating.
    """
    took = np.flatnonzero(log.item != NO_ITEM)
    pair = log.user[took] * world.train.n_items + log.item[took]
    _, last = np.unique(pair[::-1], return_index=True)
    kept = took[len(pair) - 1 - last]
    train = world.train
    rows = Interactions.from_columns(
        np.concatenate([train.users, log.user[kept]]),
        np.concatenate([train.items, log.item[kept]]),
        np.concatenate([train.ratings, log.rating[kept]]),
        None,
        n_users=train.n_users,
        n_items=train.n_items,
        scale=train.scale,
    )
    data = Dataset(f"{world.dataset.name} and a log", world.dataset.catalogue, world.dataset.users, rows)
    agent = personagym_agents.load(USERS, data, rows)
    # Policies were fitted on the training rows alone, so these are what a session must not show again.
    return World(world.dataset, world.train, agent, world.parameters)


def policy_values(
    world: World,
    policies: Mapping[str, ScoredOptions],
    tables: Mapping[str, SlateTable],
    *,
    plan: SessionPlan,
    steps: int,
    workers: Workers | None = None,
) -> dict[str, tuple[float, float]]:
    """What each policy earns in a session, and the standard error: 0 where the value is computed.

    Args:
        world: whose users react.
        policies: by name.
        tables: their propensities.
        plan: sessions that are played where values cannot be computed.
        steps: longest session.
        workers: play, a policy each; None for one after the other.
    """
    unmoved = steps == 1 or isinstance(world.agent, (ClassicalUsers, StaticCachedUsers))
    if unmoved and not why_not_computable(world.parameters):
        return {name: (value, 0.0) for name, value in session_values(world, tables, steps).items()}
    k = next(iter(tables.values())).situations.slates.shape[1]
    played = all_done(workers, _play, _Stage(world, plan, k, steps), list(policies.values()))
    return {
        name: (float(returns.mean()), float(returns.std() / np.sqrt(len(returns))))
        for name, returns in zip(policies, played, strict=True)
    }


class _Stage(NamedTuple):
    """What all policies play in."""

    world: World
    plan: SessionPlan
    k: int
    steps: int


def _play(stage: _Stage, policy: ScoredOptions) -> FloatArray:
    """(j,) what each session of a policy earned."""
    return simulate(
        policy,
        stage.world,
        stage.plan,
        slate_size=stage.k,
        max_episode_steps=stage.steps,
        history_length=stage.steps,
        rows=ROWS,
    ).returns
