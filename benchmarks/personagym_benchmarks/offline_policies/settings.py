"""What can be asked of the comparison of offline policies."""

from dataclasses import dataclass

from personagym_env.env import MAX_EPISODE_STEPS, SLATE_SIZE


@dataclass(frozen=True)
class OfflineSettings:
    """Which logs, which learners, whose sessions."""

    dataset: str = "ml-100k"
    """A name or path that `load_dataset` takes."""
    users: str = "mf"
    """Who reacts; a name that `personagym_agents.load` takes."""
    logging: str = "ease"
    """Whose scores the logging policy draws from, by Plackett-Luce."""
    static: tuple[str, ...] = ("popular", "best-rated", "item-knn", "ease", "item-knn-liked", "ease-liked", "mf-8")
    """Static recommenders: contestants, and the opinions that learners read."""
    liked: float = 4.0
    """The least rating that counts as liked."""
    pool: int = 100
    """Candidates of each user."""
    conservatism: tuple[float, ...] = (0.01, 0.1)
    """Penalties of CQL, a learner each."""
    episodes: int = 6_000
    """Sessions of each log to learn from."""
    held_out: int = 2_000
    """Sessions of the logging policy that off-policy evaluation reads and no learner does."""
    steps: int = 600
    """Gradient steps of each learner."""
    online_steps: int = 200_000
    """User-steps of PPO, which learns from sessions of its own."""
    slate_size: int = SLATE_SIZE
    """Places of a slate."""
    longest: int = MAX_EPISODE_STEPS
    """Decisions of the longest session."""
    judged: int = 2
    """Sessions of every user that judge."""
    resamples: int = 2_000
    """Bootstrap resamples of users behind the intervals, of 95 %."""
    seed: int = 1_000_000
    """Of the sessions that judge; logs and training have seeds far below."""
