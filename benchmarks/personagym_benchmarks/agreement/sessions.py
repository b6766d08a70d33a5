"""Whole sessions as judges, and sessions played by real answers as what they are compared with."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

import personagym_agents
from personagym_agents.registry import OBSERVED
from personagym_benchmarks.agreement.settings import AgreementSettings
from personagym_env.evaluation.agreement.fitted_recommenders import Bench, FittedRecommender, SessionTrial
from personagym_env.evaluation.agreement.judges import Judge
from personagym_env.evaluation.agreement.observed_sessions import COMPARED, SessionTruth
from personagym_env.evaluation.core.data_overlap import DataOverlap
from personagym_env.evaluation.core.simulate import SessionPlan, fillable_users
from personagym_env.evaluation.core.statistics import Statistic
from personagym_env.evaluation.reporting.figures import SESSION
from personagym_env.protocols import UserAgent
from personagym_env.run_context import RunContext
from personagym_env.session.fitting.sessions import fit_sessions
from personagym_env.session.parameters import SessionParameters
from personagym_env.workers import Workers

JUDGE_CLASS: Mapping[str, str] = {"bias": "bias", "knn": "neighbours", "mf": "factors"}
"""Model class of classical users, named as those of recommenders; language-model users have none among them."""
UNITS: Mapping[str, str] = {"return": "reward", "clicks": "share", "rating": "points", "length": "steps"}
"""Of figures that are a truth."""


@dataclass(frozen=True, eq=False)
class SessionStage:
    """The sessions that every recommender has, and the truths that real answers make of them."""

    trial: SessionTrial
    truths: tuple[SessionTruth, ...]
    """Empty where nobody rated everything."""


def truths_of(stage: SessionStage | None) -> tuple[SessionTruth, ...]:
    """The truths of the sessions, none where there are no sessions."""
    return () if stage is None else stage.truths


def session_stage(args: AgreementSettings, bench: Bench) -> SessionStage | None:
    """The sessions that judge besides; None where none were asked for.

    Where people rated everything, and have items left for a slate, they have the sessions, so that there is a truth.
    """
    if not args.sessions:
        return None
    train, whole = bench.split.train, bench.dataset.interactions
    plan = SessionPlan.draw(train.n_users, users=min(args.sessions, train.n_users), seed=args.seed)
    truths: tuple[SessionTruth, ...] = ()
    fit = fit_sessions(train, catalogue=bench.dataset.catalogue)
    trial = SessionTrial(bench, plan, fit.apply(SessionParameters()))
    complete = np.flatnonzero((whole.counts == whole.n_items) & fillable_users(train, trial.slate_size))
    if len(complete):
        plan = SessionPlan.draw(len(complete), users=min(args.sessions, len(complete)), seed=args.seed)
        trial = SessionTrial(bench, plan._replace(users=complete[plan.users]), trial.parameters)
        users = np.sort(trial.plan.users)
        truths = tuple(SessionTruth(figure, users, UNITS[figure], whole.n_users - len(complete)) for figure in COMPARED)
    return SessionStage(trial, truths)


def play_observed(
    stage: SessionStage, bench: Bench, fitted_recommenders: Sequence[FittedRecommender], workers: Workers | None
) -> dict[str, list[Statistic]]:
    """Name of a session truth to its value for each recommender, as real answers play the sessions."""
    if not stage.truths:
        return {}
    agent = personagym_agents.load(OBSERVED, bench.dataset, bench.split.train)
    n_users = bench.split.train.n_users
    recommenders = [fitted.recommender for fitted in fitted_recommenders]
    played = [sessions.statistics(n_users) for sessions in stage.trial.play_all(recommenders, agent, workers)]
    return {truth.name: [one[truth.figure] for one in played] for truth in stage.truths}


def play_all(
    name: str,
    rows: DataOverlap,
    agent: UserAgent,
    trial: SessionTrial,
    fitted_recommenders: Sequence[FittedRecommender],
    context: RunContext,
) -> list[Judge]:
    """What sessions with a population say of the recommenders, a judge for each figure."""
    begin = time.perf_counter()
    recommenders = [fitted.recommender for fitted in fitted_recommenders]
    with context.bar(f"sessions: {name} ({rows})", len(recommenders)) as advance:
        played = trial.play_all(recommenders, agent, context.workers, advance)
    figures = [sessions.statistics(trial.bench.split.train.n_users) for sessions in played]
    spent = time.perf_counter() - begin
    context.tell(f"{name} ({rows}) had {len(trial.plan.users)} sessions with each recommender in {spent:.0f} s")
    return [
        Judge(
            f"{name}, session {figure}",
            "sessions",
            [one[figure] for one in figures],
            figure,
            name,
            rows,
            JUDGE_CLASS.get(name),
        )
        for figure in SESSION
    ]
