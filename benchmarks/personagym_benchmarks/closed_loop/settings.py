"""What can be asked of the closed loop."""

from dataclasses import dataclass

from personagym_env.env import MAX_EPISODE_STEPS, SLATE_SIZE


@dataclass(frozen=True)
class LoopSettings:
    """Whose sessions, how many, and how a recommender is refitted on them."""

    dataset: str = "ml-100k"
    """A name or path that `load_dataset` takes; its genres stand for providers."""
    users: str = "mf"
    """Who reacts; a name that `personagym_agents.load` takes."""
    recommender: str = "ease"
    """Whose scores are corrected by what slates earn: a scoring recommender by name."""
    rounds: int = 10
    """Rounds of deploying, logging and refitting."""
    sessions: int = 600
    """Sessions of a round."""
    repetitions: int = 5
    """Whole loops, each with other luck and other items that arrive."""
    arriving: float = 0.3
    """Share of the items that arrive after the first round, in equal lots; nobody has rated them before."""
    temperature: float = 0.5
    """Of the slates that are drawn: an item of rank r has a weight in proportion to `r ** (-1 / temperature)`."""
    floor: float = 0.1
    """Share of the weight that all items on offer have in equal parts, so that each has a chance."""
    slate_size: int = SLATE_SIZE
    """Places of a slate."""
    longest: int = MAX_EPISODE_STEPS
    """Decisions of the longest session."""
    rank: int = 8
    """Length of the factors that are refitted."""
    bias_penalty: float = 50.0
    """Of users' and items' effects, in impressions."""
    factor_penalty: float = 10.0
    """Of factors."""
    seed: int = 0
    """Of the first loop; the penalties were chosen on seed 100 with other sessions."""

    def __post_init__(self) -> None:
        for name, least in (("rounds", 2), ("repetitions", 2), ("sessions", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")
        for name in ("arriving", "floor"):
            if not 0 < getattr(self, name) < 1:
                raise ValueError(f"{name} must lie between 0 and 1, got {getattr(self, name)}")
