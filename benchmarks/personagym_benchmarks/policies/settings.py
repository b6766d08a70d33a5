"""What can be asked of the comparison of policies."""

from dataclasses import dataclass
from pathlib import Path

from personagym_env.env import SLATE_SIZE


@dataclass(frozen=True)
class TrainingSettings:
    """How a policy is trained by PPO to weigh what static recommenders think."""

    steps: int = 1_500_000
    """User-steps of training."""
    envs: int = 128
    """Users side by side."""
    rollout: int = 64
    """Steps of each user between two updates."""
    pool: int = 200
    """Candidates of each user, which the static recommenders propose."""
    judges: int = 300
    """Users who have a session with the policy at each point of the learning curve."""
    points: int = 13
    """Points of the learning curve."""
    seed: int = 0
    """Of policy, sessions and resamples."""


@dataclass(frozen=True)
class PolicySettings:
    """Whom to compare, on how much."""

    dataset: str = "ml-100k"
    """A name or path that `load_dataset` takes."""
    users: str = "mf"
    """Who reacts, in training and in judgement; a name that `personagym_agents.load` takes."""
    policy: Path | None = None
    """Folder of a saved policy; None trains one."""
    training: TrainingSettings = TrainingSettings()
    """Of the policy, where none is given."""
    static: tuple[str, ...] = ("popular", "best-rated", "item-knn", "ease")
    """Static recommenders; the best of them, by return, is what learners are compared with."""
    bandits: tuple[str, ...] = ("linucb", "thompson")
    """Recommenders that learn while they are judged."""
    warm_up: int = 1_000
    """Sessions at least that a bandit learns from before."""
    judges: int | None = None
    """Users who have sessions; None for all."""
    episodes: int = 3
    """Sessions of each of them."""
    slate_size: int = SLATE_SIZE
    """Places of a slate."""
    rows: int = 256
    """Sessions side by side."""
    resamples: int = 2_000
    """Bootstrap resamples of users behind the intervals, of 95 %."""
    seed: int = 1_000_000
    """Of the sessions that judge; far from those of the training."""
