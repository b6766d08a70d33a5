"""Random, popular, the best static recommender, greedy on the users' own scores, bandits and PPO, with the same luck.

    python examples/ppo.py
    python examples/compare_policies.py

Every line is judged by the same sessions: the same users, and the same chance wherever two policies do the same. The
column `real value` is the mean real rating of five items that the recommender picked from a user's held-out ones: a
policy that rises in the simulation and not there has learned the simulator. The figures go into the file `--output`.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

from personagym_env.data.splits import temporal_split
from personagym_env.env import HISTORY_LENGTH
from personagym_env.evaluation.core.closed_pool import ClosedPool
from personagym_env.evaluation.core.simulate import OnlineRecommender, SessionPlan, Sessions, simulate
from personagym_env.evaluation.core.snapshot import environment_snapshot
from personagym_env.evaluation.core.statistics import interval, user_resamples
from personagym_env.evaluation.leaderboard.policies import Lead, PolicyComparison, PolicyRow
from personagym_env.protocols import Recommender
from personagym_env.world import World, make_world
from personagym_recommenders import OracleGreedy, load_recommender


@dataclass(frozen=True)
class Args:
    """Whom to compare, on how much."""

    dataset: str = "ml-100k"
    """A name or path that `load_dataset` takes."""
    users: str = "mf"
    """Who reacts; best those that the policy was trained with."""
    policy: Path = Path("runs/ppo/policy")
    """What `examples/ppo.py` saved."""
    static: tuple[str, ...] = ("popular", "best-rated", "item-knn", "ease")
    """Static recommenders; the best of them, by return, is what PPO is compared with."""
    bandits: tuple[str, ...] = ("linucb", "thompson")
    warm_up: int = 1_000
    """Sessions at least that a bandit learns from before it is judged; it goes on learning while it is."""
    judges: int | None = None
    """Users who have sessions; None for all."""
    episodes: int = 3
    """Sessions of each of them."""
    slate_size: int = 10
    rows: int = 256
    """Sessions side by side."""
    resamples: int = 2_000
    """Bootstrap resamples of users behind the intervals, of 95 %."""
    seed: int = 1_000_000
    """Of the sessions that judge; far from those of the training."""
    output: Path = Path("runs/policies.json")


def warm_up(bandit: Recommender, world: World, args: Args) -> None:
    """Let a bandit learn from sessions that judge nobody."""
    n_users = world.train.n_users
    users = min(args.warm_up, n_users)
    plan = SessionPlan.draw(n_users, users=users, episodes_per_user=-(-args.warm_up // users), seed=args.seed - 500_000)
    simulate(bandit, world, plan, slate_size=args.slate_size, rows=args.rows, in_place=True)


def fitted(args: Args, world: World) -> Iterator[tuple[str, Recommender]]:
    """Everybody, ready to be judged, with what kind of recommender it is."""
    kinds: list[tuple[str, Recommender]] = [("chance", load_recommender("random"))]
    kinds += [("static", load_recommender(name)) for name in args.static]
    kinds += [("reads the users", OracleGreedy(world.agent))]
    kinds += [("bandit", load_recommender(name)) for name in args.bandits]
    kinds += [("policy", load_recommender(str(args.policy)))]
    for kind, recommender in kinds:
        recommender.fit(world.train, world.dataset.catalogue)
        if isinstance(recommender, OnlineRecommender):
            warm_up(recommender, world, args)
        yield kind, recommender


def compare(args: Args, world: World, console: Console) -> PolicyComparison:
    """Play and compare."""
    n_users = world.train.n_users
    plan = SessionPlan.draw(n_users, users=args.judges, episodes_per_user=args.episodes, seed=args.seed)
    pool = ClosedPool(temporal_split(world.dataset.interactions).test)
    resamples = user_resamples(n_users, args.resamples, np.random.default_rng(args.seed))
    rows: list[PolicyRow] = []
    played: dict[str, Sessions] = {}
    for kind, recommender in fitted(args, world):
        sessions = simulate(recommender, world, plan, slate_size=args.slate_size, rows=args.rows)
        played[recommender.name] = sessions
        simulated = {
            name: interval(figure.resampled(resamples)) for name, figure in sessions.statistics(n_users).items()
        }
        picks = pool.picks(recommender, world.profiles, history_length=HISTORY_LENGTH)
        real = interval(pool.value(picks).resampled(resamples))
        rows.append(PolicyRow(recommender.name, kind, simulated, real))
        console.print(f"{recommender.name}: return {simulated['return']}")
    static = [row for row in rows if row.kind == "static"]
    best = max(static, key=lambda row: row.simulated["return"].value).recommender
    leads = []
    for row in rows:
        if row.kind in ("bandit", "policy"):
            own = played[row.recommender]
            lead = own._replace(returns=own.returns - played[best].returns).statistics(n_users)["return"]
            leads.append(Lead(row.recommender, best, interval(lead.resampled(resamples))))
    chance, most = (interval(figure.resampled(resamples)) for figure in (pool.chance, pool.best))
    return PolicyComparison(
        users=world.agent.name,
        sessions=len(plan.users),
        rows=tuple(rows),
        leads=tuple(leads),
        chance=chance,
        best=most,
        setting={name: value for name, value in asdict(args).items() if not isinstance(value, Path)},
        environment=environment_snapshot(),
    )


def main(args: Args) -> None:
    """Play, compare, print and write."""
    console = Console()
    found = compare(args, make_world(args.dataset, args.users), console)
    table = Table("recommender", "kind", "return", "clicks per step", "rating", "length", "real value")
    for row in found.rows:
        table.add_row(row.recommender, row.kind, *(str(figure) for figure in (*row.simulated.values(), row.real)))
    console.print(table)
    console.print(
        f"{found.sessions:,} sessions each with users {found.users}; chance alone has real value {found.chance}, a "
        f"clairvoyant {found.best}"
    )
    for lead in found.leads:
        console.print(
            f"{lead.recommender} less the best static recommender, {lead.static}, session by session: {lead.value}"
        )
    found.save(args.output)


if __name__ == "__main__":
    main(tyro.cli(Args))
