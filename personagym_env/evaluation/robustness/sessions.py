"""Verdicts by whole sessions with one population: other random draws, slates, memory, and every parameter moved."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from personagym_env.data.tables import FloatArray
from personagym_env.env import MAX_EPISODE_STEPS
from personagym_env.evaluation.agreement.fitted_recommenders import FittedRecommender, SessionTrial
from personagym_env.evaluation.core.simulate import SessionPlan, Sessions
from personagym_env.evaluation.core.statistics import Statistic
from personagym_env.evaluation.robustness.settings import (
    SESSIONS,
    SLATES,
    ParameterSetting,
    parameter_settings,
    several_sessions,
)
from personagym_env.evaluation.robustness.verdicts import Default, RobustnessRow, Verdict
from personagym_env.protocols import UserAgent
from personagym_env.session.fitting.sessions import SessionFit
from personagym_env.workers import Workers

PROBES = 2
"""Recommenders who try a parameter first; where nothing that they do is different, it has no effect."""
PLANS_APART = 1_000_000
"""Seeds of plans lie so far apart, because session j of a plan is seeded with its seed + j."""
ONE_SESSION = "fitted and default parameters, one session per episode"
"""The default setting."""
SEVERAL_SESSIONS = (
    f"fitted and default parameters, up to {SESSIONS} sessions and {SESSIONS * MAX_EPISODE_STEPS} steps per episode"
)
"""The default setting of parameters that say something only of users who may come back."""


@dataclass(frozen=True, eq=False)
class Played:
    """A default setting and what everybody did in it."""

    default: Default
    trial: SessionTrial
    sessions: Sequence[Sessions]
    """(c,)"""


@dataclass(frozen=True, eq=False)
class SessionJudge:
    """A population that judges by the return of an episode, summed over its sessions."""

    title: str
    agent: UserAgent
    fitted_recommenders: Sequence[FittedRecommender]
    """(c,) fitted recommenders."""
    real: Sequence[Statistic]
    """(c,) real value."""
    weights: FloatArray
    """(b, u) from `user_resamples`."""
    remembering: UserAgent | None = None
    """The same users with a memory of the session, where `agent` has none."""
    workers: Workers | None = None
    """Play the sessions of the recommenders; None for one recommender after the other."""

    def verdict(self, played: Sequence[Sessions]) -> Verdict:
        """From the sessions (c,) of all recommenders."""
        returns = [sessions.statistics(self.weights.shape[1])["return"] for sessions in played]
        return Verdict.of(
            self.title, [fitted.name for fitted in self.fitted_recommenders], returns, self.real, self.weights
        )

    def play(self, trial: SessionTrial, agent: UserAgent | None = None, of: slice = slice(None)) -> list[Sessions]:
        """(c,) everybody's sessions, or those of some."""
        recommenders = [fitted.recommender for fitted in self.fitted_recommenders[of]]
        return trial.play_all(recommenders, agent or self.agent, self.workers)

    def begin(self, setting: str, trial: SessionTrial) -> Played:
        """Play a default setting."""
        sessions = self.play(trial)
        most = int(trial.parameters.returning.max_sessions)
        return Played(Default(setting, self.verdict(sessions), most), trial, sessions)

    def changed(self, setting: ParameterSetting, usual: Played) -> RobustnessRow:
        """The verdict with one parameter at another value; sessions that it leaves as they are are not played again."""
        trial = replace(usual.trial, parameters=setting.apply(usual.trial.parameters))
        probes = self.play(trial, of=slice(PROBES))
        if all(map(_alike, probes, usual.sessions)):
            sessions = usual.sessions
        else:
            sessions = [*probes, *self.play(trial, of=slice(PROBES, None))]
        return usual.default.row(setting.kind, setting.name, self.verdict(sessions), setting.value)


def _alike(left: Sessions, right: Sessions) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(left, right, strict=True))


def _others(judge: SessionJudge, usual: Played, plans: Mapping[int, SessionPlan]) -> Iterator[RobustnessRow]:
    """Other users with other random draws, other slates, and the same users with a memory of the session."""
    default, trial = usual.default, usual.trial
    for seed, plan in plans.items():
        found = judge.verdict(judge.play(replace(trial, plan=plan)))
        yield default.row("seed", f"other users and random draws, seed {seed}", found)
    for places in SLATES[1:]:
        found = judge.verdict(judge.play(replace(trial, slate_size=places)))
        yield default.row("slate", f"{places} places", found, float(places))
    if judge.remembering is not None:
        found = judge.verdict(judge.play(trial, judge.remembering))
        yield default.row("memory", "what is consumed enters the history", found)


def vary_sessions(judge: SessionJudge, one: Played, fit: SessionFit, seeds: int) -> tuple[int, Iterator[RobustnessRow]]:
    """The rows of a session judge, those of the default settings among them.

    Args:
        judge: whose verdicts.
        one: the default setting with one session per episode, played.
        fit: says which parameters are fitted, and their intervals.
        seeds: other plans to try.

    Returns:
        How many rows there will be, and the rows as they come.
    """
    plan, parameters = one.trial.plan, one.trial.parameters
    places = [plan.seed + PLANS_APART * number for number in range(1, seeds + 1)]
    plans = {seed: SessionPlan.draw(judge.weights.shape[1], users=len(plan.users), seed=seed) for seed in places}
    changes = list(parameter_settings(parameters, fit))

    def rows() -> Iterator[RobustnessRow]:
        yield one.default.own_row()
        yield from _others(judge, one, plans)
        room = SESSIONS * MAX_EPISODE_STEPS
        across = replace(one.trial, parameters=several_sessions(parameters), max_steps=room)
        several = judge.begin(SEVERAL_SESSIONS, across)
        yield several.default.own_row()
        for change in changes:
            yield judge.changed(change, several if change.across else one)

    return 2 + len(plans) + len(SLATES) - 1 + (judge.remembering is not None) + len(changes), rows()
