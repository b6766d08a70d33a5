"""Items that nobody has rated yet: all that is known of them is text.

A draw takes the training rows of a tenth of the items away, so a small catalogue has few cold items, and how easy these
few are is chance. So draws are repeated with other items, and intervals are over items: whoever misjudges an item errs
in all of its rows.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from personagym_benchmarks.transfer.asking import Asked, Asker, compare
from personagym_benchmarks.transfer.board import Comparison
from personagym_benchmarks.transfer.populations import NamedUsers
from personagym_benchmarks.transfer.questions import Questions, few_rows, rating_figures
from personagym_benchmarks.transfer.text_ridge import NAME, fit_text_ridge
from personagym_env.data.splits import Split
from personagym_env.data.tables import Catalogue, Interactions
from personagym_env.evaluation.core.statistics import user_resamples
from personagym_env.evaluation.fidelity.fidelity_test import Answers

SHARE = 0.1
"""Of the items with held-out rows that lose their training rows in one draw."""
_COLUMNS = ("users", "items", "ratings")


def cold_item_splits(split: Split, rng: np.random.Generator, draws: int) -> Iterator[Split]:
    """The training rows of all but some items, and the held-out rows of these; draws share no item.

    Args:
        split: of the log.
        rng: deals the items with held-out rows.
        draws: of `SHARE` of these, one at least in each; fewer where no items are left.

    Raises:
        ValueError: no training row would be left.
    """
    train, test = split
    items = rng.permutation(np.unique(test.items))
    size = max(1, round(SHARE * len(items)))
    for begin in range(0, min(draws * size, len(items)), size):
        cold = items[begin : begin + size]
        kept = Split(train.take(~np.isin(train.items, cold)), test.take(np.isin(test.items, cold)))
        if not len(kept.train):
            raise ValueError(f"all {len(train):,} training rows are of the {len(cold)} items that should have none")
        yield kept


def measure_cold_items(
    asker: Asker, split: Split, users: Sequence[NamedUsers], compared: Sequence[str], rng: np.random.Generator
) -> Comparison:
    """Users who are fitted without the items, and the floors, on held-out rows of cold items.

    Raises:
        ValueError: no training row would be left.
    """
    dealing, drawing = rng.spawn(2)
    pool = _Pool()
    for number, part in enumerate(cold_item_splits(split, dealing, asker.args.cold_draws)):
        questions = Questions.draw(few_rows(part, asker.args.rows, drawing), drawing, 0, kinds=())
        told = f"cold-items {number + 1} of {asker.args.cold_draws}"
        ridge = _ridge(questions, asker.dataset.catalogue, drawing)
        pool.add(questions.test.split, [*ridge, *asker.ask_all(questions, told, users)])
    rows, asked = pool.rows_by_item(), pool.asked()
    return compare(
        asked,
        {one.name: rating_figures(one.answers, rows) for one in asked},
        compared,
        user_resamples(rows.n_users, asker.args.resamples, drawing),
        train_rows=pool.train_rows // len(pool.logs),
        held_out_rows=len(rows),
        clusters="items",
    )


@dataclass
class _Pool:
    """What everybody said in all draws."""

    logs: list[Interactions] = field(default_factory=list)
    said: dict[str, list[Asked]] = field(default_factory=dict)
    train_rows: int = 0
    """In all draws together."""

    def add(self, split: Split, asked: Sequence[Asked]) -> None:
        """Another draw."""
        self.logs.append(split.test)
        self.train_rows += len(split.train)
        for one in asked:
            self.said.setdefault(one.name, []).append(one)

    def rows_by_item(self) -> Interactions:
        """The rows of all draws, sorted by item; these stand in the place of users, numbered without gaps."""
        users, items, ratings = (self._sorted([getattr(log, name) for log in self.logs]) for name in _COLUMNS)
        cold, place = np.unique(items, return_inverse=True)
        first = self.logs[0]
        return replace(
            first, users=place, items=users, ratings=ratings, timestamps=None, n_users=len(cold), n_items=first.n_users
        )

    def asked(self) -> list[Asked]:
        """Those who answered in every draw, with their answers to these rows and the seconds of a draw."""
        return [self._joined(parts) for parts in self.said.values() if len(parts) == len(self.logs)]

    def _joined(self, parts: Sequence[Asked]) -> Asked:
        answers = [part.answers for part in parts]
        ratings, points = (
            None if any(array is None for array in arrays) else self._sorted(arrays)
            for arrays in ([one.ratings for one in answers], [one.points for one in answers])
        )
        return replace(
            parts[0],
            answers=Answers(parts[0].name, ratings=ratings, points=points),
            setup_seconds=_mean([part.setup_seconds for part in parts]),
            answer_seconds=_mean([part.answer_seconds for part in parts]),
        )

    def _sorted(self, arrays: Sequence[Any]) -> Any:
        """What belongs to the rows of each draw, in the order of the rows by item."""
        order = np.argsort(np.concatenate([log.items for log in self.logs]), kind="stable")
        return np.concatenate(arrays)[order]


def _mean(seconds: Sequence[float | None]) -> float | None:
    """None where a floor needs none."""
    found = [one for one in seconds if one is not None]
    return round(float(np.mean(found)), 2) if found else None


def _ridge(questions: Questions, catalogue: Catalogue, rng: np.random.Generator) -> Iterator[Asked]:
    started = time.process_time()
    train, test = questions.test.split
    ridge = fit_text_ridge(train, catalogue, rng)
    made = time.process_time()
    points, ratings = (ask(test.users, test.items) for ask in (ridge.points, ridge.ratings))
    seconds = round(made - started, 2), round(time.process_time() - made, 2)
    answers = Answers(NAME, points=points) if ratings is None else Answers(NAME, ratings=ratings)
    yield Asked(NAME, "floor", answers, None, *seconds)
