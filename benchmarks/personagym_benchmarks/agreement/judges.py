"""The judges of the agreement study: populations of users, by their ratings and by their sessions, and metrics."""

import gc
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import personagym_agents
from personagym_agents.bundle.manifest import bundle_fits, shipped_bundles
from personagym_agents.bundle.storage import load_bundle_agent
from personagym_benchmarks.agreement.sessions import JUDGE_CLASS, SessionStage, play_all, truths_of
from personagym_benchmarks.agreement.settings import AgreementSettings
from personagym_env.benchmark import user_hashes
from personagym_env.evaluation.agreement.fitted_recommenders import (
    FILTERED,
    Bench,
    FittedRecommender,
    ItemTruth,
    MeasuredRecommender,
)
from personagym_env.evaluation.agreement.ground_truth import GroundTruth
from personagym_env.evaluation.agreement.judges import Judge
from personagym_env.evaluation.agreement.quantities import Answers, Questions
from personagym_env.evaluation.agreement.truths import Truth
from personagym_env.evaluation.core.data_overlap import DataOverlap
from personagym_env.evaluation.core.statistics import Interval
from personagym_env.evaluation.fidelity.contamination import blind
from personagym_env.evaluation.reporting.figures import ASKED, judge_name
from personagym_env.protocols import UserAgent
from personagym_env.run_context import RunContext

SHIPPED = "shipped persona"
"""What the shipped bundle is called."""


def bundle_places(args: AgreementSettings) -> dict[str, list[Path]]:
    """Folders of bundles by name; those that know different rows may share one, as those that the package ships do.

    Raises:
        ValueError: an entry is not `name=path` of a folder, or its name is that of other judges.
    """
    places = {SHIPPED: shipped_bundles()} if args.shipped else {}
    for entry in args.bundles:
        name, equals, path = entry.partition("=")
        if not (name and equals and Path(path).is_dir()):
            raise ValueError(f"a bundle is given as name=path with the path of a folder, got {entry!r}")
        if name in (SHIPPED, *args.judges):
            raise ValueError(f"two judges would be called {name!r}")
        places.setdefault(name, []).append(Path(path))
    return places


def make_judges(
    args: AgreementSettings, bench: Bench, context: RunContext, left_out: dict[str, str]
) -> Iterator[tuple[str, DataOverlap, UserAgent]]:
    """Populations one after the other, so that one model at a time is in memory; `left_out` is told who cannot judge.

    No judge can have read more than its rows: classical users are fitted on them here, from a data set that has no
    others, and a bundle's manifest names the rows that it was trained on.

    Raises:
        ValueError: two bundles of one name know the same rows.
    """
    logs = {rows: bench.dealt.of_judge(rows) for rows in args.data_overlap}
    for name in args.judges:
        for rows, log in logs.items():
            yield name, rows, personagym_agents.load(name, blind(bench.dataset, log), log)
    for name, places in bundle_places(args).items():
        fitting = [(rows, place) for rows, log in logs.items() for place in places if bundle_fits(place, log)]
        if not fitting:
            left_out[name] = f"was trained on other rows than judges know here ({', '.join(logs)})"
            context.tell(f"{name} does not judge: it {left_out[name]}")
        known = [rows for rows, _ in fitting]
        if len(set(known)) < len(known):
            raise ValueError(f"two bundles are called {name!r} and know the same rows: give them different names")
        for rows, place in fitting:
            yield name, rows, load_bundle_agent(place, blind(bench.dataset, logs[rows]), logs[rows])


@dataclass(frozen=True, eq=False)
class Judged:
    """What all judges said."""

    judges: Mapping[str, list[Judge]]
    """By name of the truth."""
    users: Mapping[str, str | None]
    """Hashes of the populations."""
    shown_weights: Mapping[str, Interval]
    """Population to the weight of the log odds in the value of what is shown."""


def judge_all(
    args: AgreementSettings,
    bench: Bench,
    context: RunContext,
    fitted_recommenders: list[FittedRecommender],
    left_out: dict[str, str],
    sessions: SessionStage | None = None,
) -> Judged:
    """Ask every population about the items of every truth, one population after the other.

    Args:
        args: which populations there are.
        bench: data and truths.
        context: is told what happens.
        fitted_recommenders: who are judged.
        left_out: is told who cannot judge.
        sessions: the sessions that judge besides; None for none.
    """
    truths, session_truths = bench.item_truths, truths_of(sessions)
    slates = [(truth.users, fitted.picks[truth.name]) for truth in truths for fitted in fitted_recommenders]
    pools = [truth.pool for truth in truths if isinstance(truth, GroundTruth) and truth.kind == "shown"]
    questions = Questions.about(bench.split.test, slates, pools[0].held_out if pools else None)
    judges: dict[str, list[Judge]] = {truth.name: [] for truth in (*truths, *session_truths)}
    users: dict[str, str | None] = {}
    weights: dict[str, Interval] = {}
    for name, rows, agent in make_judges(args, bench, context, left_out):
        users |= user_hashes([agent])
        begin = time.perf_counter()
        with context.bar(f"ask {name} ({rows})", len(questions)) as advance:
            answers = questions.ask(agent, np.random.default_rng(args.seed), advance, context.workers)
        rate = len(questions) / (time.perf_counter() - begin)
        context.tell(f"{name} ({rows}) valued {len(questions):,} pairs, {rate:,.0f} a second")
        weights[f"{name} ({rows})"] = answers.weight.weight
        if answers.sampled_weight is not None:
            weights[f"{name} ({rows}), by a random sample"] = answers.sampled_weight.weight
        for truth in truths:
            judges[truth.name] += asked_judges(name, rows, answers, truth, fitted_recommenders)
        if sessions is not None and rows in args.session_rows:
            played = play_all(name, rows, agent, sessions.trial, fitted_recommenders, context)
            for truth in truths:
                judges[truth.name] += played
            for session_truth in session_truths:
                judges[session_truth.name] += [judge for judge in played if judge.figure == session_truth.figure]
        del agent
        gc.collect()  # a model and its caches, before the next one is loaded
    everything: list[Truth] = [*truths, *session_truths]
    for known in everything:
        judges[known.name] += metric_judges(known, fitted_recommenders)
    return Judged(judges, users, weights)


def asked_judges(
    name: str,
    rows: DataOverlap,
    answers: Answers,
    truth: ItemTruth,
    fitted_recommenders: Sequence[MeasuredRecommender],
) -> list[Judge]:
    """A judge for every quantity that a population says of the items of a truth."""
    return [
        Judge(
            name if quantity == "expected" else judge_name(ASKED[quantity], name),
            "users",
            [answers.mean(quantity, truth.users, fitted.picks[truth.name]) for fitted in fitted_recommenders],
            quantity,
            name,
            rows,
            JUDGE_CLASS.get(name),
        )
        for quantity in answers.quantities
    ]


def metric_judges(truth: Truth, fitted_recommenders: Sequence[MeasuredRecommender]) -> list[Judge]:
    """Offline metrics; those that count held-out rows do not judge a truth that counts the same rows."""
    counted = truth.kind in ("choice", "joint")
    return [
        Judge(metric.title, "metric", [fitted.offline[metric] for fitted in fitted_recommenders], metric.figure)
        for metric in fitted_recommenders[0].offline
        if not (counted and metric.figure in FILTERED)
    ]
