"""The agreement study: do simulated users put recommenders in the order that real users do?

`personagym agreement` fits some thirty recommenders on one half of the training rows of MovieLens-100K, lets
each pick from every user's held-out items, whose real ratings are known, and asks judges what they think of the same
picks: classical users and language-model users that know the recommenders' rows, the other half, or both; whole
sessions with such users; and offline metrics. It prints tables, and writes JSON and plots. Data, recommenders and
bundles of one's own join by option.
"""

import time
from collections.abc import Sequence

import numpy as np

from personagym_benchmarks.agreement.contestants import LEARN_WITH, choose_contestants, enter
from personagym_benchmarks.agreement.judges import bundle_places, judge_all
from personagym_benchmarks.agreement.sessions import play_observed, session_stage, truths_of
from personagym_benchmarks.agreement.settings import AgreementSettings
from personagym_env.benchmark import Benchmark
from personagym_env.data.named_splits import named_split
from personagym_env.data.sources import load_dataset
from personagym_env.data.splits import Split
from personagym_env.data.tables import Dataset
from personagym_env.evaluation.agreement.analysis import AgreementAnalysis, ValuedRecommender
from personagym_env.evaluation.agreement.fitted_recommenders import Bench, FittedRecommender
from personagym_env.evaluation.agreement.ground_truth import (
    GroundTruth,
    closed_pool,
    dense_users,
    random_exposure,
)
from personagym_env.evaluation.agreement.list_truth import ListTruth, choice_truth, joint_truth
from personagym_env.evaluation.agreement.study import AgreementStudy, make_agreement_board
from personagym_env.evaluation.agreement.truths import Truth, check_users, known_truths
from personagym_env.evaluation.core.data_overlap import DATA_OVERLAPS, HALF_SPLITS, deal_rows
from personagym_env.evaluation.core.offline import liked_from
from personagym_env.evaluation.core.snapshot import environment_snapshot
from personagym_env.evaluation.core.statistics import Statistic, user_resamples
from personagym_env.evaluation.core.support import near_ratings, supported_share
from personagym_env.run_context import RunContext
from personagym_env.workers import all_done


def find_truths(args: AgreementSettings, dataset: Dataset, split: Split) -> tuple[GroundTruth, ...]:
    """Every way to know the rating of picks that was asked for and that the data can answer.

    How many items are picked is read off the rows of each, unless it was given.
    """
    k, least = args.picks, args.least
    ground_truths = [closed_pool(split, k=k, least=least)]
    manifest = dataset.manifest
    dense_share = manifest.fully_observed if args.dense_share is None else args.dense_share
    random_test = manifest.random_exposure if args.random_test is None else args.random_test
    if dense_share is not None:
        ground_truths.append(dense_users(split, dense_share, k=k, least=least))
    if random_test is not None:
        shown = load_dataset(random_test, scale=dataset.interactions.scale)
        ground_truths.append(random_exposure(dataset, split, shown, k=k, least=least))
    return tuple(ground_truths)


def find_list_truths(split: Split, left_out: dict[str, str]) -> tuple[ListTruth, ...]:
    """What people went on to choose, where enough of them chose; `left_out` is told why not."""
    makes = {"choice truth": lambda: choice_truth(split), "joint truth": lambda: joint_truth(split)}
    return known_truths(makes, left_out)


def run(args: AgreementSettings, context: RunContext) -> AgreementStudy:
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
    dataset = load_dataset(args.dataset)
    _, split_words, split = named_split(dataset, args.split, args.train_share)
    context.tell(split_words)
    dealt = deal_rows(split.train, args.half_split, rng)
    without: dict[str, str] = {}
    bench = Bench(dataset, split, dealt, find_truths(args, dataset, split), find_list_truths(split, without))
    sessions = session_stage(args, bench)
    truths: list[Truth] = [*bench.item_truths, *truths_of(sessions)]
    for truth in truths:
        check_users(truth)
    chosen, left_out = choose_contestants(args, bench)
    left_out |= without
    with context.bar("all recommenders", len(chosen)) as advance:
        fitted_recommenders = all_done(context.workers, enter, (bench, context), chosen, advance)
    judged = judge_all(args, bench, context, fitted_recommenders, left_out, sessions)
    real: dict[str, list[Statistic]] = {
        truth.name: [truth.value(fitted.picks[truth.name]) for fitted in fitted_recommenders]
        for truth in bench.item_truths
    }
    if sessions is not None:
        real |= play_observed(sessions, bench, fitted_recommenders, context.workers)
    weights = user_resamples(split.test.n_users, args.resamples, rng)
    boards = []
    for truth in truths:
        with context.bar(f"{truth.name}: intervals", None):
            supported = _supports(bench, truth, fitted_recommenders)
            valued = [
                ValuedRecommender(fitted.name, fitted.model_class, value, support)
                for fitted, value, support in zip(fitted_recommenders, real[truth.name], supported, strict=True)
            ]
            analysis = AgreementAnalysis(valued, weights, rng)
            boards.append(make_agreement_board(analysis, judged.judges[truth.name], truth, bench.without_liked))
    setting = {
        "data fingerprint": dataset.fingerprint(),
        "seed": args.seed,
        "training rows": split_words,
        "half_split": HALF_SPLITS[args.half_split],
        "rows": dealt.sizes(),
        "row fingerprints": {rows: dealt.of_judge(rows).fingerprint() for rows in DATA_OVERLAPS},
        "recommenders know": "the recommenders' half",
        "judges know": list(args.data_overlap),
        "bandit and policy learn with": f"{LEARN_WITH} users of the same half, sessions as documented defaults",
        "sessions of each recommender": min(args.sessions, split.train.n_users),
        "liked from": liked_from(split.train),
        "bootstrap resamples": args.resamples,
        "left out": left_out,
        "fit seconds": {fitted.name: round(fitted.seconds, 2) for fitted in fitted_recommenders},
        "seconds": round(time.perf_counter() - begin),
    }
    benchmark = Benchmark.of(
        dataset,
        judged.users,
        known=dealt.recommenders,
        parameters=None if sessions is None else sessions.trial.parameters,
    )
    return AgreementStudy(
        dataset=dataset.name,
        boards=tuple(boards),
        shown_weights=judged.shown_weights,
        setting=setting,
        environment=environment_snapshot(),
        benchmarks={dataset.name: benchmark},
    )


def _supports(bench: Bench, truth: Truth, recommenders: Sequence[FittedRecommender]) -> list[float | None]:
    """Of every recommender, how much of what it shows training rows support; None where whole sessions are shown."""
    if truth.name not in recommenders[0].picks:
        return [None] * len(recommenders)
    near = near_ratings(bench.split.train, truth.users)
    return [supported_share(near, one.picks[truth.name]) for one in recommenders]
