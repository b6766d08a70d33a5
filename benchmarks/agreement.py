"""The agreement study: do simulated users put recommenders in the order that real users do?

`python benchmarks/agreement.py` fits some twenty recommenders on one half of the training rows of MovieLens-100K, lets
each pick from every user's held-out items, whose real ratings are known, and asks judges what they think of the same
picks: classical users and language-model users that know the contestants' rows, the other half, or both, and offline
metrics. It prints tables, and writes JSON and plots. Data, recommenders and bundles of one's own join by option.
"""

import gc
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from rich.console import Console

import personagym_agents
from personagym_agents.bundle import bundle_fits, load_bundle_agent
from personagym_env.data.sources import load_dataset
from personagym_env.data.splits import Split, temporal_split
from personagym_env.data.tables import BoolArray, Dataset, FloatArray, IntArray, Interactions
from personagym_env.data.traits import profile_features, user_traits
from personagym_env.env import HISTORY_LENGTH
from personagym_env.evaluation.agreement_file import AgreementStudy
from personagym_env.evaluation.agreement_plots import tau_plot, value_plot
from personagym_env.evaluation.agreement_study import (
    Contestant,
    Judge,
    Panel,
    expected_ratings,
    liked_from,
    make_agreement_board,
)
from personagym_env.evaluation.agreement_tables import agreement_tables, user_judges
from personagym_env.evaluation.contamination import blind
from personagym_env.evaluation.figures import OFFLINE
from personagym_env.evaluation.judge_rows import HALVING, JUDGE_ROWS, DealtRows, Halving, JudgeRows, deal_rows
from personagym_env.evaluation.leaderboard import write_atomically
from personagym_env.evaluation.offline import measure_offline
from personagym_env.evaluation.snapshot import environment_snapshot
from personagym_env.evaluation.statistics import Statistic, user_resamples
from personagym_env.evaluation.truths import Truth, closed_pool, dense_users, random_exposure
from personagym_env.evaluation.work import Work
from personagym_env.protocols import Recommender, UserAgent
from personagym_recommenders import load_recommender
from personagym_recommenders.study import line_up

RESULTS = Path(__file__).parent / "results"
LEAST_WIDTH = 190
"""Characters that the tables need; a narrower terminal wraps them."""
JUDGE_CLASS: Mapping[str, str] = {"bias": "bias", "knn": "neighbours", "mf": "factors"}
"""Model class of classical users, named as those of contestants; language-model users have none among them."""
LEADERS = 12
"""Contestants in the plot of the leaders."""
SHIPPED = "shipped persona"
"""What the shipped bundle is called."""
OWN_CLASS = "own"
"""Model class of recommenders from files."""
FILTERED = {"recall", "ndcg", "mrr", "hit"}
"""Offline metrics that are measured a second time with liked held-out rows alone as relevant."""


@dataclass(frozen=True)
class Args:
    """Whom to compare, by whose judgement, on what."""

    dataset: str = "ml-100k"
    """A name or path that `load_dataset` takes."""
    judges: tuple[str, ...] = ("bias", "knn", "mf")
    """Classical users, fitted on the spot to the rows that they may know."""
    judge_rows: tuple[JudgeRows, ...] = JUDGE_ROWS
    """Training rows that judges know: those of the contestants (same), the other half (disjoint), both (superset)."""
    halving: Halving = "alternate"
    """How each user's training rows are dealt to contestants and judges."""
    shipped: bool = True
    """Whether the shipped bundle judges, where it was trained on rows that a judge may know."""
    bundles: tuple[str, ...] = ()
    """`name=path` of bundles that judge too; each joins where it was trained on rows that a judge may know."""
    slow: bool = False
    """Add LightGCN, NeuMF, SASRec and GRU4Rec."""
    recommender: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = field(default_factory=tuple)
    """One more contestant, `path/to/file.py:Class`; may be given several times."""
    random_test: str | None = None
    """A second data set with ratings of randomly shown items, with the ids of the first: a further real value."""
    dense_share: float | None = None
    """Users who rated at least this share of the catalogue give a further real value, over nearly all items."""
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
    output: Path = RESULTS / "agreement.json"
    """Where the JSON goes; the plots go beside it."""


@dataclass(frozen=True, eq=False)
class Bench:
    """What everybody is measured with."""

    dataset: Dataset
    split: Split
    dealt: DealtRows
    truths: tuple[Truth, ...]
    profiles: FloatArray
    """(u, f) of what contestants may know."""
    work: Work

    def unknown(self, users: IntArray) -> BoolArray:
        """(n, m) what is in none of the users' training rows: a half that nobody learned from is no answer either."""
        ones = np.ones(len(self.split.train))
        return np.asarray(self.split.train.matrix(ones)[users].toarray() == 0)


@dataclass(frozen=True, eq=False)
class Entrant:
    """A fitted contestant's picks and metrics."""

    name: str
    model_class: str
    seconds: float
    picks: Mapping[str, IntArray]
    """Truth to (n, k)."""
    offline: Mapping[str, Statistic]
    """Title of a metric to statistic."""


def make_contestants(args: Args, bench: Bench) -> tuple[list[tuple[str, str, Recommender]], dict[str, str]]:
    """Names, model classes and unfitted recommenders; and why others are left out.

    Raises:
        ValueError: two contestants have one name.
    """
    log = bench.dealt.contestants
    entries, left_out = line_up(log, bench.dataset.catalogue, slow=args.slow)
    liked = liked_from(log)
    chosen = [(name, entry.model_class, entry.make(liked)) for name, entry in entries.items()]
    for spec in args.recommender:
        own = load_recommender(spec)
        chosen.append((own.name, OWN_CLASS, own))
    names = [name for name, _, _ in chosen]
    if len(set(names)) != len(names):
        raise ValueError(f"contestants need distinct names, got {names}")
    return chosen, left_out


def enter(name: str, model_class: str, recommender: Recommender, bench: Bench) -> Entrant:
    """Fit a contestant on its half and let it pick from every pool."""
    log, work = bench.dealt.contestants, bench.work
    begin = time.perf_counter()
    with work.bar(f"fit {name}", None):
        recommender.fit(log, bench.dataset.catalogue)
    seconds = time.perf_counter() - begin
    with work.bar(f"{name}: picks and metrics", None):
        picks = {
            truth.name: truth.pool.picks(recommender, bench.profiles, history_length=HISTORY_LENGTH)
            for truth in bench.truths
        }
        offline = offline_metrics(recommender, bench)
    work.tell(f"{name}: fitted in {seconds:.1f} s, measured in {time.perf_counter() - begin - seconds:.1f} s")
    return Entrant(name, model_class, seconds, picks, offline)


def offline_metrics(recommender: Recommender, bench: Bench) -> dict[str, Statistic]:
    """Ranking metrics with all held-out rows as relevant, and with liked ones alone, which field reports do as well."""
    train, test = bench.split
    liked = test.take(test.ratings >= liked_from(train))

    def measure(relevant: Interactions) -> Mapping[str, Statistic]:
        return measure_offline(
            recommender,
            Split(train, relevant),
            bench.profiles,
            history_length=HISTORY_LENGTH,
            candidates=bench.unknown,
        )

    found = {OFFLINE[name].title: statistic for name, statistic in measure(test).items()}
    filtered = measure(liked).items()
    return found | {f"{OFFLINE[name].title}, liked": statistic for name, statistic in filtered if name in FILTERED}


def bundle_places(args: Args) -> dict[str, Path | None]:
    """Bundles by name; None is the shipped one.

    Raises:
        ValueError: an entry is not `name=path` of a folder, or its name is taken.
    """
    places: dict[str, Path | None] = {SHIPPED: None} if args.shipped else {}
    for entry in args.bundles:
        name, equals, path = entry.partition("=")
        if not (name and equals and Path(path).is_dir()):
            raise ValueError(f"a bundle is given as name=path with the path of a folder, got {entry!r}")
        if name in places or name in args.judges:
            raise ValueError(f"two judges would be called {name!r}")
        places[name] = Path(path)
    return places


def make_judges(args: Args, bench: Bench, left_out: dict[str, str]) -> Iterator[tuple[str, JudgeRows, UserAgent]]:
    """Populations one after the other, so that one model at a time is in memory; `left_out` is told who cannot judge.

    No judge can have read more than its rows: classical users are fitted on them here, from a data set that has no
    others, and a bundle's manifest names the rows that it was trained on.
    """
    logs = {rows: bench.dealt.of_judge(rows) for rows in args.judge_rows}
    for name in args.judges:
        for rows, log in logs.items():
            yield name, rows, personagym_agents.load(name, blind(bench.dataset, log), log)
    for name, place in bundle_places(args).items():
        fitting = [rows for rows, log in logs.items() if bundle_fits(place, log)]
        if not fitting:
            left_out[name] = f"was trained on other rows than judges know here ({', '.join(logs)})"
            bench.work.tell(f"{name} does not judge: it {left_out[name]}")
        for rows in fitting:
            yield name, rows, load_bundle_agent(place, blind(bench.dataset, logs[rows]), logs[rows])


def judge_all(args: Args, bench: Bench, entrants: list[Entrant], left_out: dict[str, str]) -> dict[str, list[Judge]]:
    """Truth to what every population and metric says of the contestants."""
    judges: dict[str, list[Judge]] = {truth.name: [] for truth in bench.truths}
    for name, rows, agent in make_judges(args, bench, left_out):
        for truth in bench.truths:
            log, begin = truth.pool.held_out, time.perf_counter()
            with bench.work.bar(f"{truth.name}: {name} ({rows})", len(log)) as advance:
                expected = expected_ratings(agent, log, progress=advance)
            figures = [truth.pool.value(entrant.picks[truth.name], expected) for entrant in entrants]
            judges[truth.name].append(Judge(name, "users", figures, rows, JUDGE_CLASS.get(name)))
            rate = len(log) / (time.perf_counter() - begin)
            bench.work.tell(f"{truth.name}: {name} ({rows}) valued {len(log):,} pairs, {rate:,.0f} a second")
        del agent
        gc.collect()  # a model and its caches, before the next one is loaded
    for found in judges.values():
        found += [
            Judge(metric, "metric", [entrant.offline[metric] for entrant in entrants]) for metric in entrants[0].offline
        ]
    return judges


def find_truths(args: Args, dataset: Dataset, split: Split) -> tuple[Truth, ...]:
    """Every way to know real value that was asked for and that the data can answer."""
    truths = [closed_pool(split, k=args.picks, least=args.least)]
    if args.dense_share is not None:
        truths.append(dense_users(split, args.dense_share, k=args.picks, least=args.least))
    if args.random_test is not None:
        shown = load_dataset(args.random_test, scale=dataset.interactions.scale)
        truths.append(random_exposure(dataset, split, shown, k=args.picks, least=args.least))
    return tuple(truths)


def run(args: Args, console: Console) -> AgreementStudy:
    """Everything from data to finished study.

    Raises:
        ValueError: no judge rows, or an option does not fit the data.
    """
    begin = time.perf_counter()
    if not args.judge_rows or len(set(args.judge_rows)) != len(args.judge_rows):
        raise ValueError(f"judge rows must be some of {', '.join(JUDGE_ROWS)}, each once, got {args.judge_rows}")
    bundle_places(args)
    rng = np.random.default_rng(args.seed)
    work = Work(console)
    with work.bars:
        dataset = load_dataset(args.dataset)
        split = temporal_split(dataset.interactions, args.train_share)
        dealt = deal_rows(split.train, args.halving, rng)
        profiles = profile_features(user_traits(dealt.contestants, dataset.catalogue))
        bench = Bench(dataset, split, dealt, find_truths(args, dataset, split), profiles, work)
        chosen, left_out = make_contestants(args, bench)
        with work.bar("all contestants", len(chosen)) as advance:
            entrants = []
            for name, model_class, recommender in chosen:
                entrants.append(enter(name, model_class, recommender, bench))
                advance(1)
        judges = judge_all(args, bench, entrants, left_out)
        weights = user_resamples(split.test.n_users, args.resamples, rng)
        boards = []
        for truth in bench.truths:
            with work.bar(f"{truth.name}: intervals", None):
                contestants = [
                    Contestant(entrant.name, entrant.model_class, truth.pool.value(entrant.picks[truth.name]))
                    for entrant in entrants
                ]
                boards.append(
                    make_agreement_board(
                        Panel(contestants, weights, rng),
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
        "halving": HALVING[args.halving],
        "rows": dealt.sizes(),
        "row fingerprints": {rows: dealt.of_judge(rows).fingerprint() for rows in JUDGE_ROWS},
        "contestants know": "the contestants' half",
        "judges know": list(args.judge_rows),
        "liked from": liked_from(split.train),
        "bootstrap resamples": args.resamples,
        "left out": left_out,
        "fit seconds": {entrant.name: round(entrant.seconds, 2) for entrant in entrants},
        "seconds": round(time.perf_counter() - begin),
    }
    return AgreementStudy(dataset.name, tuple(boards), setting, environment_snapshot())


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
    console = Console()
    study = run(args, console)
    study.save(args.output)
    written = [args.output, *write_plots(study, args.output)]
    console.width = max(console.width, LEAST_WIDTH)
    for board in study.boards:
        for table in agreement_tables(board):
            console.print(table, crop=False)
    console.print(f"Rows: {study.setting['halving']}.", markup=False, highlight=False)
    for path in written:
        console.print(str(path), markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    main(tyro.cli(Args, description=__doc__))
