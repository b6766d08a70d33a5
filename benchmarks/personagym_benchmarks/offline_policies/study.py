"""Learners that have read a log beside the policy that wrote it, static recommenders, and PPO that may ask users.

Every line is judged by the same sessions. The value that a held-out log had promised stands beside what was earned.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np

from personagym_benchmarks.offline_policies.promise import Promises
from personagym_benchmarks.offline_policies.settings import OfflineSettings
from personagym_env.data.splits import temporal_split
from personagym_env.env import HISTORY_LENGTH
from personagym_env.evaluation.core.closed_pool import ClosedPool
from personagym_env.evaluation.core.differences import Difference
from personagym_env.evaluation.core.simulate import SessionPlan, Sessions, simulate
from personagym_env.evaluation.core.snapshot import environment_snapshot
from personagym_env.evaluation.core.statistics import interval, user_resamples
from personagym_env.evaluation.off_policy.offline_policies import OfflineComparison, OfflineRow
from personagym_env.logs.collect import collect
from personagym_env.logs.sessions import LoggedSessions, open_log
from personagym_env.protocols import Recommender
from personagym_env.run_context import RunContext
from personagym_env.workers import ThreadWorkers
from personagym_env.world import World, make_world
from personagym_recommenders import (
    CandidateFeatures,
    MostPopular,
    OracleGreedy,
    RecommenderContext,
    ScoringRecommender,
    WeightedFeatures,
    load_recommender,
)
from personagym_recommenders.offline.behaviour_cloning import BehaviourCloning
from personagym_recommenders.offline.cql import CQL
from personagym_recommenders.offline.iql import IQL
from personagym_recommenders.offline.recommender import OfflineRecommender
from personagym_recommenders.offline.training import TrainingPlan
from personagym_recommenders.rl.ppo import make_ppo
from personagym_recommenders.rl.sb3_recommender import SB3Recommender
from personagym_recommenders.stochastic.plackett_luce import PlackettLuce

LOGS = ("logging policy", "uniform policy")
"""Whose logs learners read: Plackett-Luce over a recommender's scores, and all slates of the catalogue alike."""
ONLINE = "PPO online"
_ROWS = 512


class Contestant(NamedTuple):
    """Somebody to be judged."""

    name: str
    source: str
    recommender: Recommender
    asked: bool
    """Whether off-policy evaluation is asked about it."""


def run(settings: OfflineSettings, context: RunContext) -> OfflineComparison:
    """Collect, learn, ask the log, judge."""
    world = make_world(settings.dataset, settings.users)
    features = _features(settings).fit(world.train, world.dataset.catalogue)
    held_out = _log(_policy(settings, LOGS[0]), settings, world, context, "held-out", settings.held_out, seed=500_000)
    promises = Promises(held_out, world.profiles, features, settings.seed)
    n_users = world.train.n_users
    plan = SessionPlan.draw(n_users, episodes_per_user=settings.judged, seed=settings.seed)
    pool = ClosedPool(temporal_split(world.dataset.interactions).test)
    weights = user_resamples(n_users, settings.resamples, np.random.default_rng(settings.seed))
    rows: list[OfflineRow] = []
    played: dict[str, Sessions] = {}
    asked: list[str] = []
    for one in _contestants(settings, world, context):
        played[one.name] = simulate(one.recommender, world, plan, slate_size=settings.slate_size, rows=_ROWS)
        returns = interval(played[one.name].statistics(n_users)["return"].resampled(weights))
        picks = pool.picks(one.recommender, world.profiles, history_length=HISTORY_LENGTH)
        promise = promises.of(one.recommender) if one.asked else None
        asked += [one.name] * one.asked
        real = interval(pool.value(picks).resampled(weights))
        promised, warning = (promise.value, promise.warning) if promise else (None, "")
        rows.append(OfflineRow(one.name, one.source, returns, real, promised, warning))
        context.tell(f"{one.name}, {one.source}: return {returns}" + (f", promised {promised}" if promised else ""))
    earned = {row.recommender: row.returns.value for row in rows}
    promised_returns = {row.recommender: row.promised.value for row in rows if row.promised is not None}
    chosen = max(promised_returns, key=lambda name: promised_returns[name])
    range_ = max(earned[name] for name in asked) - min(earned[name] for name in asked)
    offline = [row.recommender for row in rows if row.source in LOGS and row.recommender in asked]
    best = max(offline, key=lambda name: earned[name])
    static = max((row.recommender for row in rows if row.source == "training rows"), key=lambda name: earned[name])
    penalised = _named(f"CQL {settings.conservatism[0]:g}", LOGS[1])
    pairs = [(best, LOGS[0]), (best, static), (best, ONLINE), (penalised, _named("BC", LOGS[1]))]

    def difference(left: str, right: str) -> Difference:
        less = played[left]._replace(returns=played[left].returns - played[right].returns)
        return Difference(left, right, interval(less.statistics(n_users)["return"].resampled(weights)))

    return OfflineComparison(
        users=world.agent.name,
        sessions=len(plan.users),
        rows=tuple(rows),
        differences=tuple(difference(*pair) for pair in pairs),
        chosen=chosen,
        regret_share=(max(earned[name] for name in asked) - earned[chosen]) / max(range_, 1e-12),
        distance_closed=(earned[best] - earned[LOGS[0]]) / (earned[ONLINE] - earned[LOGS[0]]),
        setting=asdict(settings),
        environment=environment_snapshot(),
        benchmarks={world.dataset.name: world.benchmark},
    )


def _contestants(settings: OfflineSettings, world: World, context: RunContext) -> Iterator[Contestant]:
    """Everybody, ready to be judged."""
    train, catalogue = world.train, world.dataset.catalogue
    yield Contestant(LOGS[0], "training rows and chance", _policy(settings, LOGS[0]).fit(train, catalogue), False)
    yield Contestant(LOGS[1], "chance", _policy(settings, LOGS[1]).fit(train, catalogue), False)
    for name, recommender in _static(settings).items():
        yield Contestant(name, "training rows", recommender.fit(train, catalogue), True)
    plan = TrainingPlan(settings.steps)
    for i, log in enumerate(LOGS):
        logged = _log(_policy(settings, log), settings, world, context, log, settings.episodes, seed=i * 100_000)
        folder = context.folder / log.replace(" ", "-")
        for learner in _learners(settings):
            learner.train(logged, train, catalogue, plan, _of_log(context, log, folder))
            learner.save(folder / learner.name.replace(" ", "-"))
            yield Contestant(_named(learner.name, log), log, learner, log == LOGS[0])
    yield Contestant(ONLINE, "its own sessions", _online(settings, world, context), False)
    yield Contestant("OracleGreedy", "the users' answers", OracleGreedy(world.agent).fit(train, catalogue), False)


def _of_log(context: RunContext, log: str, folder: Path) -> RunContext:
    """The context of learners that read one log: a folder of their own, and figures under names of their own."""

    def figures(name: str, step: int, found: Mapping[str, float], /) -> None:
        context.figures(_named(name, log), step, found)

    return replace(context, folder=folder, figures=figures)


def _named(learner: str, log: str) -> str:
    return learner if log == LOGS[0] else f"{learner}, uniform log"


def _learners(settings: OfflineSettings) -> Iterator[OfflineRecommender]:
    yield BehaviourCloning(_features(settings))
    for weight in settings.conservatism:
        yield CQL(_features(settings), conservatism=weight)
    yield IQL(_features(settings))


def _static(settings: OfflineSettings) -> dict[str, ScoringRecommender]:
    context = RecommenderContext(liked=settings.liked)
    return {name: cast(ScoringRecommender, load_recommender(name, context)) for name in settings.static}


def _features(settings: OfflineSettings) -> CandidateFeatures:
    return CandidateFeatures(list(_static(settings).values()), settings.pool)


def _policy(settings: OfflineSettings, name: str) -> PlackettLuce:
    """The policy that writes a log, not fitted."""
    if name == LOGS[1]:
        return PlackettLuce(MostPopular(), floor=1.0)
    scores = cast(ScoringRecommender, load_recommender(settings.logging, RecommenderContext(liked=settings.liked)))
    return PlackettLuce(scores, candidates=settings.pool)


def _log(
    policy: PlackettLuce,
    settings: OfflineSettings,
    world: World,
    context: RunContext,
    name: str,
    episodes: int,
    seed: int,
) -> LoggedSessions:
    """Collected, or found as it was collected before."""
    policy.fit(world.train, world.dataset.catalogue)
    folder: Path = context.folder / "logs" / name.replace(" ", "-")
    with context.bar(f"collect: {name}", episodes) as bar:
        collect(
            policy,
            world,
            folder,
            episodes=episodes,
            policy_fingerprint=policy.fingerprint(),
            slate_size=settings.slate_size,
            max_episode_steps=settings.longest,
            seed=seed,
            workers=ThreadWorkers(1),
            progress=bar,
        )
    return open_log(folder, policy_fingerprint=policy.fingerprint(), benchmark_hash=world.benchmark_hash)


def _online(settings: OfflineSettings, world: World, context: RunContext) -> SB3Recommender:
    """PPO that weighs the same opinions."""
    decoder = WeightedFeatures(_features(settings)).fit(world.train, world.dataset.catalogue)
    with context.bar(ONLINE, None):
        model = make_ppo(world, decoder, envs=128, slate_size=settings.slate_size, largest_batch=2048)
        model.learn(settings.online_steps)
    return SB3Recommender(model.policy, decoder)
