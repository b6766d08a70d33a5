"""Does a judge's verdict stand when the agreement study is done otherwise?

`personagym robustness` ranks the quick recommenders of the agreement study under other halves, splits,
catalogues, numbers of picks and places, under half and double of every assumed parameter of sessions, and at both ends
of the interval of every fitted one, with users who share no row with the recommenders. It prints a table per judge in
which flipped verdicts are flagged, and writes JSON. The last settings are what the simulation card calls sensitivity.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

import personagym_agents
from personagym_agents import FROZEN
from personagym_agents.bundle.manifest import find_shipped
from personagym_agents.bundle.storage import load_bundle_agent
from personagym_agents.classical.static_cached import StaticCachedUsers
from personagym_benchmarks.robustness.settings import SHIPPED, RobustnessSettings
from personagym_env.benchmark import Benchmark, user_hashes
from personagym_env.data.sources import load_dataset
from personagym_env.data.tables import Dataset, FloatArray
from personagym_env.evaluation.agreement.fitted_recommenders import Bench, FittedRecommender, SessionTrial
from personagym_env.evaluation.core.offline import liked_from
from personagym_env.evaluation.core.pair_reactions import expected_ratings
from personagym_env.evaluation.core.simulate import SessionPlan
from personagym_env.evaluation.core.snapshot import environment_snapshot
from personagym_env.evaluation.core.statistics import Statistic, user_resamples
from personagym_env.evaluation.fidelity.contamination import blind
from personagym_env.evaluation.robustness.sessions import ONE_SESSION, SessionJudge, vary_sessions
from personagym_env.evaluation.robustness.settings import (
    PICKS,
    SLATES,
    DataSetting,
    data_settings,
    pool_name,
)
from personagym_env.evaluation.robustness.verdicts import (
    PARAMETERS,
    Default,
    Robustness,
    RobustnessRow,
    Verdict,
    resampling_tau,
)
from personagym_env.protocols import UserAgent
from personagym_env.run_context import RunContext
from personagym_env.session.fitting.sessions import fit_sessions
from personagym_env.session.parameters import SessionParameters
from personagym_env.workers import Workers, all_done
from personagym_recommenders import REGISTRY, NamedRecommender, RecommenderContext, available

REAL = "real users"
"""What real value itself is called, whose verdict may flip as well."""
ABSENT = (
    "judges in the default setting and with other numbers of picks only: the shipped bundle was trained on the half of "
    "the rows that the judge knows there, and no bundle on those of the other splits, halves and catalogues"
)
"""Why persona users are not in every setting."""


@dataclass(frozen=True, eq=False)
class Stage:
    """One data setting with everybody ready."""

    bench: Bench
    fitted_recommenders: list[FittedRecommender]
    agents: dict[str, UserAgent]
    weights: FloatArray
    """(b, u)"""

    @property
    def names(self) -> list[str]:
        """(c,) the recommenders."""
        return [fitted.name for fitted in self.fitted_recommenders]

    def real(self, pool: str) -> list[Statistic]:
        """(c,) real value of the picks from a pool."""
        truth = {truth.name: truth for truth in self.bench.ground_truths}[pool]
        return [truth.pool.value(fitted.picks[pool]) for fitted in self.fitted_recommenders]

    def verdict(self, judge: str, said: Sequence[Statistic], pool: str = pool_name(PICKS[0])) -> Verdict:
        """A judge's verdict beside real value."""
        return Verdict.of(judge, self.names, said, self.real(pool), self.weights)


def set_stage(args: RobustnessSettings, dataset: Dataset, setting: DataSetting, workers: Workers | None) -> Stage:
    """Fit recommenders on their half and users on the other."""
    bench = setting.bench(dataset)
    log, catalogue = bench.dealt.recommenders, bench.dataset.catalogue
    named = bool(args.contestants)
    context = RecommenderContext(liked_from(log), partial(personagym_agents.load, "mf") if named else None)
    specs, left_out = available(log, catalogue, context, slow=named, online=False)
    chosen = args.contestants or tuple(name for name, spec in specs.items() if "RecBole" not in spec.needs)
    # Without those that this data lacks something for.
    made = [
        NamedRecommender(name, specs[name].model_class, specs[name].make(context))
        for name in chosen
        if name not in left_out
    ]
    fitted_recommenders = all_done(workers, _fit, bench, made)
    weights = user_resamples(bench.split.test.n_users, args.resamples, np.random.default_rng(args.seed))
    return Stage(bench, fitted_recommenders, make_agents(args, bench), weights)


def _fit(bench: Bench, named: NamedRecommender) -> FittedRecommender:
    recommender = named.recommender.fit(bench.dealt.recommenders, bench.dataset.catalogue)
    return FittedRecommender(named.name, named.model_class, bench.picks(recommender), recommender=recommender)


def make_agents(args: RobustnessSettings, bench: Bench) -> dict[str, UserAgent]:
    """The judges who know the other half; a bundle was trained on one half only, and sits out where that is another."""
    log = bench.dealt.others
    dataset = blind(bench.dataset, log)
    agents: dict[str, UserAgent] = {}
    for name in args.judges:
        place = find_shipped(log) if name == SHIPPED else None
        if place is not None:
            agents[name] = load_bundle_agent(place, dataset, log)
        elif name != SHIPPED:
            agents[name] = personagym_agents.load(name, dataset, log)
    return agents


def pool_verdicts(stage: Stage) -> Iterator[tuple[int, Verdict]]:
    """Number of picks, and each judge's verdict on them; real value is a judge of itself, whose order may change."""
    for truth in stage.bench.ground_truths:
        k = truth.pool.k
        yield k, stage.verdict(REAL, stage.real(truth.name), truth.name)
        for name, agent in stage.agents.items():
            expected = expected_ratings(agent, truth.pool.held_out)
            said = [truth.pool.value(fitted.picks[truth.name], expected) for fitted in stage.fitted_recommenders]
            yield k, stage.verdict(expected_judge(name), said, truth.name)


def expected_judge(name: str) -> str:
    """What users who are asked about the picks are called as a judge."""
    return f"{name}, expected rating"


def vary_data(
    args: RobustnessSettings, dataset: Dataset, context: RunContext
) -> tuple[Stage, dict[str, Default], list[RobustnessRow]]:
    """The default stage, everybody's default verdict, and the verdicts when data or picks are others."""
    settings = list(data_settings(args.seeds))
    defaults: dict[str, Default] = {}
    rows: list[RobustnessRow] = []
    with context.bar("data settings", len(settings)) as advance:
        for setting in settings:
            stage = set_stage(args, dataset, setting, context.workers)
            if setting.kind == "default":
                first = stage
            for k, verdict in pool_verdicts(stage):
                if setting.kind == "default" and k == PICKS[0]:
                    default = defaults[verdict.judge] = Default(setting.name, verdict)
                    rows.append(default.own_row())
                elif setting.kind == "default":
                    rows.append(defaults[verdict.judge].row("picks", pool_name(k), verdict, float(k)))
                else:
                    rows.append(defaults[verdict.judge].row(setting.kind, setting.name, verdict))
            advance(1)
    return first, defaults, rows


def session_judge(name: str, stage: Stage, workers: Workers | None) -> SessionJudge:
    """The judge by that name, some of whose sessions may be frozen."""
    live = stage.agents[known_as(name)]
    frozen = StaticCachedUsers(live) if name.startswith(FROZEN) else None
    title = f"{name.replace(FROZEN, 'frozen ')}, session return"
    real = stage.real(pool_name(PICKS[0]))
    remembering = None if frozen is None else live
    return SessionJudge(title, frozen or live, stage.fitted_recommenders, real, stage.weights, remembering, workers)


def known_as(name: str) -> str:
    """The users behind a session judge."""
    return name.removeprefix(FROZEN)


def run(args: RobustnessSettings, context: RunContext) -> Robustness:
    """Everything from data to finished report.

    Raises:
        ValueError: a judge or recommender is unknown, or an option does not fit the data.
    """
    begin = time.perf_counter()
    if unknown := set(map(known_as, args.session_judges)) - set(args.judges):
        raise ValueError(f"session judges must be some of the judges {args.judges}, got {sorted(unknown)} besides")
    if unknown := set(args.contestants) - set(REGISTRY):
        raise ValueError(f"contestants must be some of {', '.join(REGISTRY)}; got {sorted(unknown)} besides")
    dataset = load_dataset(args.dataset)
    stage, defaults, rows = vary_data(args, dataset, context)
    if missing := set(args.judges) - set(stage.agents):
        context.tell(f"{', '.join(sorted(missing))} does not judge: no shipped bundle was trained on the judge's rows")
    fit = fit_sessions(stage.bench.split.train, catalogue=dataset.catalogue)
    parameters = fit.apply(SessionParameters())
    users = min(args.users, dataset.interactions.n_users)
    plan = SessionPlan.draw(dataset.interactions.n_users, users=users, seed=args.seed)
    for name in args.session_judges:
        if known_as(name) in stage.agents:
            judge = session_judge(name, stage, context.workers)
            one = judge.begin(ONE_SESSION, SessionTrial(stage.bench, plan, parameters, SLATES[0]))
            defaults[judge.title] = one.default
            total, found = vary_sessions(judge, one, fit, args.seeds)
            with context.bar(judge.title, total) as advance:
                for row in found:
                    rows.append(row)
                    advance(1)
    dealt = stage.bench.dealt
    setting = {
        "data fingerprint": dataset.fingerprint(),
        "seed": args.seed,
        "recommenders": stage.names,
        "left out": sorted(set(args.contestants) - set(stage.names)),
        "rows of the default setting": dealt.sizes(),
        "judges know": str(dealt.independence("disjoint", "alternate")),
        "users with sessions": users,
        "bootstrap resamples": args.resamples,
        "seconds": round(time.perf_counter() - begin),
    }
    judges = user_hashes(stage.agents.values())
    varied = {row.setting for row in rows if row.kind in PARAMETERS}
    benchmark = Benchmark.of(dataset, judges, known=dealt.recommenders, parameters=parameters)
    return Robustness(
        dataset=dataset.name,
        rows=tuple(rows),
        stable=args.stable,
        chance={judge: resampling_tau(default.verdict) for judge, default in defaults.items()},
        absent={expected_judge(SHIPPED): ABSENT} if SHIPPED in stage.agents else {},
        values={known.name: value for known, value in parameters.assumptions() if known.name in varied},
        setting=setting,
        environment=environment_snapshot(),
        benchmarks={dataset.name: benchmark},
    )
