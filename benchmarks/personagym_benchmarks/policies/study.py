"""Random, static recommenders, one that reads the users, bandits and a policy by PPO, with the same random draws.

Every line is judged by the same sessions: the same users, and the same chance wherever two policies do the same. The
column `real value` is the mean real rating of five items that the recommender picked from a user's held-out ones: a
policy that rises in the simulation and not there has learned the simulator.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from personagym_benchmarks.policies.settings import PolicySettings
from personagym_env.data.splits import temporal_split
from personagym_env.env import HISTORY_LENGTH
from personagym_env.evaluation.core.closed_pool import ClosedPool
from personagym_env.evaluation.core.differences import Difference
from personagym_env.evaluation.core.result_file import recorded
from personagym_env.evaluation.core.simulate import OnlineRecommender, SessionPlan, Sessions, simulate
from personagym_env.evaluation.core.snapshot import environment_snapshot
from personagym_env.evaluation.core.statistics import interval, user_resamples
from personagym_env.evaluation.leaderboard.policies import PolicyComparison, PolicyRow
from personagym_env.protocols import Recommender
from personagym_env.run_context import RunContext
from personagym_env.world import World, make_world
from personagym_recommenders import RecommenderContext, make_contestants

APART = 500_000
"""What the seed of the sessions differs by that a bandit learns from before it is judged."""
LEARNERS = frozenset({"bandit", "policy"})
"""Kinds that are compared with the best static recommender."""


def warm_up(bandit: Recommender, world: World, args: PolicySettings) -> None:
    """Let a bandit learn from sessions that judge nobody."""
    n_users = world.train.n_users
    users = min(args.warm_up, n_users)
    episodes = -(-args.warm_up // users)
    plan = SessionPlan.draw(n_users, users=users, episodes_per_user=episodes, seed=args.seed - APART)
    simulate(bandit, world, plan, slate_size=args.slate_size, rows=args.rows, in_place=True)


def contestants(args: PolicySettings, world: World, policy: Path) -> Iterator[tuple[str, str, Recommender]]:
    """Everybody, ready to be judged: kind, name and recommender."""
    kinds = {"random": "chance", **dict.fromkeys(args.static, "static"), "oracle-greedy": "reads the users"}
    kinds |= {**dict.fromkeys(args.bandits, "bandit"), str(policy): "policy"}
    made = make_contestants(kinds, RecommenderContext(judge=world.agent))
    for kind, (name, _, recommender) in zip(kinds.values(), made, strict=True):
        recommender.fit(world.train, world.dataset.catalogue)
        if isinstance(recommender, OnlineRecommender):
            warm_up(recommender, world, args)
        yield kind, name, recommender


def compare(args: PolicySettings, world: World, policy: Path, context: RunContext) -> PolicyComparison:
    """Play and compare."""
    n_users = world.train.n_users
    plan = SessionPlan.draw(n_users, users=args.judges, episodes_per_user=args.episodes, seed=args.seed)
    pool = ClosedPool(temporal_split(world.dataset.interactions).test)
    weights = user_resamples(n_users, args.resamples, np.random.default_rng(args.seed))
    rows: list[PolicyRow] = []
    played: dict[str, Sessions] = {}
    for kind, name, recommender in contestants(args, world, policy):
        with context.bar(f"{name}: sessions", len(plan.users)) as advance:
            played[name] = simulate(
                recommender, world, plan, slate_size=args.slate_size, rows=args.rows, progress=advance
            )
        statistics = played[name].statistics(n_users)
        simulated = {figure: interval(statistic.resampled(weights)) for figure, statistic in statistics.items()}
        picks = pool.picks(recommender, world.profiles, history_length=HISTORY_LENGTH)
        rows.append(PolicyRow(name, kind, simulated, interval(pool.value(picks).resampled(weights))))
        context.tell(f"{name}: return {simulated['return']}")
    static = [row for row in rows if row.kind == "static"]
    best = max(static, key=lambda row: row.simulated["return"].value).recommender
    differences = []
    for row in rows:
        if row.kind in LEARNERS:
            own = played[row.recommender]
            lead = own._replace(returns=own.returns - played[best].returns).statistics(n_users)["return"]
            differences.append(Difference(row.recommender, best, interval(lead.resampled(weights))))
    chance, most = (interval(figure.resampled(weights)) for figure in (pool.chance, pool.best))
    return PolicyComparison(
        users=world.agent.name,
        sessions=len(plan.users),
        rows=tuple(rows),
        differences=tuple(differences),
        chance=chance,
        best=most,
        setting=recorded(args),
        environment=environment_snapshot(),
        benchmarks={world.dataset.name: world.benchmark},
    )


def run(args: PolicySettings, context: RunContext) -> PolicyComparison:
    """Everything from data to the comparison; a policy that is trained goes into the run's folder, with its curve."""
    world = make_world(args.dataset, args.users)
    policy = args.policy
    if policy is None:
        # Here, because Stable-Baselines3 is an extra that a saved policy of another kind does without.
        from personagym_benchmarks.policies.plots import curve_plot
        from personagym_benchmarks.policies.training import train_policy
        from personagym_env.files import write_atomically

        policy = context.folder / "policy"
        trained, curve = train_policy(args, world, context)
        trained.save(policy)
        curve.save(context.folder / "curve.json")
        write_atomically(context.folder / "curve.svg", curve_plot(curve))
    return compare(args, world, policy, context)
