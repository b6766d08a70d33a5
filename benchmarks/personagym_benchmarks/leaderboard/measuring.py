"""What is measured of a recommender, and of the users who judge it."""

import time
from dataclasses import dataclass
from typing import NamedTuple

from personagym_benchmarks.leaderboard.contestants import REFERENCE
from personagym_env.data.splits import Split
from personagym_env.env import HISTORY_LENGTH
from personagym_env.evaluation.core.closed_pool import ClosedPool
from personagym_env.evaluation.core.data_overlap import (
    DealtRows,
    unknown_items,
)
from personagym_env.evaluation.core.offline import listed_users, measure_offline
from personagym_env.evaluation.core.simulate import SessionPlan, simulate
from personagym_env.evaluation.fidelity.fidelity_test import Fidelity, FidelityTest
from personagym_env.evaluation.leaderboard.board import Measurement
from personagym_env.protocols import Recommender
from personagym_env.run_context import RunContext
from personagym_env.world import World
from personagym_recommenders import (
    NamedRecommender,
)

LIST_LENGTH = 10
"""Places of the lists that the ranking metrics look at."""


@dataclass(frozen=True, eq=False)
class RankingBench:
    """What every recommender is measured with."""

    split: Split
    dealt: DealtRows
    worlds: dict[str, World]
    """By population; the first is the one that ranks. Their log is the recommenders' half."""
    fidelity: dict[str, Fidelity]
    """By population."""
    plausible: dict[str, World]
    """What the log cannot tell from the world that ranks, by what was changed."""
    pool: ClosedPool
    plan: SessionPlan
    context: RunContext


def fit(name: str, recommender: Recommender, world: World, context: RunContext) -> float:
    """Fit on the training rows; seconds that it took."""
    with context.bar(f"fit {name}", None) as advance:
        if hasattr(recommender, "progress"):
            recommender.progress = lambda done, most: advance(1)
        begin = time.perf_counter()
        recommender.fit(world.train, world.dataset.catalogue)
        return time.perf_counter() - begin


class Judged(NamedTuple):
    """A recommender that was measured."""

    measurement: Measurement
    seconds: float
    """That everything took but the fit."""


def measure(bench: RankingBench, named: NamedRecommender) -> Judged:
    """Fit a recommender on the recommenders' half and measure everything about it.

    Whatever it is asked for, it is told to leave out what its users have in the other half, which it cannot know.
    """
    begin = time.perf_counter()
    world, context, split = next(iter(bench.worlds.values())), bench.context, bench.split
    name, recommender = named.name, named.recommender
    seconds = fit(name, recommender, world, context)
    profiles, n_users = world.profiles, split.test.n_users
    with context.bar(f"{name}: top 10 against held-out items", len(listed_users(split, LIST_LENGTH))) as advance:
        offline = measure_offline(
            recommender,
            split,
            profiles,
            k=LIST_LENGTH,
            history_length=HISTORY_LENGTH,
            candidates=unknown_items(split.train),
            progress=advance,
        )
    with context.bar(f"{name}: picks from held-out items", len(bench.pool.users)) as advance:
        picks = bench.pool.picks(recommender, profiles, history_length=HISTORY_LENGTH, progress=advance)
    simulated = {}
    for population, judge in bench.worlds.items():
        with context.bar(f"{name}: sessions with {population}", len(bench.plan.users)) as advance:
            sessions = simulate(recommender, judge, bench.plan, hidden=bench.dealt.others, progress=advance)
            simulated[population] = sessions.statistics(n_users)
    plausible = []
    for change, other in bench.plausible.items():
        with context.bar(f"{name}: sessions with {change}", len(bench.plan.users)) as advance:
            sessions = simulate(recommender, other, bench.plan, hidden=bench.dealt.others, progress=advance)
            plausible.append(float(sessions.returns.mean()))
    measurement = Measurement(
        name=name,
        model_class=named.model_class,
        fit_seconds=seconds,
        offline=offline,
        simulated=simulated,
        real=bench.pool.value(picks),
        judged={name: bench.pool.value(picks, one.expected_ratings) for name, one in bench.fidelity.items()},
        reference=name == REFERENCE,
        plausible=tuple(plausible),
    )
    return Judged(measurement, time.perf_counter() - begin - seconds)


def ask(questions: FidelityTest, worlds: dict[str, World], context: RunContext) -> dict[str, Fidelity]:
    """How true each population is to held-out people."""
    fidelity = {}
    for population, judge in worlds.items():
        asked = time.perf_counter()
        with context.bar(f"fidelity of {population}", questions.n_questions) as advance:
            fidelity[population] = questions.ask(judge.agent, progress=advance, workers=context.workers)
        rate = questions.n_questions / (time.perf_counter() - asked)
        context.tell(f"{population} answered {questions.n_questions:,} questions, {rate:,.0f} a second")
    return fidelity
