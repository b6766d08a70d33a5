"""Fit a simulator on a log and ask it for values: the project's own users as the direct method."""

from collections.abc import Mapping

import numpy as np

import personagym_agents
from personagym_env.data.tables import Dataset, Interactions
from personagym_env.evaluation.core.simulate import SessionPlan, simulate
from personagym_env.evaluation.off_policy.opening import OpeningTable, opening_rewards
from personagym_env.evaluation.off_policy.pseudo_inverse import all_slates
from personagym_env.logs.decisions import LoggedDecisions
from personagym_env.protocols import NO_ITEM
from personagym_env.world import World
from personagym_recommenders.stochastic.options import ScoredOptions

USERS = "mf"
"""Kind of users that is fitted."""
SESSIONS = 20_000
"""Sessions in which a fitted simulator is asked for a value."""


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


def simulated_values(
    world: World, policies: Mapping[str, ScoredOptions], *, k: int, steps: int, seed: int
) -> dict[str, float]:
    """What each policy earns in a session of a fitted world."""
    if steps == 1:
        return {name: opening_value(world, policy, k) for name, policy in policies.items()}
    n_users = world.train.n_users
    plan = SessionPlan.draw(n_users, episodes_per_user=-(-SESSIONS // n_users), seed=seed)
    return {
        name: float(
            simulate(
                policy, world, plan, slate_size=k, max_episode_steps=steps, history_length=steps, rows=4_096
            ).returns.mean()
        )
        for name, policy in policies.items()
    }


def opening_value(world: World, policy: ScoredOptions, k: int) -> float:
    """What a policy's opening slates earn on average over users, computed."""
    slates = all_slates(policy.items_.shape[1], k)
    table = OpeningTable.of(policy, world.profiles, policy.items_, slates)
    earned = opening_rewards(world, np.arange(world.train.n_users), policy.items_, slates)
    return float((table.joint * earned.sum(axis=2)).sum(axis=1).mean())
