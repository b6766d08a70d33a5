"""What can be asked of the agreement study."""

from dataclasses import dataclass, field
from typing import Annotated

import tyro

from personagym_env.evaluation.core.data_overlap import DATA_OVERLAPS, DataOverlap, HalfSplit


@dataclass(frozen=True)
class AgreementSettings:
    """Whom to compare, by whose judgement, on what."""

    dataset: str = "ml-100k"
    """A name or path that `load_dataset` takes."""
    judges: tuple[str, ...] = ("bias", "knn", "mf", "trees", "stack")
    """Classical users, fitted on the spot to the rows that they may know."""
    data_overlap: tuple[DataOverlap, ...] = DATA_OVERLAPS
    """Training rows that judges know: those of the recommenders (same), the other half (disjoint), both (superset)."""
    half_split: HalfSplit = "alternate"
    """How each user's training rows are dealt to recommenders and judges."""
    shipped: bool = True
    """Whether the shipped bundle judges, where it was trained on rows that a judge may know."""
    bundles: tuple[str, ...] = ()
    """`name=path` of bundles that judge too; each joins where it was trained on rows that a judge may know. Those that
    know different rows may share a name."""
    slow: bool = True
    """Whether LightGCN, NeuMF, SASRec, GRU4Rec and PPO take part, which take minutes."""
    recommender: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = field(default_factory=tuple)
    """One more recommender, `path/to/file.py:Class` or a name that would be left out; may be given several times."""
    random_test: str | None = None
    """A second data set with ratings of randomly shown items, with the ids of the first: a further real value. By
    default the one that the data set's `personagym.json` names."""
    dense_share: float | None = None
    """Users who rated at least this share of the catalogue give a further real value, over nearly all items. By default
    the share that the data set's `personagym.json` gives."""
    sessions: int = 200
    """Users, drawn at random, who have a session with each recommender, as one more judge; 0 for no sessions."""
    session_rows: tuple[DataOverlap, ...] = ("disjoint",)
    """Training rows that the users of sessions know; some of `data_overlap`."""
    picks: int | None = None
    """Items that a recommender picks for each user; by default 5, or fewer where half of the users have few rows of a
    truth: each truth has its own."""
    least: int | None = None
    """Items of a truth that a user needs; twice the picks by default."""
    split: str | None = None
    """Which rows are training rows: temporal, random, leave-last, global-time, u1, paper or cold; by default temporal,
    or random where the log has no times."""
    train_share: float | None = None
    """Share of the rows that is training rows; 0.8 by default."""
    resamples: int = 2_000
    """Bootstrap resamples of users behind the intervals."""
    seed: int = 0
    """Of everything random."""
