"""Logs that a base has never read: how well its users answer there at once, beside users that are fitted there.

`personagym transfer` asks floors, classical users, zero-shot users and bundles about held-out rows of each log; lets
them judge recommenders; and asks again about items that nobody has rated, users of whom little is known, and small
logs. Leaving one log out is a matter of bases: `--zero-shot-base runs/without-{dataset}` takes, on each log, the base
that was trained without it.
"""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import numpy as np

from personagym_benchmarks.transfer.asking import Asked, Asker, compare
from personagym_benchmarks.transfer.board import Comparison, CurvePoint, LineUp, Transfer, TransferBoard
from personagym_benchmarks.transfer.cold_items import measure_cold_items
from personagym_benchmarks.transfer.curves import measure_known, measure_sizes
from personagym_benchmarks.transfer.finished import KEY, file_of, key_of, read_finished
from personagym_benchmarks.transfer.line_up import judge_all
from personagym_benchmarks.transfer.populations import NamedUsers, named_users
from personagym_benchmarks.transfer.questions import Figures, Questions, few_rows
from personagym_benchmarks.transfer.settings import Part, TransferSettings
from personagym_env.benchmark import Benchmark
from personagym_env.data.named_splits import named_split
from personagym_env.data.sources import load_dataset
from personagym_env.data.tables import Dataset
from personagym_env.data.traits import profile_features, user_traits
from personagym_env.env import HISTORY_LENGTH
from personagym_env.evaluation.core.offline import opening_scores
from personagym_env.evaluation.core.result_file import recorded
from personagym_env.evaluation.core.snapshot import environment_snapshot
from personagym_env.run_context import RunContext
from personagym_recommenders import find_recommender, load_recommender
from personagym_recommenders.base import ScoringRecommender

Found = TypeVar("Found")


def run(args: TransferSettings, context: RunContext) -> Transfer:
    """All logs, one after the other.

    Raises:
        ValueError: a data set, users or a recommender are unknown, or no users can be asked about a log.
    """
    begin = time.process_time()
    for word in args.recommenders:
        find_recommender(word)
    logs = [load_dataset(source) for source in args.datasets]
    names = [dataset.name for dataset in logs]
    if len(set(names)) < len(names):
        raise ValueError(f"data sets need distinct names, got {', '.join(names)}")
    users = named_users(args, names)
    studies = [_study_of(args, dataset, users, context) for dataset in logs]
    told = {"datasets": names, "agents": [one.name for one in users]}  # without places on this machine
    base = None if args.zero_shot_base is None else Path(args.zero_shot_base).name
    return Transfer(
        boards=tuple(board for study in studies for board in study.boards),
        setting=recorded(args)
        | told
        | {"zero_shot_base": base, "processor seconds": round(time.process_time() - begin)},
        environment=environment_snapshot(),
        benchmarks={name: one for study in studies for name, one in study.benchmarks.items()},
    )


def _study_of(args: TransferSettings, dataset: Dataset, users: list[NamedUsers], context: RunContext) -> Transfer:
    """One log, as a run before this one found it or measured now, and then kept."""
    key = key_of(args, dataset, users)
    finished = read_finished(context.folder, key) if args.resume else None
    if finished is not None:
        context.tell(f"{dataset.name}: taken from {file_of(context.folder, key)}")
        return finished
    board, benchmark = measure(args, dataset, users, context)
    study = Transfer(
        boards=(board,),
        setting={KEY: key},
        environment=environment_snapshot(),
        benchmarks={dataset.name: benchmark},
    )
    study.save(file_of(context.folder, key))
    return study


def measure(
    args: TransferSettings, dataset: Dataset, users: list[NamedUsers], context: RunContext
) -> tuple[TransferBoard, Benchmark]:
    """One log, and what it was measured in.

    Raises:
        ValueError: no users can be asked about the log.
    """
    rng, cold, known, size, judging = (np.random.default_rng((args.seed, place)) for place in range(5))
    _, description, split = named_split(dataset, args.split, args.train_share)
    questions = Questions.draw(few_rows(split, args.rows, rng), rng, args.negatives)
    asker = Asker(args, dataset, context)
    asked = [
        *_recommenders(asker, questions),
        *asker.ask_all(questions, "answers", users, controls=args.controls),
    ]
    if not any(one.kind == "users" for one in asked):
        raise ValueError(f"nobody can be asked about {dataset.name!r}: {'; '.join(asker.left_out.values())}")
    compared = args.compare or (users[-1].name,)

    def part(name: Part, found: Callable[[], Found], otherwise: Found) -> Found:
        """What a part finds, if it was asked for and the log allows it."""
        if name in args.parts:
            try:
                return found()
            except ValueError as error:
                asker.left_out[name] = str(error)
                context.tell(f"{dataset.name}: {name} left out, {error}")
        return otherwise

    nobody: tuple[LineUp | None, Mapping[str, Figures]] = None, {}
    line_up, taus = part("line-up", lambda: judge_all(asker, questions, split, asked, judging), nobody)
    answers = compare(
        asked,
        {one.name: {**questions.measure(one.answers), **taus.get(one.name, {})} for one in asked},
        compared,
        questions.weights(args.resamples, rng),
        train_rows=len(split.train),
        held_out_rows=len(questions.log),
    )
    fitted = [one for one in users if (one.name in args.refitted if args.refitted else not one.is_bundle)]
    nothing: tuple[tuple[CurvePoint, ...], Comparison | None] = (), None
    no_points: tuple[CurvePoint, ...] = ()
    cold_items = part("cold-items", lambda: measure_cold_items(asker, split, fitted, compared, cold), None)
    points, few_ratings = part("known", lambda: measure_known(asker, split, fitted, compared, known), nothing)
    sizes = part("size", lambda: measure_sizes(asker, split, fitted, answers, size), no_points)
    board = TransferBoard(
        dataset=dataset.name,
        description=description,
        compared=tuple(compared),
        users_without_choices=len(questions.people) - len(questions.test.owners),
        answers=answers,
        line_up=line_up,
        cold_items=cold_items,
        few_ratings=few_ratings,
        known=points,
        size=sizes,
        left_out=asker.left_out,
    )
    return board, Benchmark.of(dataset, asker.hashes)


def _recommenders(asker: Asker, questions: Questions) -> list[Asked]:
    """Scores of recommenders, as guesses at choices.

    Raises:
        ValueError: a recommender gives no scores.
    """
    train, catalogue = questions.test.split.train, asker.dataset.catalogue
    profiles = profile_features(user_traits(train, catalogue))
    found = []
    for word in asker.args.recommenders:
        recommender = load_recommender(word)
        if not isinstance(recommender, ScoringRecommender):
            raise ValueError(f"recommender {word!r} gives no scores, so it cannot guess at choices")
        started = time.process_time()
        with asker.context.bar(f"{asker.dataset.name}, answers: {recommender.name}", None):
            recommender.fit(train, catalogue)
            made = time.process_time()
            scores = opening_scores(recommender.score, profiles, HISTORY_LENGTH)
            answers = questions.test.scored(recommender.name, scores)
        seconds = round(made - started, 2), round(time.process_time() - made, 2)
        found.append(Asked(recommender.name, "floor", answers, None, *seconds))
    return found
