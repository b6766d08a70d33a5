"""Does a judge's verdict stand when the agreement study is done otherwise?

`python benchmarks/robustness.py` ranks the quick contestants of the agreement study under other halves, splits,
catalogues, numbers of picks and places, and under half and double of every assumed parameter of sessions, with users
who share no row with the contestants. It prints a table per judge in which flipped verdicts are flagged, and writes
JSON. The last settings are what the simulation card calls sensitivity.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import tyro
from rich.console import Console

import personagym_agents
from personagym_agents.bundle import load_bundle_agent
from personagym_agents.shipped import find_shipped
from personagym_env.data.sources import load_dataset
from personagym_env.data.tables import Dataset, FloatArray
from personagym_env.evaluation.agreement_study import expected_ratings, liked_from
from personagym_env.evaluation.contamination import blind
from personagym_env.evaluation.entrants import Bench, Entrant, SessionTrial
from personagym_env.evaluation.robustness import (
    STABLE,
    Robustness,
    RobustnessRow,
    Verdict,
    resampling_tau,
    robustness_row,
)
from personagym_env.evaluation.robustness_settings import (
    PICKS,
    DataSetting,
    data_settings,
    parameter_settings,
    pool_name,
)
from personagym_env.evaluation.robustness_tables import robustness_tables
from personagym_env.evaluation.simulate import SessionPlan, Sessions
from personagym_env.evaluation.snapshot import environment_snapshot
from personagym_env.evaluation.statistics import Statistic, user_resamples
from personagym_env.evaluation.work import Work
from personagym_env.protocols import UserAgent
from personagym_env.session.fit import fit_sessions
from personagym_env.session.parameters import SessionParameters
from personagym_recommenders.study import LINE_UP, Means, line_up

RESULTS = Path(__file__).parent / "results"
LEAST_WIDTH = 170
"""Characters that the tables need; a narrower terminal wraps them."""
SHIPPED = "persona"
"""The judge that is a shipped bundle; it takes part where one was trained on the judge's rows."""
REAL = "real users"
"""What real value itself is called, whose verdict may flip as well."""
PROBES = 2
"""Contestants who try a parameter first; where nothing that they do is different, it has no effect."""
SLATES = (10, 3, 5)
"""Places of a slate; the first is the default."""


@dataclass(frozen=True)
class Args:
    """Whose verdicts, on what."""

    dataset: str = "ml-100k"
    """A name or path that `load_dataset` takes."""
    judges: tuple[str, ...] = ("mf", "knn")
    """Classical users by name; `persona` is the shipped bundle, where one was trained on the judge's rows."""
    session_judges: tuple[str, ...] = ("mf",)
    """Users whose sessions are varied; some of `judges`."""
    contestants: tuple[str, ...] = ()
    """Names out of the agreement study's line-up; all that need no RecBole and no training in sessions if empty."""
    users: int = 100
    """Users, drawn at random, who have a session with each contestant under each setting."""
    seeds: int = 3
    """Other halves, other halves of the catalogue, and other lucks of sessions."""
    stable: float = STABLE
    """Least tau with the default verdict of a verdict that stands."""
    resamples: int = 300
    """Bootstrap resamples of users behind the intervals."""
    seed: int = 0
    """Of resamples and sessions."""
    output: Path = RESULTS / "robustness.json"
    """Where the JSON goes."""


@dataclass(frozen=True, eq=False)
class Stage:
    """One data setting with everybody ready."""

    bench: Bench
    entrants: list[Entrant]
    agents: dict[str, UserAgent]
    weights: FloatArray
    """(b, u)"""

    @property
    def names(self) -> list[str]:
        """(c,) the contestants."""
        return [entrant.name for entrant in self.entrants]

    def real(self, pool: str) -> list[Statistic]:
        """(c,) real value of the picks from a pool."""
        truth = {truth.name: truth for truth in self.bench.truths}[pool]
        return [truth.pool.value(entrant.picks[pool]) for entrant in self.entrants]

    def verdict(self, judge: str, said: Sequence[Statistic], pool: str = pool_name(PICKS[0])) -> Verdict:
        """A judge's verdict beside real value."""
        return Verdict.of(judge, self.names, said, self.real(pool), self.weights)


def set_stage(args: Args, dataset: Dataset, setting: DataSetting) -> Stage:
    """Fit contestants on their half and users on the other."""
    bench = setting.bench(dataset)
    log, catalogue = bench.dealt.contestants, bench.dataset.catalogue
    named = bool(args.contestants)
    entries, left_out = line_up(log, catalogue, slow=named, users=named)
    chosen = args.contestants or tuple(name for name, entry in entries.items() if "RecBole" not in entry.needs)
    means = Means(liked_from(log), partial(personagym_agents.load, "mf"))
    entrants = []
    for name in chosen:
        if name not in left_out:  # this data lacks what it needs
            recommender = entries[name].make(means).fit(log, catalogue)
            entrants.append(Entrant(name, entries[name].model_class, recommender, bench.picks(recommender)))
    weights = user_resamples(bench.split.test.n_users, args.resamples, np.random.default_rng(args.seed))
    return Stage(bench, entrants, make_agents(args, bench), weights)


def make_agents(args: Args, bench: Bench) -> dict[str, UserAgent]:
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
    for truth in stage.bench.truths:
        k = truth.pool.k
        yield k, stage.verdict(REAL, stage.real(truth.name), truth.name)
        for name, agent in stage.agents.items():
            expected = expected_ratings(agent, truth.pool.held_out)
            said = [truth.pool.value(entrant.picks[truth.name], expected) for entrant in stage.entrants]
            yield k, stage.verdict(f"{name}, expected rating", said, truth.name)


def vary_data(args: Args, dataset: Dataset, work: Work) -> tuple[Stage, dict[str, Verdict], list[RobustnessRow]]:
    """The default stage, everybody's default verdict, and the verdicts when data or picks are others."""
    settings = list(data_settings(args.seeds))
    defaults: dict[str, Verdict] = {}
    rows: list[RobustnessRow] = []
    with work.bar("data settings", len(settings)) as advance:
        for setting in settings:
            stage = set_stage(args, dataset, setting)
            if setting.kind == "default":
                first = stage
            for k, verdict in pool_verdicts(stage):
                is_default = setting.kind == "default" and k == PICKS[0]
                if is_default:
                    defaults[verdict.judge] = verdict
                default = defaults[verdict.judge]
                if setting.kind == "default" and not is_default:
                    rows.append(robustness_row("picks", pool_name(k), verdict, default, float(k)))
                else:
                    rows.append(robustness_row(setting.kind, setting.name, verdict, default))
            advance(1)
    return first, defaults, rows


def vary_sessions(args: Args, name: str, stage: Stage, work: Work) -> tuple[Verdict, list[RobustnessRow]]:
    """The default verdict of sessions with a population, and those with other luck, slates and parameters."""
    train, n_users = stage.bench.split.train, stage.bench.split.train.n_users
    agent, judge = stage.agents[name], f"{name}, session return"
    fit = fit_sessions(train, catalogue=stage.bench.dataset.catalogue)
    parameters = fit.apply(SessionParameters())

    def trial(
        seed: int = args.seed, slate_size: int = SLATES[0], changed: SessionParameters = parameters
    ) -> SessionTrial:
        plan = SessionPlan.draw(n_users, users=min(args.users, n_users), seed=seed)
        return SessionTrial(stage.bench, plan, changed, slate_size)

    def verdict(played: Sequence[Sessions]) -> Verdict:
        return stage.verdict(judge, [sessions.statistics(n_users)["return"] for sessions in played])

    def play(setting: SessionTrial) -> list[Sessions]:
        return [setting.play(entrant.recommender, agent) for entrant in stage.entrants]

    lucks = [args.seed + 1_000_000 * luck for luck in range(1, args.seeds + 1)]
    changes = list(parameter_settings(parameters, fit))
    with work.bar(f"sessions with {name}", 1 + len(lucks) + len(SLATES) - 1 + len(changes)) as advance:
        usual = play(trial())
        default = verdict(usual)
        rows = [robustness_row("default", "fitted and default parameters", default, default)]
        advance(1)
        for seed in lucks:
            rows.append(
                robustness_row("seed", f"other users and luck, seed {seed}", verdict(play(trial(seed))), default)
            )
            advance(1)
        for places in SLATES[1:]:
            found = verdict(play(trial(slate_size=places)))
            rows.append(robustness_row("slate", f"{places} places", found, default, float(places)))
            advance(1)
        for change in changes:
            setting = trial(changed=change.apply(parameters))
            probes = [setting.play(entrant.recommender, agent) for entrant in stage.entrants[:PROBES]]
            same = all(map(_alike, probes, usual))
            played = (
                usual if same else [*probes, *(setting.play(e.recommender, agent) for e in stage.entrants[PROBES:])]
            )
            rows.append(robustness_row("parameter", change.name, verdict(played), default, change.value))
            advance(1)
    return default, rows


def _alike(left: Sessions, right: Sessions) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(left, right, strict=True))


def run(args: Args, console: Console) -> Robustness:
    """Everything from data to finished report.

    Raises:
        ValueError: a judge or contestant is unknown, or an option does not fit the data.
    """
    begin = time.perf_counter()
    if unknown := set(args.session_judges) - set(args.judges):
        raise ValueError(f"session judges must be some of the judges {args.judges}, got {sorted(unknown)} besides")
    if unknown := set(args.contestants) - set(LINE_UP):
        raise ValueError(f"contestants must be some of {', '.join(LINE_UP)}; got {sorted(unknown)} besides")
    work = Work(console)
    with work.bars:
        dataset = load_dataset(args.dataset)
        stage, defaults, rows = vary_data(args, dataset, work)
        if missing := set(args.judges) - set(stage.agents):
            work.tell(f"{', '.join(sorted(missing))} does not judge: no shipped bundle was trained on the judge's rows")
        for name in args.session_judges:
            if name in stage.agents:
                default, found = vary_sessions(args, name, stage, work)
                defaults[default.judge] = default
                rows += found
    dealt = stage.bench.dealt
    setting = {
        "data fingerprint": dataset.fingerprint(),
        "seed": args.seed,
        "contestants": stage.names,
        "left out": sorted(set(args.contestants) - set(stage.names)),
        "rows of the default setting": dealt.sizes(),
        "judges know": str(dealt.independence("disjoint", "alternate")),
        "users with sessions": min(args.users, dataset.interactions.n_users),
        "bootstrap resamples": args.resamples,
        "seconds": round(time.perf_counter() - begin),
    }
    chance = {judge: resampling_tau(verdict) for judge, verdict in defaults.items()}
    return Robustness(dataset.name, tuple(rows), args.stable, chance, setting, environment_snapshot())


def main(args: Args) -> None:
    """Run, print, write."""
    console = Console()
    report = run(args, console)
    report.save(args.output)
    console.width = max(console.width, LEAST_WIDTH)
    for table in robustness_tables(report):
        console.print(table, crop=False)
    console.print(str(args.output), markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    main(tyro.cli(Args, description=__doc__))
