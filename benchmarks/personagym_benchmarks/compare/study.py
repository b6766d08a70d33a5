"""`personagym compare A B`: is one recommender better than another, and what could have been seen at all?

Recommenders are fitted on one half of the training rows; simulated users who learned from the other half have sessions
with each of them, with the same random draws. Held-out rows say of the same recommenders what they can.
"""

import numpy as np

from personagym_benchmarks.compare.settings import CompareSettings
from personagym_benchmarks.leaderboard.contestants import check_words, choose_recommenders
from personagym_benchmarks.leaderboard.measuring import fit
from personagym_benchmarks.leaderboard.settings import LeaderboardSettings
from personagym_benchmarks.leaderboard.study import make_worlds, plan_sessions
from personagym_env.benchmark import Benchmark, user_hashes
from personagym_env.data.named_splits import named_split
from personagym_env.data.sources import load_dataset
from personagym_env.data.splits import Split
from personagym_env.data.tables import IntArray
from personagym_env.evaluation.agreement.fitted_recommenders import Bench, ItemTruth
from personagym_env.evaluation.agreement.ground_truth import GroundTruth, closed_pool
from personagym_env.evaluation.agreement.list_truth import ListTruth, choice_truth
from personagym_env.evaluation.agreement.truths import known_truths
from personagym_env.evaluation.core.data_overlap import deal_rows
from personagym_env.evaluation.core.paired import Ratio
from personagym_env.evaluation.core.result_file import recorded
from personagym_env.evaluation.core.simulate import simulate
from personagym_env.evaluation.core.snapshot import environment_snapshot
from personagym_env.evaluation.core.statistics import RatioOfSums
from personagym_env.evaluation.core.support import near_ratings, supported_share
from personagym_env.evaluation.leaderboard.comparison import Comparison, Measure, compare_pairs
from personagym_env.evaluation.reporting.figures import SESSION
from personagym_env.run_context import RunContext


def find_truths(split: Split, refused: dict[str, str]) -> tuple[tuple[GroundTruth, ...], tuple[ListTruth, ...]]:
    """What held-out rows can say: ratings of picks, and items found; `refused` is told what they cannot, and why."""
    pools = known_truths({"closed pool": lambda: closed_pool(split)}, refused)
    return pools, known_truths({"choice": lambda: choice_truth(split)}, refused)


def run(args: CompareSettings, context: RunContext) -> Comparison:
    """Everything from data to verdicts.

    Raises:
        ValueError: a recommender is unknown, or an option does not fit the data.
    """
    args.check()
    board = LeaderboardSettings(
        dataset=args.dataset,
        agent=args.agent,
        floors=(),
        contestants=args.recommenders,
        reference=False,
        users=args.users,
        episodes_per_user=args.episodes_per_user,
        split=args.split,
        train_share=args.train_share,
        data_overlap=args.data_overlap,
        seed=args.seed,
    )
    check_words(board)
    dataset = load_dataset(args.dataset)
    _, split_words, split = named_split(dataset, args.split, args.train_share)
    context.tell(split_words)
    dealt = deal_rows(split.train, board.half_split, np.random.default_rng(args.seed))
    refused: dict[str, str] = {}
    bench = Bench(dataset, split, dealt, *find_truths(split, refused))
    for name, why in refused.items():
        context.tell(f"held-out rows do not judge by {name}: {why}")
    (world,) = make_worlds(board, dataset, dealt, context).values()
    plan = plan_sessions(board, split)
    simulated: dict[str, Ratio] = {}
    support: dict[str, float] = {}
    near: IntArray | None = None
    real: dict[str, dict[str, RatioOfSums]] = {truth.name: {} for truth in bench.item_truths}
    for name, _, recommender in choose_recommenders(board, world):
        fit(name, recommender, world, context)
        with context.bar(f"{name}: sessions", len(plan.users)) as advance:
            sessions = simulate(recommender, world, plan, hidden=dealt.others, progress=advance)
        simulated[name] = Ratio(*sessions.ratios()[args.figure])
        picks, lists = bench.picks(recommender), bench.lists(recommender)
        near = near_ratings(split.train, lists.users) if near is None else near
        if len(lists.users):
            support[name] = supported_share(near, lists.slates)
        for pool in bench.ground_truths:
            real[pool.name][name] = pool.value(picks[pool.name])
        for truth in bench.list_truths:
            real[truth.name][name] = truth.value(lists.of(truth.users))
    users = user_hashes([world.agent])
    return Comparison(
        dataset=dataset.name,
        agent=world.agent.name,
        figure=args.figure,
        simulated=compare_pairs(SESSION[args.figure].title, simulated, plan.users),
        real=tuple(_measure(truth, real[truth.name]) for truth in bench.item_truths),
        difference=args.difference,
        support=support,
        setting={**recorded(args), "training rows": split_words, "data fingerprint": dataset.fingerprint()},
        environment=environment_snapshot(),
        benchmarks={dataset.name: Benchmark.of(dataset, users, known=world.train, parameters=world.parameters)},
    )


def _measure(truth: ItemTruth, values: dict[str, RatioOfSums]) -> Measure:
    """All pairs by a truth, one row for each of its users."""
    figures = {name: Ratio(value.total[truth.users], value.count[truth.users]) for name, value in values.items()}
    return compare_pairs(f"{truth.name} ({truth.unit})", figures, truth.users)
