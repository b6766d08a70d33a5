"""What can be asked of the robustness study."""

from dataclasses import dataclass

from personagym_agents import FROZEN

SHIPPED = "persona"
"""The judge that is a shipped bundle; it takes part where one was trained on the judge's rows."""


@dataclass(frozen=True)
class RobustnessSettings:
    """Whose verdicts, on what."""

    dataset: str = "ml-100k"
    """A name or path that `load_dataset` takes."""
    judges: tuple[str, ...] = (SHIPPED, "mf", "knn")
    """Classical users by name; `persona` is the shipped bundle, where one was trained on the judge's rows."""
    session_judges: tuple[str, ...] = (f"{FROZEN}{SHIPPED}", "mf")
    """Users whose sessions are varied, some of `judges`; after `frozen:`, users whose history does not grow in a
    session, so that all settings together ask them about each item once."""
    contestants: tuple[str, ...] = ()
    """Names of the registry; all that need no RecBole, are quick, and learn in no sessions if empty."""
    users: int = 100
    """Users, drawn at random, who have a session with each recommender under each setting."""
    seeds: int = 3
    """Other halves, other halves of the catalogue, and other random draws of sessions."""
    stable: float = 0.8
    """Least tau with the default verdict of a verdict that stands."""
    resamples: int = 300
    """Bootstrap resamples of users behind the intervals."""
    seed: int = 0
    """Of resamples and sessions."""
