"""`personagym backtest FILE`: would simulated users have told the winners of past A/B tests?"""

from pathlib import Path

import numpy as np

import personagym_agents
from personagym_benchmarks.backtest.from_log import make_past_tests
from personagym_benchmarks.backtest.settings import BacktestSettings
from personagym_benchmarks.compare.study import find_truths
from personagym_env.benchmark import Benchmark, user_hashes
from personagym_env.data.named_splits import named_split
from personagym_env.data.sources import load_dataset
from personagym_env.data.tables import FloatArray, IntArray
from personagym_env.env import HISTORY_LENGTH
from personagym_env.evaluation.agreement.fitted_recommenders import Bench
from personagym_env.evaluation.agreement.quantities import Answers, Questions
from personagym_env.evaluation.backtest.board import Backtest, replay, tally
from personagym_env.evaluation.backtest.past_tests import (
    LEAST_USERS,
    QUANTITIES,
    SLATES,
    PastTest,
    read_past_tests,
    read_slates,
)
from personagym_env.evaluation.core.data_overlap import deal_rows
from personagym_env.evaluation.core.offline import liked_from, opening_slates
from personagym_env.evaluation.core.result_file import recorded
from personagym_env.evaluation.core.snapshot import environment_snapshot
from personagym_env.evaluation.core.statistics import Interval, interval, user_resamples
from personagym_env.evaluation.fidelity.contamination import blind
from personagym_env.run_context import RunContext
from personagym_recommenders import RecommenderContext, find_recommender, load_recommender

Pairs = tuple[IntArray, IntArray]
"""Users (p,) and items (p,) of an arm."""


def run(args: BacktestSettings, context: RunContext) -> Backtest:
    """From a file to a result.

    Raises:
        ValueError: the file, a word or the data do not fit.
        FileNotFoundError: a file is missing.
    """
    dataset = load_dataset(args.dataset)
    _, words, split = named_split(dataset)
    context.tell(words)
    rng = np.random.default_rng(args.seed)
    bench = Bench(dataset, split, deal_rows(split.train, "alternate", rng), *find_truths(split, {}))
    file = args.file or make_past_tests(bench, context.folder / "backtest", args.made, rng, args.resamples)
    tests = read_past_tests(file)
    arms = {arm: find_arm(arm, file.parent, bench, args) for test in tests for arm in (test.a, test.b)}
    log = bench.dealt.of_judge(args.data_overlap)
    agent = personagym_agents.load(args.agent, blind(dataset, log), log)
    questions = Questions.about(split.test, [(users, items[:, None]) for users, items in arms.values()])
    with context.bar(f"ask {agent.name}", len(questions)) as advance:
        answers = questions.ask(agent, rng, progress=advance)
    weights = user_resamples(split.test.n_users, args.resamples, rng)
    found = [predict(test, arms, answers, weights) for test in tests]
    replayed = replay(tests, [one for one, _ in found], [p for _, p in found])
    bins, tallies = tally(replayed)
    return Backtest(
        dataset=dataset.name,
        agent=agent.name,
        tests=replayed,
        bins=bins,
        tallies=tallies,
        setting={**recorded(args), "training rows": words, "data fingerprint": dataset.fingerprint()},
        environment=environment_snapshot(),
        benchmarks={dataset.name: Benchmark.of(dataset, user_hashes([agent]), known=bench.dealt.recommenders)},
    )


def find_arm(arm: str, folder: Path, bench: Bench, args: BacktestSettings) -> Pairs:
    """What an arm shows: its slates, or what a recommender lists for users drawn at random.

    Raises:
        ValueError: the word is unknown, the slates are not of this data set, or users are too few.
        FileNotFoundError: there are no such slates.
    """
    if arm.startswith(SLATES):
        return read_slates(folder / arm.removeprefix(SLATES), bench.dataset)
    find_recommender(arm)
    log = bench.dealt.recommenders
    recommender = load_recommender(arm, RecommenderContext(liked_from(log))).fit(log, bench.dataset.catalogue)
    train = bench.split.train
    people = np.flatnonzero((train.counts > 0) & (train.n_items - train.counts >= args.places))
    if len(people) < LEAST_USERS:
        raise ValueError(
            f"recommender {arm!r} has {args.places} items to list for {len(people)} users of {bench.dataset.name!r}, "
            f"and a test needs at least {LEAST_USERS}: lower `places`"
        )
    few = np.random.default_rng(args.seed).choice(people, min(args.users, len(people)), replace=False)
    users = np.sort(few)
    slates = opening_slates(
        recommender, users, bench.profiles, args.places, history_length=HISTORY_LENGTH, candidates=bench.unknown
    )
    return np.repeat(users, args.places), slates.ravel()


def predict(test: PastTest, arms: dict[str, Pairs], answers: Answers, weights: FloatArray) -> tuple[Interval, float]:
    """Simulated difference, and the share of resamples in which a is ahead."""
    quantity = QUANTITIES[test.outcome]
    a, b = (
        answers.mean(quantity, users, items[:, None]).resampled(weights)
        for users, items in (arms[test.a], arms[test.b])
    )
    return interval(a - b), float((1 + np.sign((a - b)[1:]).mean()) / 2)
