"""What can be asked of the transfer study."""

from dataclasses import dataclass


@dataclass(frozen=True)
class TransferSettings:
    """Which logs, and whose answers."""

    datasets: tuple[str, ...] = ("ml-100k",)
    """Names or paths that `load_dataset` takes."""
    agents: tuple[str, ...] = ("bias", "knn", "mf", "trees", "zero-shot")
    """Users by a name that `personagym_agents.load` takes; the last is compared with all others."""
    split: str | None = None
    """Which rows are training rows, by a name of `personagym_env.data.named_splits`; by default temporal, or random
    where a log has no times."""
    train_share: float | None = None
    """Share of the rows that is training rows; 0.8 by default."""
    rows: int | None = 6_000
    """Held-out rows that are asked about at most, those of users drawn at random; None for all."""
    negatives: int = 10
    """Unseen items of each user."""
    resamples: int = 2_000
    """Bootstrap resamples of users behind the intervals."""
    seed: int = 0
    """Of everything random."""

    def __post_init__(self) -> None:
        if not self.datasets or not self.agents:
            raise ValueError(f"datasets and agents must not be empty, got {self.datasets} and {self.agents}")
        if self.rows is not None and self.rows < 1:
            raise ValueError(f"TransferSettings.rows must be at least 1 or None, got {self.rows}")
