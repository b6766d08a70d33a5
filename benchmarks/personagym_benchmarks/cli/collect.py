"""`personagym collect`: a log of decisions with their propensities."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from personagym_benchmarks.console import make_console
from personagym_benchmarks.display import Ray, console_run, print_plain


@dataclass(frozen=True)
class CollectCommand:
    """Let a stochastic recommender meet simulated users, and log every decision with its propensities."""

    recommender: str = "plackett-luce:ease"
    """Who decides: `plackett-luce:` or `epsilon-greedy:` before a name that the leaderboard takes, or the folder of a
    saved stochastic recommender."""
    episodes: int = 10_000
    """Sessions, or chains of sessions where users return."""
    output: Path = Path("runs/log")
    """Folder of the log; a log that was cut short goes on where it stopped."""
    trajectories: Path | None = None
    """File for the episodes as JSON lines, turn by turn with the user's satisfaction; None writes none."""
    dataset: str = "ml-100k"
    """A name or path that `load_dataset` takes."""
    users: str = "mf"
    """Who reacts: a name or bundle path that `personagym_agents.load` takes."""
    candidates: int | None = 100
    """Items that the recommender draws from, those it ranks highest; None for the whole catalogue."""
    temperature: float | None = None
    """Of Plackett-Luce, in standard deviations of the scores; None for its default."""
    epsilon: float | None = None
    """Of epsilon-greedy: probability that a place explores; None for its default."""
    slate_size: int = 10
    """Places of a slate."""
    max_episode_steps: int = 50
    """Longest episode; with 1 the log is one of single decisions."""
    rows: int = 1024
    """Episodes side by side; a language model may need fewer."""
    workers: int | None = None
    """Parts of the log that are played side by side; None for one per core, 1 is best for a language model."""
    ray: Ray = None
    seed: int = 0
    """Of users and random draws."""

    def main(self) -> None:
        """Fit the recommender, play, write."""
        from personagym_env.logs.collect import collect
        from personagym_env.logs.sessions import open_log
        from personagym_env.logs.trajectories import export_trajectories
        from personagym_env.protocols import StochasticRecommender
        from personagym_env.workers import ThreadWorkers
        from personagym_env.world import make_world
        from personagym_recommenders.loading import load_recommender
        from personagym_recommenders.registry import DRAWN
        from personagym_recommenders.storage import Storable

        options: dict[str, Any] = {
            "temperature": self.temperature,
            "epsilon": self.epsilon,
            "candidates": self.candidates,
        }
        chosen = {name: value for name, value in options.items() if value is not None}
        saved = Path(self.recommender).is_dir()
        if not saved and self.recommender.partition(":")[0] not in DRAWN:
            names = " or ".join(f"'{kind}:{self.recommender}'" for kind in DRAWN)
            raise ValueError(f"{self.recommender!r} does not draw its slates, so it has no propensities: try {names}")
        policy = load_recommender(self.recommender, **({} if saved else chosen))
        if not isinstance(policy, StochasticRecommender):
            raise ValueError(f"the recommender saved in {self.recommender} does not draw its slates")
        console = make_console()
        world = make_world(self.dataset, self.users)
        policy.fit(world.train, world.dataset.catalogue)
        with (
            console_run(console, self.output, ray=self.ray) as context,
            context.display.bar("episodes", self.episodes) as bar,
        ):
            header = collect(
                policy,
                world,
                self.output,
                episodes=self.episodes,
                policy_fingerprint=policy.fingerprint() if isinstance(policy, Storable) else "",
                slate_size=self.slate_size,
                max_episode_steps=self.max_episode_steps,
                seed=self.seed,
                rows=self.rows,
                workers=ThreadWorkers(self.workers) if self.ray is None else context.workers,
                progress=bar,
            )
        print_plain(console, f"{self.episodes:,} episodes of {header.policy} with {header.world} are in {self.output}")
        if self.trajectories is not None:
            written = export_trajectories(open_log(self.output), world, self.trajectories)
            print_plain(console, f"{written:,} trajectories are in {self.trajectories}")
