"""Which training rows recommenders are fitted on and which a judge knows: same, disjoint, or a superset.

A judge that is fitted on the recommenders' own rows shares their noise and prefers its own kind, so independence is an
option of the agreement study. Recommenders always learn from one half of each user's training rows, so that only the
judge differs between the three values, and all judges are compared over the same recommenders with the same real value.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from personagym_env.data.splits import Split
from personagym_env.data.tables import BoolArray, IntArray, Interactions

DataOverlap = Literal["same", "disjoint", "superset"]
"""The judge knows the recommenders' half, the other half, or both."""
HalfSplit = Literal["alternate", "random"]
"""How each user's rows are dealt: in turns by time, or at random."""

DATA_OVERLAPS: tuple[DataOverlap, ...] = get_args(DataOverlap)
HALF_SPLITS: Mapping[HalfSplit, str] = {
    "alternate": "each user's training rows are dealt in turns by time, beginning with the recommenders for users of "
    "even number and with the judge for the others",
    "random": "each user's training rows are dealt at random, as many to either side; of an odd number the "
    "recommenders get one more",
}
"""What is told of each way to deal rows."""
WHOSE: Mapping[DataOverlap, str] = {
    "same": "the recommenders' own half",
    "disjoint": "the other half, no row of which a recommender knows",
    "superset": "all training rows, those of the recommenders among them",
}
"""What is told of the rows that a judge knows."""


@dataclass(frozen=True)
class Independence:
    """Which training rows recommenders and judge learned from, for the record; plain values only."""

    data_overlap: DataOverlap
    half_split: HalfSplit
    recommenders: int
    """Rows that recommenders are fitted on."""
    judge: int
    """Rows that the judge knows."""
    recommenders_fingerprint: str
    judge_fingerprint: str

    def __str__(self) -> str:
        return (
            f"Recommenders are fitted on one half of the training rows ({self.recommenders:,} rows), and the judging "
            f"users know {WHOSE[self.data_overlap]} ({self.judge:,} rows): {HALF_SPLITS[self.half_split]}."
        )


@dataclass(frozen=True, eq=False)
class DealtRows:
    """The training rows in two halves; users, items and times are those of the whole."""

    recommenders: Interactions
    """What every recommender is fitted on."""
    others: Interactions
    """The rest of the training rows."""
    train: Interactions
    """Both halves."""

    def of_judge(self, rows: DataOverlap) -> Interactions:
        """The rows that a judge knows."""
        return {"same": self.recommenders, "disjoint": self.others, "superset": self.train}[rows]

    def independence(self, rows: DataOverlap, half_split: HalfSplit) -> Independence:
        """What is put on record of a judge that knows `rows`, where the rows were dealt by `half_split`."""
        judge = self.of_judge(rows)
        return Independence(
            rows, half_split, len(self.recommenders), len(judge), self.recommenders.fingerprint(), judge.fingerprint()
        )

    def sizes(self) -> dict[str, dict[str, int]]:
        """Rows and users of each part, for the record."""
        parts = {"recommenders": self.recommenders, "other half": self.others, "all training rows": self.train}
        return {name: {"rows": len(log), "users": int((log.counts > 0).sum())} for name, log in parts.items()}


def deal_rows(train: Interactions, half_split: HalfSplit, rng: np.random.Generator) -> DealtRows:
    """Halve each user's training rows.

    Args:
        train: training rows alone; held-out rows have no business here.
        half_split: a key of `HALF_SPLITS`.
        rng: draws the random halves; `alternate` leaves it alone.

    Raises:
        ValueError: the way to deal is unknown, or a half is left without rows.
    """
    if half_split not in HALF_SPLITS:
        raise ValueError(f"rows are dealt by one of {', '.join(HALF_SPLITS)}, got {half_split!r}")
    first = _in_turns(train) if half_split == "alternate" else _at_random(train, rng)
    if first.all() or not first.any():
        raise ValueError(f"{len(train)} training rows of {train.n_users} users cannot be dealt into two halves")
    return DealtRows(train.take(first), train.take(~first), train)


def judge_half(split: Split) -> tuple[Split, str]:
    """What users learn from who are to judge recommenders independently, and words for it.

    The training rows are dealt as `alternate` deals them, so that they are the same rows wherever they are dealt.

    Raises:
        ValueError: a half is left without rows.
    """
    dealt = deal_rows(split.train, "alternate", np.random.default_rng(0))
    return Split(
        dealt.others, split.test
    ), f"of these, the half that recommenders do not know: {HALF_SPLITS['alternate']}"


def unknown_items(train: Interactions) -> Callable[[IntArray], BoolArray]:
    """From users (n,) to (n, m) what is in none of their training rows, whoever learned from them.

    A recommender that knows one half would else recommend what the user has in the other.
    """
    known = train.matrix(np.ones(len(train), np.float32))
    return lambda users: np.asarray(known[users].toarray() == 0)


def _in_turns(log: Interactions) -> BoolArray:
    """Taking turns by user as well keeps the first rows, and the odd ones out, from all going to one side."""
    return np.asarray((log.rank_in_user + log.users) % 2 == 0)


def _at_random(log: Interactions, rng: np.random.Generator) -> BoolArray:
    shuffled = np.lexsort((rng.random(len(log)), log.users))
    first = np.empty(len(log), np.bool_)
    first[shuffled] = log.rank_in_user % 2 == 0
    return first
