"""What can be asked of the off-policy study."""

from dataclasses import dataclass
from typing import Literal

Mode = Literal["single", "sessions"]
"""One decision per session, or several."""
SMALL = 100_000
"""Logs below so many decisions are drawn session by session from a bank, larger ones in runs of sessions."""


@dataclass(frozen=True)
class OffPolicySettings:
    """Whose behaviour, which logs, how often."""

    dataset: str = "ml-100k"
    """A name or path that `load_dataset` takes."""
    users: tuple[str, ...] = ("mf", "frozen:persona")
    """Who reacts: names or bundle paths that `personagym_agents.load` takes; with `frozen:` before it a language model
    is asked about each pair once, as at the start of a session."""
    modes: tuple[Mode, ...] = ("single", "sessions")
    """Logs of single decisions, of sessions of several, or both."""
    slate_size: int = 3
    """Places of a slate."""
    candidates: int = 8
    """Items of each user that every policy with the common retrieval draws from."""
    longest: int = 3
    """Decisions of the longest session."""
    sizes: tuple[int, ...] = (100, 1_000, 10_000, 100_000, 1_000_000)
    """Decisions of a log."""
    logs: int = 500
    """Logs of each size."""
    pool: int = 10_000_000
    """Decisions that logs are drawn from; a log has none of them twice."""
    bank: int = 300_000
    """Of them, those that logs below 100,000 decisions are drawn from."""
    truth: int = 1_000_000
    """Sessions that a policy's true value is measured in, where it is not computed."""
    simulators: int = 5
    """Logs of each size on which a simulator is fitted that is asked for every policy's value."""
    resamples: int = 300
    """Bootstrap resamples of sessions behind each interval."""
    seed: int = 0
    """Of everything random."""

    def __post_init__(self) -> None:
        for name in ("slate_size", "candidates", "longest", "logs", "pool", "bank", "truth", "resamples"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.candidates < self.slate_size + self.longest - 1:
            raise ValueError(
                f"candidates must leave a slate of {self.slate_size} after {self.longest - 1} items were taken, "
                f"got {self.candidates}"
            )
        if max(self.sizes) > self.pool:
            raise ValueError(f"logs of {max(self.sizes)} decisions need a larger pool than {self.pool}")
        if (small := max((size for size in self.sizes if size < SMALL), default=0)) > self.bank:
            raise ValueError(f"logs of {small} decisions need a larger bank than {self.bank}")

    def steps(self, mode: Mode) -> int:
        """Decisions of the longest session in a mode."""
        return 1 if mode == "single" else self.longest
