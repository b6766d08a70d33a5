"""The leaderboard: recommenders judged by simulated users, beside what held-out real behaviour says of them.

`personagym leaderboard` fits the default recommenders on one half of the training rows of MovieLens-100K,
lets persona users who learned from the other half react to their slates, prints ranking, agreement and fidelity, and
writes JSON and an HTML report. A recommender of one's own joins with `--recommender path/to/file.py:MyRecommender`.
"""

import json
import time
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from rich.console import Console

import personagym_agents
from personagym_benchmarks.console import make_console
from personagym_env.data.sources import load_dataset
from personagym_env.data.splits import Split, temporal_split
from personagym_env.data.tables import Dataset
from personagym_env.env import HISTORY_LENGTH, MAX_EPISODE_STEPS, SLATE_SIZE
from personagym_env.evaluation.agreement.analysis import liked_from
from personagym_env.evaluation.core.closed_pool import ClosedPool
from personagym_env.evaluation.core.data_overlap import (
    HALF_SPLITS,
    DataOverlap,
    DealtRows,
    HalfSplit,
    deal_rows,
    unknown_items,
)
from personagym_env.evaluation.core.offline import measure_offline
from personagym_env.evaluation.core.progress_display import ProgressDisplay
from personagym_env.evaluation.core.simulate import SessionPlan, simulate
from personagym_env.evaluation.core.snapshot import environment_snapshot
from personagym_env.evaluation.core.statistics import user_resamples
from personagym_env.evaluation.fidelity.contamination import blind
from personagym_env.evaluation.fidelity.fidelity_test import Fidelity, FidelityTest
from personagym_env.evaluation.leaderboard.board import Leaderboard, Measurement, compare
from personagym_env.evaluation.leaderboard.tables import tables
from personagym_env.evaluation.reporting.report import write_report
from personagym_env.protocols import Recommender
from personagym_env.session.fitting.goodness import goodness_of_fit
from personagym_env.world import World, make_world
from personagym_recommenders import (
    DEFAULT_CONTESTANTS,
    REGISTRY,
    NamedRecommender,
    OracleGreedy,
    RecommenderContext,
    available,
    make_contestants,
)

RUNS = Path("runs")
LEARN_WITH = "mf"
"""Users with whom those contestants learn who learn in sessions before they are judged; they know the contestants'
half."""
REFERENCE = "oracle-greedy"
"""What is shown beside the contestants and stands outside the agreement."""
LEAST_WIDTH = 130
"""Characters that the tables need; a narrower terminal wraps them."""


@dataclass(frozen=True)
class Args:
    """What to compare, by whose judgement, on how much."""

    dataset: str = "ml-100k"
    """A name or path that `load_dataset` takes."""
    agent: str = "default"
    """Users who rank: a name or bundle path that `personagym_agents.load` takes. A bundle must have been trained on
    exactly the judge's rows; `default` is the shipped one of these rows, and `mf` users where none is shipped."""
    floors: tuple[str, ...] = ("bias", "knn", "mf")
    """Classical users that judge too, as what the ranking users have to beat."""
    contestants: str = "default"
    """`default`, `all` that the data allows, or names with commas between them."""
    recommender: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = field(default_factory=tuple)
    """One more recommender, `path/to/file.py:Class` or the folder of a saved one; may be given several times."""
    reference: bool = True
    """Show what a greedy recommender reaches that reads the users it is judged by; stands outside the agreement."""
    shortlist: int | None = 300
    """Items that the reference asks users about, those with the most training ratings; None for all, slowly."""
    users: int | None = 200
    """Users who have sessions, drawn at random; None for all."""
    episodes_per_user: int = 1
    """Sessions of each of them."""
    train_share: float = 0.8
    """Share of each user's rows, by time, that is training rows; contestants are fitted on one half of them."""
    data_overlap: DataOverlap = "disjoint"
    """Training rows that users know: those of the contestants (same), the other half (disjoint), both (superset)."""
    half_split: HalfSplit = "alternate"
    """How each user's training rows are dealt to contestants and users."""
    resamples: int = 2_000
    """Bootstrap resamples of users behind the intervals."""
    seed: int = 0
    """Of everything random."""
    output: Path = RUNS / "leaderboard.json"
    """Where the JSON goes."""
    report: Path = RUNS / "leaderboard.html"
    """Where the report goes."""

    def main(self) -> None:
        """Run the command."""
        main(self)


@dataclass(frozen=True, eq=False)
class RankingBench:
    """What every recommender is measured with."""

    split: Split
    dealt: DealtRows
    worlds: dict[str, World]
    """By population; the first is the one that ranks. Their log is the contestants' half."""
    fidelity: dict[str, Fidelity]
    """By population."""
    pool: ClosedPool
    plan: SessionPlan
    work: ProgressDisplay


def make_worlds(args: Args, dataset: Dataset, dealt: DealtRows, work: ProgressDisplay) -> dict[str, World]:
    """A world for each population, which knows the judge's rows; a session's parameters come from all training rows.

    Raises:
        ValueError: a bundle was trained on other rows.
    """
    log = dealt.of_judge(args.data_overlap)
    worlds: dict[str, World] = {}
    with work.bar("make users", 1 + len(args.floors)) as advance:
        for name in (args.agent, *args.floors):
            agent = personagym_agents.load(name, blind(dataset, log), log)
            if not worlds:
                whole = make_world(dataset, agent, train_share=args.train_share)
            worlds.setdefault(agent.name, replace(whole, train=dealt.contestants, agent=agent))
            advance(1)
    return worlds


def choose_recommenders(args: Args, world: World) -> list[NamedRecommender]:
    """The contestants by name, those from files, and the reference; not fitted.

    Raises:
        ValueError: a name is unknown, or two recommenders have the same one.
    """
    context = RecommenderContext(liked_from(world.train), partial(personagym_agents.load, LEARN_WITH))
    everybody = tuple(available(world.train, world.dataset.catalogue, context)[0])
    groups = {"default": DEFAULT_CONTESTANTS, "all": everybody}
    words = groups.get(args.contestants) or tuple(word.strip() for word in args.contestants.split(",") if word.strip())
    chosen = make_contestants((*words, *args.recommender), context)
    if args.reference:
        reference = OracleGreedy(world.agent, shortlist=args.shortlist)
        chosen.append(NamedRecommender(REFERENCE, REGISTRY[REFERENCE].model_class, reference))
    return chosen


def fit(name: str, recommender: Recommender, world: World, work: ProgressDisplay) -> float:
    """Fit on the training rows; seconds that it took."""
    with work.bar(f"fit {name}", None) as advance:
        if hasattr(recommender, "progress"):
            recommender.progress = lambda done, most: advance(1)
        begin = time.perf_counter()
        recommender.fit(world.train, world.dataset.catalogue)
        return time.perf_counter() - begin


def measure(contestant: NamedRecommender, bench: RankingBench) -> Measurement:
    """Fit a recommender on the contestants' half and measure everything about it.

    Whatever it is asked for, it is told to leave out what its users have in the other half, which it cannot know.
    """
    world, work, split = next(iter(bench.worlds.values())), bench.work, bench.split
    name, recommender = contestant.name, contestant.recommender
    seconds = fit(name, recommender, world, work)
    profiles, n_users = world.profiles, split.test.n_users
    with work.bar(f"{name}: top 10 against held-out items", int((split.test.counts > 0).sum())) as advance:
        offline = measure_offline(
            recommender,
            split,
            profiles,
            history_length=HISTORY_LENGTH,
            candidates=unknown_items(split.train),
            progress=advance,
        )
    with work.bar(f"{name}: picks from held-out items", len(bench.pool.users)) as advance:
        picks = bench.pool.picks(recommender, profiles, history_length=HISTORY_LENGTH, progress=advance)
    simulated = {}
    for population, judge in bench.worlds.items():
        with work.bar(f"{name}: sessions with {population}", len(bench.plan.users)) as advance:
            sessions = simulate(recommender, judge, bench.plan, hidden=bench.dealt.others, progress=advance)
            simulated[population] = sessions.statistics(n_users)
    return Measurement(
        name=name,
        fit_seconds=seconds,
        offline=offline,
        simulated=simulated,
        real=bench.pool.value(picks),
        judged={name: bench.pool.value(picks, one.expected_ratings) for name, one in bench.fidelity.items()},
        reference=name == REFERENCE,
    )


def ask(questions: FidelityTest, worlds: dict[str, World], work: ProgressDisplay) -> dict[str, Fidelity]:
    """How true each population is to held-out people."""
    fidelity = {}
    for population, judge in worlds.items():
        asked = time.perf_counter()
        with work.bar(f"fidelity of {population}", questions.n_questions) as advance:
            fidelity[population] = questions.ask(judge.agent, progress=advance)
        rate = questions.n_questions / (time.perf_counter() - asked)
        work.tell(f"{population} answered {questions.n_questions:,} questions, {rate:,.0f} a second")
    return fidelity


def run(args: Args, console: Console) -> Leaderboard:
    """Everything from data to finished leaderboard."""
    begin = time.perf_counter()
    rng = np.random.default_rng(args.seed)
    work = ProgressDisplay(console)
    with work.bars:
        dataset = load_dataset(args.dataset)
        split = temporal_split(dataset.interactions, args.train_share)
        dealt = deal_rows(split.train, args.half_split, rng)
        worlds = make_worlds(args, dataset, dealt, work)
        world = next(iter(worlds.values()))
        recommenders = choose_recommenders(args, world)
        # Unseen items are in no row of the log; the floors know what the users know.
        questions = FidelityTest.draw(split, rng)
        questions = replace(questions, split=Split(dealt.of_judge(args.data_overlap), split.test))
        plan = SessionPlan.draw(
            split.train.n_users, users=args.users, episodes_per_user=args.episodes_per_user, seed=args.seed
        )
        pool = ClosedPool(split.test)
        bench = RankingBench(split, dealt, worlds, ask(questions, worlds, work), pool, plan, work)
        measured = []
        with work.bar("all recommenders", len(recommenders)) as advance:
            for one in recommenders:
                started = time.perf_counter()
                measured.append(measure(one, bench))
                spent = time.perf_counter() - started - measured[-1].fit_seconds
                work.tell(f"{one.name}: fitted in {measured[-1].fit_seconds:.1f} s, judged in {spent:.1f} s")
                advance(1)
    laws = [
        fit.to_dict() for fit in goodness_of_fit(split.train, split.test, world.parameters, catalogue=dataset.catalogue)
    ]
    setting = {
        "data fingerprint": dataset.fingerprint(),
        "seed": args.seed,
        "training share": args.train_share,
        "halves": HALF_SPLITS[args.half_split],
        "contestants know": f"{len(dealt.contestants):,} rows, fingerprint {dealt.contestants.fingerprint()[:12]}",
        "users know": f"{args.data_overlap}: {len(questions.split.train):,} rows, fingerprint "
        f"{questions.split.train.fingerprint()[:12]}; their fidelity is that of users who know these rows",
        "sessions per recommender": len(plan.users),
        "slate size": SLATE_SIZE,
        "longest session": MAX_EPISODE_STEPS,
        "closed pools": f"{len(pool.users)} users with at least {pool.least} held-out items, {pool.k} picks",
        "bootstrap resamples": args.resamples,
        "seconds": round(time.perf_counter() - begin),
    }
    return compare(
        measured,
        {"best": pool.best, "chance": pool.chance, "worst": pool.worst},
        [*questions.floors(), *(bench.fidelity[name] for name in reversed(worlds))],
        user_resamples(split.test.n_users, args.resamples, rng),
        rng,
        dataset=dataset.name,
        setting=setting,
        environment=environment_snapshot(),
        card={**json.loads(world.card().to_json()), "goodness": laws},
        independence=dealt.independence(args.data_overlap, args.half_split),
    )


def main(args: Args) -> None:
    """Run, print, write."""
    console = make_console()
    board = run(args, console)
    board.save(args.output)
    write_report(board, args.report)
    console.width = max(console.width, LEAST_WIDTH)
    for table in tables(board):
        console.print(table, crop=False)
    console.print(f"{args.output}\n{args.report}", markup=False, highlight=False, soft_wrap=True)
