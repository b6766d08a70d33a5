"""What can be asked of a back-test."""

from dataclasses import dataclass
from pathlib import Path

import tyro

from personagym_env.evaluation.core.data_overlap import DataOverlap


@dataclass(frozen=True)
class BacktestSettings:
    """Which tests, whose judgement."""

    file: tyro.conf.Positional[Path | None] = None
    """JSON or CSV of past tests, see `personagym_env.evaluation.backtest.past_tests`; without one, tests are made from
    the log's own held-out rows."""
    dataset: str = "ml-100k"
    """A name or path that `load_dataset` takes: the log that was known when the tests ran."""
    agent: str = "default"
    """Users who judge: a name or bundle path that `personagym_agents.load` takes."""
    data_overlap: DataOverlap = "disjoint"
    """Training rows that users know: those of the recommenders (same), the other half (disjoint), both (superset)."""
    users: int = 300
    """Users, drawn at random, for whom a recommender lists items; arms that are slates bring their own."""
    places: int = 10
    """Items that a recommender lists."""
    made: int = 100
    """Tests that are made from the log, where no file is given."""
    resamples: int = 1_000
    """Bootstrap resamples of users behind probabilities and intervals."""
    seed: int = 0
    """Of everything random."""

    def __post_init__(self) -> None:
        if min(self.users, self.places, self.made) < 1 or self.resamples < 10:
            raise ValueError(
                "users, places and made must be at least 1 and resamples 10, got "
                f"{self.users}, {self.places}, {self.made} and {self.resamples}"
            )
