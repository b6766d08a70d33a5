"""What can be asked of a comparison."""

from dataclasses import dataclass
from typing import Literal

import tyro

from personagym_env.evaluation.core.data_overlap import DataOverlap


@dataclass(frozen=True)
class CompareSettings:
    """Whom to compare, by whose judgement, on how much."""

    recommenders: tyro.conf.Positional[tuple[str, ...]]
    """Two or more names that `load_recommender` takes, `path/to/file.py:Class` or folders of saved ones."""
    dataset: str = "ml-100k"
    """A name or path that `load_dataset` takes."""
    agent: str = "default"
    """Users who judge: a name or bundle path that `personagym_agents.load` takes."""
    figure: Literal["return", "clicks", "rating", "length", "reward", "retention"] = "return"
    """What of the sessions the verdict goes by."""
    difference: float | None = None
    """A difference that matters; then it is told how many users or sessions show it."""
    users: int | None = 200
    """Users who have sessions, drawn at random; None for all."""
    episodes_per_user: int = 2
    """Sessions of each of them; two at least tell the luck of sessions from differences between users."""
    split: str | None = None
    """Which rows are training rows; by default temporal, or random where the log has no times."""
    train_share: float | None = None
    """Share of the rows that is training rows; 0.8 by default. Recommenders are fitted on one half of them."""
    data_overlap: DataOverlap = "disjoint"
    """Training rows that users know: those of the recommenders (same), the other half (disjoint), both (superset)."""
    seed: int = 0
    """Of everything random."""

    def check(self) -> None:
        """Refuse what cannot be compared.

        Raises:
            ValueError: an option is out of range.
        """
        if len(self.recommenders) < 2 or len(set(self.recommenders)) < len(self.recommenders):
            raise ValueError(f"a comparison needs two or more different recommenders, got {list(self.recommenders)}")
        if self.difference is not None and not self.difference > 0:
            raise ValueError(f"a difference that matters must be above 0, got {self.difference}")
        if self.episodes_per_user < 1:
            raise ValueError(f"sessions of each user must be at least 1, got {self.episodes_per_user}")
