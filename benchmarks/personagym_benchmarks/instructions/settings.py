"""What can be asked of instructions."""

from dataclasses import dataclass


@dataclass(frozen=True)
class InstructionSettings:
    """Whose wishes, and who listens."""

    dataset: str = "ml-100k"
    """A name or path that `load_dataset` takes."""
    agent: str = "default"
    """Users: a name or bundle path that `personagym_agents.load` takes."""
    recommender: str = "item-knn"
    """Who listens, by a name that `load_recommender` takes."""
    users: int = 200
    """Users who have sessions, drawn at random; predictions are of all users."""
    reach: float = 3.0
    """Parameter `instructions.reach` of the sessions."""
    slate_size: int = 10
    """Places of a slate."""
    steps: int = 30
    """Longest session."""
    resamples: int = 2000
    """Of users, behind the intervals."""
    seed: int = 0
    """Of everything random."""

    def check(self) -> None:
        """Refuse what cannot be measured.

        Raises:
            ValueError: an option is out of range.
        """
        for name, least in (("users", 2), ("slate_size", 1), ("steps", 1), ("resamples", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if not self.reach > 1:
            raise ValueError(f"reach must be above 1, or nobody speaks; got {self.reach}")
