"""The leaderboard: recommenders judged by simulated users, beside what held-out real behaviour says of them.

`python benchmarks/leaderboard.py` fits the default recommenders on MovieLens-100K, lets the persona users react to
their slates, prints ranking, agreement and fidelity, and writes JSON and an HTML report. A recommender of one's own
joins with `--recommender path/to/file.py:MyRecommender`.
"""

import json
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from rich.console import Console

import personagym_agents
from personagym_env.data.sources import load_dataset
from personagym_env.data.splits import Split, temporal_split
from personagym_env.env import HISTORY_LENGTH, MAX_EPISODE_STEPS, SLATE_SIZE
from personagym_env.evaluation.closed_pool import ClosedPool
from personagym_env.evaluation.fidelity import Fidelity, FidelityTest
from personagym_env.evaluation.leaderboard import Leaderboard, Measurement, compare
from personagym_env.evaluation.offline import measure_offline
from personagym_env.evaluation.report import write_report
from personagym_env.evaluation.simulate import SessionPlan, simulate
from personagym_env.evaluation.snapshot import environment_snapshot
from personagym_env.evaluation.statistics import user_resamples
from personagym_env.evaluation.tables import tables
from personagym_env.evaluation.work import Work
from personagym_env.protocols import Recommender
from personagym_env.world import World, make_world
from personagym_recommenders import ALL_CONTESTANTS, DEFAULT_CONTESTANTS, UserAgentGreedy, load_recommender

RESULTS = Path(__file__).parent / "results"
LEAST_WIDTH = 130
"""Characters that the tables need; a narrower terminal wraps them."""


@dataclass(frozen=True)
class Args:
    """What to compare, by whose judgement, on how much."""

    dataset: str = "ml-100k"
    """A name or path that `load_dataset` takes."""
    agent: str = "default"
    """Users who rank: a name or bundle path that `personagym_agents.load` takes."""
    floors: tuple[str, ...] = ("bias", "knn", "mf")
    """Classical users that judge too, as what the ranking users have to beat."""
    contestants: str = "default"
    """`default`, `all`, or names with commas between them."""
    recommender: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = field(default_factory=tuple)
    """One more recommender, `path/to/file.py:Class`; may be given several times."""
    reference: bool = True
    """Show what a greedy recommender reaches that reads the users it is judged by; stands outside the agreement."""
    shortlist: int | None = 300
    """Items that the reference asks users about, those with the most training ratings; None for all, slowly."""
    users: int | None = 200
    """Users who have sessions, drawn at random; None for all."""
    episodes_per_user: int = 1
    """Sessions of each of them."""
    train_share: float = 0.8
    """Share of each user's rows, by time, that everybody learns from."""
    resamples: int = 2_000
    """Bootstrap resamples of users behind the intervals."""
    seed: int = 0
    """Of everything random."""
    output: Path = RESULTS / "leaderboard.json"
    """Where the JSON goes."""
    report: Path = RESULTS / "leaderboard.html"
    """Where the report goes."""


def choose_recommenders(args: Args, world: World) -> list[Recommender]:
    """The contestants by name, those from files, and the reference; not fitted.

    Raises:
        ValueError: a name is unknown, or two recommenders have the same one.
    """
    groups = {"default": DEFAULT_CONTESTANTS, "all": ALL_CONTESTANTS}
    specs = groups.get(args.contestants) or tuple(spec.strip() for spec in args.contestants.split(",") if spec.strip())
    chosen = [load_recommender(spec) for spec in (*specs, *args.recommender)]
    chosen += [UserAgentGreedy(world.agent, shortlist=args.shortlist)] if args.reference else []
    names = [recommender.name for recommender in chosen]
    if len(set(names)) != len(names):
        raise ValueError(f"recommenders need distinct names, got {names}")
    return chosen


def fit(recommender: Recommender, world: World, work: Work) -> float:
    """Fit on the training rows; seconds that it took."""
    with work.bar(f"fit {recommender.name}", None) as advance:
        if hasattr(recommender, "progress"):
            recommender.progress = lambda done, most: advance(1)
        begin = time.perf_counter()
        recommender.fit(world.train, world.dataset.catalogue)
        return time.perf_counter() - begin


def measure(
    recommender: Recommender,
    worlds: dict[str, World],
    split: Split,
    pool: ClosedPool,
    fidelity: dict[str, Fidelity],
    plan: SessionPlan,
    work: Work,
) -> Measurement:
    """Fit a recommender and measure everything about it; the first world is the one that ranks."""
    world = next(iter(worlds.values()))
    seconds = fit(recommender, world, work)
    profiles, name, n_users = world.profiles, recommender.name, split.test.n_users
    with work.bar(f"{name}: top 10 against held-out items", int((split.test.counts > 0).sum())) as advance:
        offline = measure_offline(recommender, split, profiles, history_length=HISTORY_LENGTH, progress=advance)
    with work.bar(f"{name}: picks from held-out items", len(pool.users)) as advance:
        picks = pool.picks(recommender, profiles, history_length=HISTORY_LENGTH, progress=advance)
    simulated = {}
    for population, judge in worlds.items():
        with work.bar(f"{name}: sessions with {population}", len(plan.users)) as advance:
            simulated[population] = simulate(recommender, judge, plan, progress=advance).statistics(n_users)
    return Measurement(
        name=name,
        fit_seconds=seconds,
        offline=offline,
        simulated=simulated,
        real=pool.value(picks),
        judged={population: pool.value(picks, fidelity[population].expected_ratings) for population in worlds},
        reference=isinstance(recommender, UserAgentGreedy),
    )


def run(args: Args, console: Console) -> Leaderboard:
    """Everything from data to finished leaderboard."""
    begin = time.perf_counter()
    rng = np.random.default_rng(args.seed)
    work = Work(console)
    with work.bars:
        dataset = load_dataset(args.dataset)
        split = temporal_split(dataset.interactions, args.train_share)
        with work.bar("make users", 1 + len(args.floors)) as advance:
            world = make_world(dataset, args.agent, train_share=args.train_share)
            worlds = {world.agent.name: world}
            advance(1)
            for floor in args.floors:
                agent = personagym_agents.load(floor, dataset, split.train)
                worlds.setdefault(agent.name, replace(world, agent=agent))
                advance(1)
        recommenders = choose_recommenders(args, world)
        questions = FidelityTest.draw(split, rng)
        fidelity = {}
        for population, judge in worlds.items():
            asked = time.perf_counter()
            with work.bar(f"fidelity of {population}", questions.n_questions) as advance:
                fidelity[population] = questions.ask(judge.agent, progress=advance)
            rate = questions.n_questions / (time.perf_counter() - asked)
            work.tell(f"{population} answered {questions.n_questions:,} questions, {rate:,.0f} a second")
        pool = ClosedPool(split.test)
        plan = SessionPlan.draw(
            split.train.n_users, users=args.users, episodes_per_user=args.episodes_per_user, seed=args.seed
        )
        measured = []
        with work.bar("all recommenders", len(recommenders)) as advance:
            for one in recommenders:
                started = time.perf_counter()
                measured.append(measure(one, worlds, split, pool, fidelity, plan, work))
                spent = time.perf_counter() - started - measured[-1].fit_seconds
                work.tell(f"{one.name}: fitted in {measured[-1].fit_seconds:.1f} s, judged in {spent:.1f} s")
                advance(1)
    setting = {
        "data fingerprint": dataset.fingerprint(),
        "seed": args.seed,
        "training share": args.train_share,
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
        [*questions.floors(), *(fidelity[name] for name in reversed(worlds))],
        user_resamples(split.test.n_users, args.resamples, rng),
        rng,
        dataset=dataset.name,
        setting=setting,
        environment=environment_snapshot(),
        card=json.loads(world.card().to_json()),
    )


def main(args: Args) -> None:
    """Run, print, write."""
    console = Console()
    board = run(args, console)
    board.save(args.output)
    write_report(board, args.report)
    console.width = max(console.width, LEAST_WIDTH)
    for table in tables(board):
        console.print(table, crop=False)
    console.print(f"{args.output}\n{args.report}", markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    main(tyro.cli(Args, description=__doc__))
