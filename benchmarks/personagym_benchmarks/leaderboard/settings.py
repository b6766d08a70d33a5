"""What can be asked of the leaderboard."""

from dataclasses import dataclass, field
from typing import Annotated

import tyro

from personagym_env.evaluation.core.data_overlap import DataOverlap, HalfSplit


@dataclass(frozen=True)
class LeaderboardSettings:
    """What to compare, by whose judgement, on how much."""

    dataset: str = "ml-100k"
    """A name or path that `load_dataset` takes."""
    agent: str = "default"
    """Users who rank: a name or bundle path that `personagym_agents.load` takes. A bundle must have been trained on
    exactly the judge's rows; `default` is the shipped one of these rows, else `zero-shot` users."""
    floors: tuple[str, ...] = ("bias", "knn", "mf", "trees", "stack")
    """Classical users that judge too, as what the ranking users have to beat."""
    contestants: tuple[str, ...] = ("default",)
    """Names that `load_recommender` takes; `default` and `all` that the data allows stand for several."""
    recommender: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = field(default_factory=tuple)
    """One more recommender, `path/to/file.py:Class` or the folder of a saved one; may be given several times."""
    reference: bool = True
    """Show what a greedy recommender reaches that reads the users it is judged by; stands outside the agreement."""
    shortlist: int | None = 300
    """Items that the reference asks users about, those with the most training ratings; None for all, slowly."""
    users: int | None = 200
    """Users who have sessions, drawn at random; None for all."""
    episodes_per_user: int = 1
    """Sessions of each of them."""
    split: str | None = None
    """Which rows are training rows: temporal, random, leave-last, global-time, u1, paper or cold; by default temporal,
    or random where the log has no times."""
    train_share: float | None = None
    """Share of the rows that is training rows; 0.8 by default. Recommenders are fitted on one half of them."""
    band: bool = True
    """Whether returns are also told over the plausible range of laws of leaving that the log cannot tell, such as those
    of a log without times; takes six more sessions for each."""
    data_overlap: DataOverlap = "disjoint"
    """Training rows that users know: those of the recommenders (same), the other half (disjoint), both (superset)."""
    half_split: HalfSplit = "alternate"
    """How each user's training rows are dealt to recommenders and users."""
    resamples: int = 2_000
    """Bootstrap resamples of users behind the intervals."""
    seed: int = 0
    """Of everything random."""
