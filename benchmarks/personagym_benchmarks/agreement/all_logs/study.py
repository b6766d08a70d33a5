"""`personagym agreement --all-data`: the agreement study on every log at hand, and what the logs say together.

Every fit and every answer is kept in the cache folder, so that a run that was cut off goes on where it was.
"""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from personagym_benchmarks.agreement.all_logs.asking import ask_all, questions_of
from personagym_benchmarks.agreement.all_logs.line_up import fit_line_up
from personagym_benchmarks.agreement.all_logs.measuring import measure_truth
from personagym_benchmarks.agreement.all_logs.settings import AllLogsSettings
from personagym_env.data.named_splits import named_split
from personagym_env.data.sources import load_dataset
from personagym_env.data.splits import Split
from personagym_env.data.tables import Dataset
from personagym_env.evaluation.agreement.all_logs.board import AllLogs, LineUpRow, LogBoard
from personagym_env.evaluation.agreement.all_logs.log_shape import log_shape
from personagym_env.evaluation.agreement.fitted_recommenders import Bench
from personagym_env.evaluation.agreement.ground_truth import GroundTruth, closed_pool, dense_users
from personagym_env.evaluation.agreement.list_truth import ListTruth, choice_truth, joint_truth
from personagym_env.evaluation.agreement.replay import Replay
from personagym_env.evaluation.agreement.truths import known_truths
from personagym_env.evaluation.core.data_overlap import deal_rows
from personagym_env.evaluation.core.result_file import recorded
from personagym_env.evaluation.core.snapshot import environment_snapshot
from personagym_env.evaluation.core.statistics import user_resamples
from personagym_env.fit_cache.kept import keeping_fits
from personagym_env.run_context import RunContext

PICKS = (5, 3, 2, 1)
"""Items that are picked, as many as held-out rows allow."""


def run(args: AllLogsSettings, context: RunContext) -> AllLogs:
    """All logs, one after the other.

    Raises:
        ValueError: a log cannot be read or two have one name, or a recommender cannot take part.
    """
    begin = time.process_time()
    earlier = [AllLogs.load(place) for place in args.finished]
    sources = [*args.logs, *(str(place) for place in folders(args.data))]
    logs = [load_dataset(source) for source in sources]
    known = [board for one in earlier for board in one.boards]
    names = [*(board.dataset for board in known), *(dataset.name for dataset in logs)]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"logs need distinct names, got {', '.join(names) or 'none'}")
    with keeping_fits():
        measured = [measure_log(args, dataset, context) for dataset in logs]
    told = {
        "logs": names,
        "data fingerprints": {dataset.name: dataset.fingerprint() for dataset in logs},
        "finished": [{**one.setting, "environment": one.environment} for one in earlier],
        "processor seconds": round(time.process_time() - begin),
    }
    setting = {**recorded(args), **told}
    return AllLogs(boards=(*known, *measured), setting=setting, environment=environment_snapshot())


def folders(data: Path | None) -> list[Path]:
    """The folders in a folder.

    Raises:
        ValueError: it is none, or has none.
    """
    if data is None:
        return []
    found = sorted(place for place in data.iterdir() if place.is_dir()) if data.is_dir() else []
    if not found:
        raise ValueError(f"data is a folder with a folder for each log, and {data} has none")
    return found


def measure_log(args: AllLogsSettings, dataset: Dataset, context: RunContext) -> LogBoard:
    """One log.

    Raises:
        ValueError: see `run`.
    """
    _, words, split = named_split(dataset)
    rng = np.random.default_rng(args.seed)
    dealt = deal_rows(split.train, "alternate", rng)
    few, picks = few_users(split, args.evaluated, rng)
    refused: dict[str, str] = {}
    bench = Bench(dataset, few, dealt, *find_truths(dataset, few, picks, refused))
    if not bench.item_truths:
        raise ValueError(f"{dataset.name}: nothing is known of real value: {'; '.join(refused.values())}")
    recommenders, left_out = fit_line_up(args, bench, context)
    asked = list(ask_all(args, bench, questions_of(bench, recommenders), context, left_out))
    weights = user_resamples(few.test.n_users, args.resamples, rng)
    replay = Replay.of(dealt.others)
    truths = []
    for truth in bench.item_truths:
        with context.bar(f"{dataset.name}: {truth.name}", None):
            truths.append(measure_truth(bench, truth, recommenders, asked, replay, weights, rng))
    return LogBoard(
        dataset=dataset.name,
        description=words,
        shape=log_shape(dataset.interactions),
        evaluated=int((few.test.counts > 0).sum()),
        line_up=tuple(LineUpRow(one.name, one.model_class, round(one.seconds, 2)) for one in recommenders),
        truths=tuple(truths),
        refused=refused,
        left_out=left_out,
    )


def few_users(split: Split, evaluated: int, rng: np.random.Generator) -> tuple[Split, int]:
    """The split with held-out rows of drawn users alone, and how many items are picked from them.

    Drawn are users with twice as many held-out rows as are picked: as many items as `evaluated` of them allow, or half
    of all who have held-out rows.
    """
    counts = split.test.counts
    wanted = min(evaluated, (counts > 0).sum() / 2)
    picks = next((k for k in PICKS if (counts >= 2 * k).sum() >= wanted), PICKS[-1])
    people = np.flatnonzero(counts >= 2 * picks)
    drawn = rng.choice(people, min(evaluated, len(people)), replace=False)
    return Split(split.train, split.test.take(np.isin(split.test.users, drawn))), picks


def find_truths(
    dataset: Dataset, split: Split, picks: int, refused: dict[str, str]
) -> tuple[tuple[GroundTruth, ...], tuple[ListTruth, ...]]:
    """What the log can tell; `refused` is told what it cannot, each in a line."""
    share = dataset.manifest.fully_observed
    pools: dict[str, Callable[[], GroundTruth]] = {"closed pool": lambda: closed_pool(split, k=picks, least=2 * picks)}
    if share is not None:
        pools["fully observed"] = lambda: dense_users(split, share, k=picks, least=2 * picks)
    lists = {"choice": lambda: choice_truth(split), "joint": lambda: joint_truth(split)}
    return known_truths(pools, refused), known_truths(lists, refused)
