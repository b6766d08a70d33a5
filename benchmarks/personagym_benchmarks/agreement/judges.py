"""The judges of the agreement study: populations of users, by their ratings and by their sessions, and metrics."""

import gc
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import personagym_agents
from personagym_agents.bundle.manifest import bundle_fits, shipped_bundles
from personagym_agents.bundle.storage import load_bundle_agent
from personagym_benchmarks.agreement.settings import AgreementSettings
from personagym_env.benchmark import user_hashes
from personagym_env.evaluation.agreement.fitted_recommenders import Bench, FittedRecommender, SessionTrial
from personagym_env.evaluation.agreement.judges import Judge
from personagym_env.evaluation.core.data_overlap import DataOverlap
from personagym_env.evaluation.core.pair_reactions import expected_ratings
from personagym_env.evaluation.core.simulate import SessionPlan
from personagym_env.evaluation.fidelity.contamination import blind
from personagym_env.protocols import UserAgent
from personagym_env.run_context import RunContext
from personagym_env.session.fitting.sessions import fit_sessions
from personagym_env.session.parameters import SessionParameters

JUDGE_CLASS: Mapping[str, str] = {"bias": "bias", "knn": "neighbours", "mf": "factors"}
"""Model class of classical users, named as those of recommenders; language-model users have none among them."""
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


def judge_all(
    args: AgreementSettings,
    bench: Bench,
    context: RunContext,
    fitted_recommenders: list[FittedRecommender],
    left_out: dict[str, str],
    trial: SessionTrial | None,
) -> tuple[dict[str, list[Judge]], dict[str, str | None]]:
    """Ground truth to what every population and metric says of the recommenders; and who the populations are.

    Args:
        args: which populations there are.
        bench: data and ground truths.
        context: is told what happens.
        fitted_recommenders: who are judged.
        left_out: is told who cannot judge.
        trial: the sessions that judge besides; None for none.
    """
    judges: dict[str, list[Judge]] = {truth.name: [] for truth in bench.ground_truths}
    users: dict[str, str | None] = {}
    for name, rows, agent in make_judges(args, bench, context, left_out):
        users |= user_hashes([agent])
        for truth in bench.ground_truths:
            log, begin = truth.pool.held_out, time.perf_counter()
            with context.bar(f"{truth.name}: {name} ({rows})", len(log)) as advance:
                expected = expected_ratings(agent, log, progress=advance)
            said = [truth.pool.value(fitted.picks[truth.name], expected) for fitted in fitted_recommenders]
            judges[truth.name].append(Judge(name, "users", said, "expected", name, rows, JUDGE_CLASS.get(name)))
            rate = len(log) / (time.perf_counter() - begin)
            context.tell(f"{truth.name}: {name} ({rows}) valued {len(log):,} pairs, {rate:,.0f} a second")
        if trial is not None and rows in args.session_rows:
            played = play_all(name, rows, agent, trial, fitted_recommenders, context)
            for found in judges.values():
                found += played
        del agent
        gc.collect()  # a model and its caches, before the next one is loaded
    for found in judges.values():
        found += [
            Judge(metric.title, "metric", [fitted.offline[metric] for fitted in fitted_recommenders], metric.figure)
            for metric in fitted_recommenders[0].offline
        ]
    return judges, users


def session_trial(args: AgreementSettings, bench: Bench) -> SessionTrial | None:
    """The sessions that judge besides; None where none were asked for."""
    if not args.sessions:
        return None
    train = bench.split.train
    plan = SessionPlan.draw(train.n_users, users=min(args.sessions, train.n_users), seed=args.seed)
    fit = fit_sessions(train, catalogue=bench.dataset.catalogue)
    return SessionTrial(bench, plan, fit.apply(SessionParameters()))


def play_all(
    name: str,
    rows: DataOverlap,
    agent: UserAgent,
    trial: SessionTrial,
    fitted_recommenders: list[FittedRecommender],
    context: RunContext,
) -> list[Judge]:
    """What sessions with a population say of the recommenders: by their return, and by the ratings given."""
    begin = time.perf_counter()
    figures = []
    with context.bar(f"sessions: {name} ({rows})", len(fitted_recommenders)) as advance:
        for fitted in fitted_recommenders:
            figures.append(trial.figures(fitted.recommender, agent))
            advance(1)
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
        for figure in ("return", "rating")
    ]
