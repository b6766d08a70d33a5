"""Items that nobody has rated yet: all that is known of them is text."""

import time
from collections.abc import Iterator, Sequence

import numpy as np

from personagym_benchmarks.transfer.asking import Asked, Asker, compare
from personagym_benchmarks.transfer.board import Comparison
from personagym_benchmarks.transfer.populations import NamedUsers
from personagym_benchmarks.transfer.questions import Questions, few_rows
from personagym_benchmarks.transfer.text_ridge import NAME, fit_text_ridge
from personagym_env.data.splits import Split
from personagym_env.data.tables import Catalogue
from personagym_env.evaluation.fidelity.fidelity_test import Answers

SHARE = 0.1
"""Of the items with held-out rows that lose their training rows."""


def cold_item_split(split: Split, rng: np.random.Generator, share: float = SHARE) -> Split:
    """The training rows of all but some items, drawn from those with held-out rows, and the held-out rows of these.

    Args:
        split: of the log.
        rng: draws the items.
        share: of the items with held-out rows; one at least.

    Raises:
        ValueError: no training row would be left.
    """
    items = np.unique(split.test.items)
    cold = rng.choice(items, max(1, round(share * len(items))), replace=False)
    train, test = split
    kept = Split(train.take(~np.isin(train.items, cold)), test.take(np.isin(test.items, cold)))
    if not len(kept.train):
        raise ValueError(f"all {len(train):,} training rows are of the {len(cold)} items that should have none")
    return kept


def measure_cold_items(
    asker: Asker, split: Split, users: Sequence[NamedUsers], compared: Sequence[str], rng: np.random.Generator
) -> Comparison:
    """Users who are fitted without the items, and the floors, on held-out rows of cold items.

    Raises:
        ValueError: no training row would be left.
    """
    part = cold_item_split(split, rng)
    questions = Questions.draw(few_rows(part, asker.args.rows, rng), rng, 0, kinds=())
    asked = [*_ridge(questions, asker.dataset.catalogue, rng), *asker.ask_all(questions, "cold-items", users)]
    return compare(
        asked,
        {one.name: questions.measure(one.answers) for one in asked},
        compared,
        questions.weights(asker.args.resamples, rng),
        train_rows=len(part.train),
        held_out_rows=len(questions.log),
    )


def _ridge(questions: Questions, catalogue: Catalogue, rng: np.random.Generator) -> Iterator[Asked]:
    started = time.process_time()
    train, test = questions.test.split
    ridge = fit_text_ridge(train, catalogue, rng)
    made = time.process_time()
    points, ratings = (ask(test.users, test.items) for ask in (ridge.points, ridge.ratings))
    seconds = round(made - started, 2), round(time.process_time() - made, 2)
    answers = Answers(NAME, points=points) if ratings is None else Answers(NAME, ratings=ratings)
    yield Asked(NAME, "floor", answers, None, *seconds)
