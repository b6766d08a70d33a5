"""What can be asked of the validation."""

from dataclasses import dataclass
from typing import Literal

from personagym_env.env import SLATE_SIZE

PolicyName = Literal["popularity", "item-kNN", "mixture"]


@dataclass(frozen=True)
class ValidationSettings:
    """Whose logs to simulate, on what."""

    dataset: str = "ml-100k"
    """A name or path that `load_dataset` takes."""
    agents: tuple[str, ...] = ("mf", "persona")
    """Users who react: names or bundle paths that `personagym_agents.load` takes."""
    policies: tuple[PolicyName, ...] = ("popularity", "item-kNN", "mixture")
    """Who chose the slates: nobody knows, so more than one is tried. The mixture of uniform, popularity, recency and
    item-kNN has the shares that make what was consumed next likeliest."""
    users: int | None = None
    """Users who take part, drawn at random; None for all with held-out rows."""
    slate_size: int = SLATE_SIZE
    """Places of a slate."""
    train_share: float = 0.8
    """Share of each user's rows, by time, that everything is learned from."""
    resamples: int = 1_000
    """Bootstrap resamples of users behind the intervals."""
    seed: int = 0
    """Of everything random."""
