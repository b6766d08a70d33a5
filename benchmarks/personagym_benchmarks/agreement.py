"""The agreement study: do simulated users put recommenders in the order that real users do?

`personagym agreement` fits some thirty recommenders on one half of the training rows of MovieLens-100K, lets
each pick from every user's held-out items, whose real ratings are known, and asks judges what they think of the same
picks: classical users and language-model users that know the contestants' rows, the other half, or both; whole sessions
with such users; and offline metrics. It prints tables, and writes JSON and plots. Data, recommenders and bundles of
one's own join by option.
"""

import gc
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from rich.console import Console

import personagym_agents
from personagym_agents.bundle.manifest import bundle_fits, shipped_bundles
from personagym_agents.bundle.storage import load_bundle_agent
from personagym_benchmarks.console import make_console
from personagym_env.data.sources import load_dataset
from personagym_env.data.splits import Split, temporal_split
from personagym_env.data.tables import Dataset
from personagym_env.evaluation.agreement.analysis import (
    AgreementAnalysis,
    Contestant,
    Judge,
    expected_ratings,
    liked_from,
    make_agreement_board,
)
from personagym_env.evaluation.agreement.fitted_recommenders import Bench, FittedRecommender, SessionTrial
from personagym_env.evaluation.agreement.ground_truth import GroundTruth, closed_pool, dense_users, random_exposure
from personagym_env.evaluation.agreement.plots import tau_plot, value_plot
from personagym_env.evaluation.agreement.study_file import AgreementStudy
from personagym_env.evaluation.agreement.tables import agreement_tables, user_judges
from personagym_env.evaluation.core.data_overlap import DATA_OVERLAPS, HALF_SPLITS, DataOverlap, HalfSplit, deal_rows
from personagym_env.evaluation.core.progress_display import ProgressDisplay
from personagym_env.evaluation.core.simulate import SessionPlan
from personagym_env.evaluation.core.snapshot import environment_snapshot
from personagym_env.evaluation.core.statistics import user_resamples
from personagym_env.evaluation.fidelity.contamination import blind
from personagym_env.files import write_atomically
from personagym_env.protocols import UserAgent
from personagym_env.session.fitting.sessions import fit_sessions
from personagym_env.session.parameters import SessionParameters
from personagym_recommenders import NamedRecommender, RecommenderContext, available, make_contestants

RUNS = Path("runs")
LEAST_WIDTH = 190
"""Characters that the tables need; a narrower terminal wraps them."""
JUDGE_CLASS: Mapping[str, str] = {"bias": "bias", "knn": "neighbours", "mf": "factors"}
"""Model class of classical users, named as those of contestants; language-model users have none among them."""
LEARN_WITH = "mf"
"""Users whom the bandit and the policy learn with; they know the contestants' half."""
LEADERS = 12
"""Contestants in the plot of the leaders."""
SHIPPED = "shipped persona"
"""What the shipped bundle is called."""


@dataclass(frozen=True)
class Args:
    """Whom to compare, by whose judgement, on what."""

    dataset: str = "ml-100k"
    """A name or path that `load_dataset` takes."""
    judges: tuple[str, ...] = ("bias", "knn", "mf")
    """Classical users, fitted on the spot to the rows that they may know."""
    data_overlap: tuple[DataOverlap, ...] = DATA_OVERLAPS
    """Training rows that judges know: those of the contestants (same), the other half (disjoint), both (superset)."""
    half_split: HalfSplit = "alternate"
    """How each user's training rows are dealt to contestants and judges."""
    shipped: bool = True
    """Whether the shipped bundle judges, where it was trained on rows that a judge may know."""
    bundles: tuple[str, ...] = ()
    """`name=path` of bundles that judge too; each joins where it was trained on rows that a judge may know. Those that
    know different rows may share a name."""
    slow: bool = True
    """Whether LightGCN, NeuMF, SASRec, GRU4Rec and PPO take part, which take minutes."""
    recommender: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = field(default_factory=tuple)
    """One more contestant, `path/to/file.py:Class`; may be given several times."""
    random_test: str | None = None
    """A second data set with ratings of randomly shown items, with the ids of the first: a further real value. By
    default the one that the data set's `personagym.json` names."""
    dense_share: float | None = None
    """Users who rated at least this share of the catalogue give a further real value, over nearly all items. By default
    the share that the data set's `personagym.json` gives."""
    sessions: int = 200
    """Users, drawn at random, who have a session with each contestant, as one more judge; 0 for no sessions."""
    session_rows: tuple[DataOverlap, ...] = ("disjoint",)
    """Training rows that the users of sessions know; some of `data_overlap`."""
    picks: int = 5
    """Items that a contestant picks for each user."""
    least: int = 10
    """Held-out items that a user needs."""
    train_share: float = 0.8
    """Share of each user's rows, by time, that is training rows."""
    resamples: int = 2_000
    """Bootstrap resamples of users behind the intervals."""
    seed: int = 0
    """Of everything random."""
    output: Path = RUNS / "agreement.json"
    """Where the JSON goes; the plots go beside it."""

    def main(self) -> None:
        """Run the command."""
        main(self)


def choose_contestants(args: Args, bench: Bench) -> tuple[list[NamedRecommender], dict[str, str]]:
    """Unfitted recommenders; and why others are left out.

    Raises:
        ValueError: two contestants have one name.
    """
    log = bench.dealt.contestants
    context = RecommenderContext(liked_from(log), partial(personagym_agents.load, LEARN_WITH))
    chosen, left_out = available(log, bench.dataset.catalogue, context, slow=args.slow, online=False)
    return make_contestants((*chosen, *args.recommender), context), left_out


def enter(contestant: NamedRecommender, bench: Bench, work: ProgressDisplay) -> FittedRecommender:
    """Fit a contestant on its half, let it pick from every pool and measure it."""
    name, model_class, recommender = contestant
    begin = time.perf_counter()
    with work.bar(f"fit {name}", None):
        recommender.fit(bench.dealt.contestants, bench.dataset.catalogue)
    seconds = time.perf_counter() - begin
    with work.bar(f"{name}: picks and metrics", None):
        picks, offline = bench.picks(recommender), bench.offline(recommender)
    work.tell(f"{name}: fitted in {seconds:.1f} s, measured in {time.perf_counter() - begin - seconds:.1f} s")
    return FittedRecommender(name, model_class, recommender, picks, offline, seconds)


def bundle_places(args: Args) -> dict[str, list[Path]]:
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
    args: Args, bench: Bench, work: ProgressDisplay, left_out: dict[str, str]
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
            work.tell(f"{name} does not judge: it {left_out[name]}")
        known = [rows for rows, _ in fitting]
        if len(set(known)) < len(known):
            raise ValueError(f"two bundles are called {name!r} and know the same rows: give them different names")
        for rows, place in fitting:
            yield name, rows, load_bundle_agent(place, blind(bench.dataset, logs[rows]), logs[rows])


def judge_all(
    args: Args,
    bench: Bench,
    work: ProgressDisplay,
    fitted_recommenders: list[FittedRecommender],
    left_out: dict[str, str],
) -> dict[str, list[Judge]]:
    """Truth to what every population and metric says of the contestants."""
    judges: dict[str, list[Judge]] = {truth.name: [] for truth in bench.ground_truths}
    trial = session_trial(args, bench)
    for name, rows, agent in make_judges(args, bench, work, left_out):
        for truth in bench.ground_truths:
            log, begin = truth.pool.held_out, time.perf_counter()
            with work.bar(f"{truth.name}: {name} ({rows})", len(log)) as advance:
                expected = expected_ratings(agent, log, progress=advance)
            figures = [truth.pool.value(fitted.picks[truth.name], expected) for fitted in fitted_recommenders]
            judges[truth.name].append(Judge(name, "users", figures, rows, JUDGE_CLASS.get(name)))
            rate = len(log) / (time.perf_counter() - begin)
            work.tell(f"{truth.name}: {name} ({rows}) valued {len(log):,} pairs, {rate:,.0f} a second")
        if trial is not None and rows in args.session_rows:
            played = play_all(name, rows, agent, trial, fitted_recommenders, work)
            for found in judges.values():
                found += played
        del agent
        gc.collect()  # a model and its caches, before the next one is loaded
    for found in judges.values():
        found += [
            Judge(metric, "metric", [fitted.offline[metric] for fitted in fitted_recommenders])
            for metric in fitted_recommenders[0].offline
        ]
    return judges


def session_trial(args: Args, bench: Bench) -> SessionTrial | None:
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
    work: ProgressDisplay,
) -> list[Judge]:
    """What sessions with a population say of the contestants: by their return, and by the ratings given."""
    begin = time.perf_counter()
    figures = []
    with work.bar(f"sessions: {name} ({rows})", len(fitted_recommenders)) as advance:
        for fitted in fitted_recommenders:
            figures.append(trial.figures(fitted.recommender, agent))
            advance(1)
    spent = time.perf_counter() - begin
    work.tell(f"{name} ({rows}) had {len(trial.plan.users)} sessions with each contestant in {spent:.0f} s")
    return [
        Judge(f"{name}, session {figure}", "sessions", [one[figure] for one in figures], rows, JUDGE_CLASS.get(name))
        for figure in ("return", "rating")
    ]


def find_truths(args: Args, dataset: Dataset, split: Split) -> tuple[GroundTruth, ...]:
    """Every way to know real value that was asked for and that the data can answer."""
    ground_truths = [closed_pool(split, k=args.picks, least=args.least)]
    manifest = dataset.manifest
    dense_share = manifest.fully_observed if args.dense_share is None else args.dense_share
    random_test = manifest.random_exposure if args.random_test is None else args.random_test
    if dense_share is not None:
        ground_truths.append(dense_users(split, dense_share, k=args.picks, least=args.least))
    if random_test is not None:
        shown = load_dataset(random_test, scale=dataset.interactions.scale)
        ground_truths.append(random_exposure(dataset, split, shown, k=args.picks, least=args.least))
    return tuple(ground_truths)


def run(args: Args, console: Console) -> AgreementStudy:
    """Everything from data to finished study.

    Raises:
        ValueError: no judge rows, or an option does not fit the data.
    """
    begin = time.perf_counter()
    if not set(args.session_rows) <= set(args.data_overlap):
        raise ValueError(f"session rows must be some of the data overlaps {args.data_overlap}, got {args.session_rows}")
    if not args.data_overlap or len(set(args.data_overlap)) != len(args.data_overlap):
        raise ValueError(f"data overlap must be some of {', '.join(DATA_OVERLAPS)}, each once, got {args.data_overlap}")
    bundle_places(args)
    rng = np.random.default_rng(args.seed)
    work = ProgressDisplay(console)
    with work.bars:
        dataset = load_dataset(args.dataset)
        split = temporal_split(dataset.interactions, args.train_share)
        dealt = deal_rows(split.train, args.half_split, rng)
        bench = Bench(dataset, split, dealt, find_truths(args, dataset, split))
        chosen, left_out = choose_contestants(args, bench)
        with work.bar("all contestants", len(chosen)) as advance:
            fitted_recommenders = []
            for contestant in chosen:
                fitted_recommenders.append(enter(contestant, bench, work))
                advance(1)
        judges = judge_all(args, bench, work, fitted_recommenders, left_out)
        weights = user_resamples(split.test.n_users, args.resamples, rng)
        boards = []
        for truth in bench.ground_truths:
            with work.bar(f"{truth.name}: intervals", None):
                contestants = [
                    Contestant(fitted.name, fitted.model_class, truth.pool.value(fitted.picks[truth.name]))
                    for fitted in fitted_recommenders
                ]
                boards.append(
                    make_agreement_board(
                        AgreementAnalysis(contestants, weights, rng),
                        judges[truth.name],
                        truth.pool,
                        weights,
                        truth=truth.name,
                        description=truth.description,
                    )
                )
    setting = {
        "data fingerprint": dataset.fingerprint(),
        "seed": args.seed,
        "training share": args.train_share,
        "half_split": HALF_SPLITS[args.half_split],
        "rows": dealt.sizes(),
        "row fingerprints": {rows: dealt.of_judge(rows).fingerprint() for rows in DATA_OVERLAPS},
        "contestants know": "the contestants' half",
        "judges know": list(args.data_overlap),
        "bandit and policy learn with": f"{LEARN_WITH} users of the contestants' half, sessions as documented defaults",
        "sessions of each contestant": min(args.sessions, split.train.n_users),
        "liked from": liked_from(split.train),
        "bootstrap resamples": args.resamples,
        "left out": left_out,
        "fit seconds": {fitted.name: round(fitted.seconds, 2) for fitted in fitted_recommenders},
        "seconds": round(time.perf_counter() - begin),
    }
    return AgreementStudy(
        dataset=dataset.name, boards=tuple(boards), setting=setting, environment=environment_snapshot()
    )


def write_plots(study: AgreementStudy, output: Path) -> list[Path]:
    """SVG files beside the JSON, for each truth: tau per judge, and one judge's value against the real one.

    That judge is the shipped bundle if it judges, else the best one.
    """
    written = []
    for board in study.boards:
        stem = f"{output.stem}-{board.truth.replace(' ', '-')}"
        plots = {"tau": tau_plot(board)}
        users = user_judges(board)
        persona = [title for title in users if title.startswith(SHIPPED)]
        if users:
            judge = (persona or users)[0]
            plots |= {"value": value_plot(board, judge), "leaders": value_plot(board, judge, LEADERS)}
        for name, svg in plots.items():
            written.append(output.with_name(f"{stem}-{name}.svg"))
            write_atomically(written[-1], svg)
    return written


def main(args: Args) -> None:
    """Run, print, write."""
    console = make_console()
    study = run(args, console)
    study.save(args.output)
    written = [args.output, *write_plots(study, args.output)]
    console.width = max(console.width, LEAST_WIDTH)
    for board in study.boards:
        for table in agreement_tables(board):
            console.print(table, crop=False)
    console.print(f"Rows: {study.setting['half_split']}.", markup=False, highlight=False)
    for path in written:
        console.print(str(path), markup=False, highlight=False, soft_wrap=True)
