"""What can be asked of personas."""

from dataclasses import dataclass
from typing import Literal

Groups = Literal["none", "single", "random", "persona", "individual"]
"""Users who share an adapter: none have one, all do, random groups of the personas' sizes (a control), each persona,
each user alone."""
Features = Literal["behaviour", "profile", "both", "prediction"]
"""What users are grouped by: how they rate and choose, the text of their profile, or both; or what predicts their
ratings (`personagym_agents.personas.prediction`)."""


@dataclass(frozen=True)
class PersonaSettings:
    """How personas are looked for."""

    features: Features = "prediction"
    """What users are grouped by."""
    n_personas: int | None = None
    """Personas to form; None chooses by the criterion: what predicts the inner tail best, else the silhouette."""
    least: int = 2
    most: int = 12
    """Numbers of personas that may be chosen."""
    seeds: int = 5
    """Independent runs per number; their agreement is the stability of clusters."""
    restarts: int = 10
    """KMeans++ starts in a run, of which the tightest counts."""
    stable: float = 0.8
    """Stability that a number of personas needs to be chosen, if any number reaches it."""
    tie: float = 0.02
    """Silhouettes this close to the best count as equally good."""

    def __post_init__(self) -> None:
        if self.n_personas is not None and self.n_personas < 1:
            raise ValueError(f"n_personas must be at least 1, got {self.n_personas}")
        if not 2 <= self.least <= self.most:
            raise ValueError(f"least and most must satisfy 2 <= least <= most, got {self.least} and {self.most}")
        if self.seeds < 2 or self.restarts < 1:
            raise ValueError(f"seeds must be at least 2 and restarts 1, got {self.seeds} and {self.restarts}")
