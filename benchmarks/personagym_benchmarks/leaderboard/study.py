"""The leaderboard: recommenders judged by simulated users, beside what held-out real behaviour says of them.

`personagym leaderboard` fits the default recommenders on one half of the training rows of MovieLens-100K,
lets persona users who learned from the other half react to their slates, prints ranking, agreement and fidelity, and
writes JSON and an HTML report. A recommender of one's own joins with `--recommender path/to/file.py:MyRecommender`.
"""

import json
import time
from dataclasses import replace

import numpy as np

import personagym_agents
from personagym_benchmarks.leaderboard.contestants import check_words, choose_recommenders
from personagym_benchmarks.leaderboard.measuring import LIST_LENGTH, RankingBench, ask, measure
from personagym_benchmarks.leaderboard.settings import LeaderboardSettings
from personagym_env.benchmark import Benchmark, user_hashes
from personagym_env.data.named_splits import named_split
from personagym_env.data.sources import load_dataset
from personagym_env.data.splits import Split
from personagym_env.data.tables import Dataset
from personagym_env.env import MAX_EPISODE_STEPS, SLATE_SIZE
from personagym_env.evaluation.core.closed_pool import ClosedPool
from personagym_env.evaluation.core.data_overlap import (
    HALF_SPLITS,
    DealtRows,
    deal_rows,
)
from personagym_env.evaluation.core.offline import listed_users
from personagym_env.evaluation.core.simulate import SessionPlan, fillable_users
from personagym_env.evaluation.core.snapshot import environment_snapshot
from personagym_env.evaluation.core.statistics import user_resamples
from personagym_env.evaluation.fidelity.contamination import blind
from personagym_env.evaluation.fidelity.fidelity_test import FidelityTest
from personagym_env.evaluation.leaderboard.board import Leaderboard, Measurement, compare
from personagym_env.evaluation.leaderboard.plausible import plausible_worlds
from personagym_env.run_context import RunContext
from personagym_env.session.fitting.goodness import goodness_of_fit
from personagym_env.workers import InTurn
from personagym_env.world import World, make_world


def make_worlds(args: LeaderboardSettings, dataset: Dataset, dealt: DealtRows, context: RunContext) -> dict[str, World]:
    """A world for each population, which knows the judge's rows; a session's parameters come from all training rows.

    Raises:
        ValueError: a bundle was trained on other rows.
    """
    log = dealt.of_judge(args.data_overlap)
    worlds: dict[str, World] = {}
    with context.bar("make users", 1 + len(args.floors)) as advance:
        for name in (args.agent, *args.floors):
            agent = personagym_agents.load(name, blind(dataset, log), log)
            if not worlds:
                whole = make_world(dataset, agent, split=args.split, train_share=args.train_share)
            worlds.setdefault(agent.name, replace(whole, train=dealt.recommenders, agent=agent))
            advance(1)
    return worlds


def plan_sessions(args: LeaderboardSettings, split: Split) -> SessionPlan:
    """Who has sessions.

    Raises:
        ValueError: nobody can have one, since everybody knows nearly all items.
    """
    n_users = split.train.n_users
    users = None if args.users is None else min(args.users, n_users)
    plan = SessionPlan.draw(n_users, users=users, episodes_per_user=args.episodes_per_user, seed=args.seed)
    if not fillable_users(split.train, SLATE_SIZE)[plan.users].any():
        raise ValueError(
            f"nobody can have a session: each of the {len(plan.users)} users has fewer than {SLATE_SIZE} of the "
            f"{split.train.n_items} items left that are in no training row of theirs"
        )
    return plan


def left_out(split: Split, plan: SessionPlan, questions: FidelityTest) -> dict[str, str]:
    """What users are left out of because there is nothing to show them or to ask them about; empty if they are not."""
    tested = int((split.test.counts > 0).sum())
    unfilled = int((~fillable_users(split.train, SLATE_SIZE)[plan.users]).sum())
    unlisted, unasked = tested - len(listed_users(split, LIST_LENGTH)), tested - len(questions.owners)
    told = {
        "sessions": (unfilled, f"who know all but fewer than {SLATE_SIZE} items"),
        f"lists of {LIST_LENGTH}": (unlisted, f"who know all but fewer than {LIST_LENGTH} items"),
        "choices": (unasked, f"who have fewer than {questions.unseen['uniform'].shape[1]} unseen items"),
    }
    return {what: f"{users} users {why}" for what, (users, why) in told.items() if users}


def run(args: LeaderboardSettings, context: RunContext) -> Leaderboard:
    """Everything from data to finished leaderboard.

    Raises:
        ValueError: a recommender is unknown, or an option does not fit the data.
    """
    begin = time.perf_counter()
    check_words(args)
    rng = np.random.default_rng(args.seed)
    dataset = load_dataset(args.dataset)
    _, split_words, split = named_split(dataset, args.split, args.train_share)
    context.tell(split_words)
    dealt = deal_rows(split.train, args.half_split, rng)
    worlds = make_worlds(args, dataset, dealt, context)
    world = next(iter(worlds.values()))
    recommenders = choose_recommenders(args, world)
    # Unseen items are in no row of the log; the floors know what the users know.
    questions = FidelityTest.draw(split, rng)
    questions = replace(questions, split=Split(dealt.of_judge(args.data_overlap), split.test))
    plan = plan_sessions(args, split)
    pool = ClosedPool(split.test)
    plausible = dict(plausible_worlds(world)) if args.band else {}
    bench = RankingBench(split, dealt, worlds, ask(questions, worlds, context), plausible, pool, plan, context)
    measured: dict[int, Measurement] = {}
    with context.bar("all recommenders", len(recommenders)) as advance:
        for number, (found, seconds) in (context.workers or InTurn()).done(measure, bench, recommenders):
            measured[number] = found
            context.tell(f"{found.name}: fitted in {found.fit_seconds:.1f} s, judged in {seconds:.1f} s")
            advance(1)
    laws = [
        fit.to_dict() for fit in goodness_of_fit(split.train, split.test, world.parameters, catalogue=dataset.catalogue)
    ]
    setting = {
        "data fingerprint": dataset.fingerprint(),
        "seed": args.seed,
        "training rows": split_words,
        "halves": HALF_SPLITS[args.half_split],
        "recommenders know": f"{len(dealt.recommenders):,} rows, fingerprint {dealt.recommenders.fingerprint()[:12]}",
        "users know": f"{args.data_overlap}: {len(questions.split.train):,} rows, fingerprint "
        f"{questions.split.train.fingerprint()[:12]}; their fidelity is that of users who know these rows",
        "sessions per recommender": len(plan.users),
        "slate size": SLATE_SIZE,
        "longest session": MAX_EPISODE_STEPS,
        "plausible laws": list(plausible),
        "left out": left_out(split, plan, questions),
        "closed pools": f"{len(pool.users)} users with at least {pool.least} held-out items, {pool.k} picks",
        "bootstrap resamples": args.resamples,
        "seconds": round(time.perf_counter() - begin),
    }
    board = compare(
        [measured[number] for number in range(len(recommenders))],
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
    users = user_hashes(one.agent for one in worlds.values())
    benchmark = Benchmark.of(dataset, users, known=world.train, parameters=world.parameters)
    return replace(board, benchmarks={dataset.name: benchmark})
