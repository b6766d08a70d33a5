"""Train a policy on simulated users with PPO, and draw its learning curve.

    python examples/ppo.py
    python examples/ppo.py --users persona --steps 100000 --envs 64

The policy does not choose among all items. Several static recommenders propose each user's candidates, and the policy
weighs, at each step of a session, what these recommenders think of them and how much they repeat the genres just
consumed. So it can have any of these recommenders by one weight, and learns when to mix which. Curve, figures and the
policy go into the folder `--output`; `examples/compare_policies.py` sets the policy beside others, and the leaderboard
takes it as a contestant: `personagym leaderboard --recommender runs/ppo/policy`.
"""

import io
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple, cast

import matplotlib.pyplot as plt
import numpy as np
import tyro
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback

from personagym_env.evaluation.core.simulate import SessionPlan, simulate
from personagym_env.evaluation.core.statistics import Interval, interval, user_resamples
from personagym_env.files import write_atomically
from personagym_env.protocols import Recommender
from personagym_env.vector_env import PersonaRecVectorEnv
from personagym_env.world import make_world
from personagym_recommenders import (
    ActionDecoder,
    CandidateFeatures,
    ScoringRecommender,
    VectorDecodeAction,
    WeightedFeatures,
    load_recommender,
)
from personagym_recommenders.rl.sb3_features import NEEDED, SessionFeatures
from personagym_recommenders.rl.sb3_recommender import SB3Recommender
from personagym_recommenders.rl.sb3_vec_env import SB3VecEnv


@dataclass(frozen=True)
class Args:
    """What to train on what."""

    dataset: str = "ml-100k"
    """A name or path that `load_dataset` takes."""
    users: str = "mf"
    """Who reacts: `mf` is fast, `persona` are the bundled language-model users."""
    recommenders: tuple[str, ...] = ("popular", "best-rated", "item-knn", "ease")
    """Who proposes candidates; names that `load_recommender` takes."""
    pool: int = 200
    """Candidates of each user."""
    slate_size: int = 10
    steps: int = 1_500_000
    """User-steps of training."""
    envs: int = 128
    """Users side by side."""
    rollout: int = 64
    """Steps of each user between two updates."""
    judges: int = 300
    """Users who have a session with the policy at each point of the curve."""
    points: int = 13
    """Points of the curve."""
    seed: int = 0
    output: Path = Path("runs/ppo")
    """Folder for policy, curve and figures."""


class Point(NamedTuple):
    """The policy at one moment of the training, on users and luck that are the same at every point."""

    steps: int
    value: Interval
    """Return of a session, undiscounted, of the most likely actions."""


class Curve(BaseCallback):
    """Lets the policy play the planned sessions `count` times, evenly spread over `steps` of training."""

    def __init__(
        self, judge: Callable[[Recommender], Interval], decoder: ActionDecoder, steps: int, count: int
    ) -> None:
        super().__init__()
        self.judge, self.decoder = judge, decoder
        self.due = np.linspace(0, steps, count)
        self.points: list[Point] = []

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        self.measure()

    def measure(self) -> None:
        """Measure, if it is time to."""
        if len(self.points) < len(self.due) and self.num_timesteps >= self.due[len(self.points)]:
            self.points.append(Point(self.num_timesteps, self.judge(SB3Recommender(self.model.policy, self.decoder))))
            print(f"{self.num_timesteps:>9,} steps: return {self.points[-1].value}", flush=True)


def draw(points: list[Point], references: dict[str, Interval], path: Path) -> None:
    """Return by training step with its interval, and a line for each static recommender."""
    steps, values = [point.steps for point in points], np.array([point.value for point in points])
    figure, axes = plt.subplots(figsize=(6, 3.5), layout="constrained")
    axes.plot(steps, values[:, 0], marker=".", label="PPO")
    axes.fill_between(steps, values[:, 1], values[:, 2], alpha=0.2, linewidth=0)
    for i, (name, reference) in enumerate(references.items(), start=1):
        axes.axhline(reference.value, color=f"C{i}", linestyle="--", linewidth=1, label=name)
    axes.set(xlabel="user-steps of training", ylabel="return of a session")
    axes.legend(loc="lower right")
    drawing = io.BytesIO()
    figure.savefig(drawing, format="png", dpi=150)
    plt.close(figure)
    write_atomically(path, drawing.getvalue())


def main(args: Args) -> None:
    """Train, draw and save."""
    world = make_world(args.dataset, args.users)
    proposers = [cast(ScoringRecommender, load_recommender(name)) for name in args.recommenders]
    decoder = WeightedFeatures(CandidateFeatures(proposers, args.pool))
    decoder.fit(world.train, world.dataset.catalogue)
    users = PersonaRecVectorEnv(world, args.envs, args.slate_size, autoreset_mode="SameStep")
    model = PPO(
        "MultiInputPolicy",
        SB3VecEnv(VectorDecodeAction(users, decoder), parts=NEEDED),
        n_steps=args.rollout,
        batch_size=min(2048, args.rollout * args.envs),
        n_epochs=6,
        learning_rate=lambda left: 2e-3 * left,
        gamma=0.97,
        gae_lambda=0.95,
        seed=args.seed,
        device="cpu",
        policy_kwargs={
            "features_extractor_class": SessionFeatures,
            "features_extractor_kwargs": {"item_genres": world.dataset.catalogue.genre_shares},
            "net_arch": [64, 64],
            "log_std_init": -1.0,
        },
    )
    n_users = world.train.n_users
    plan = SessionPlan.draw(n_users, users=min(args.judges, n_users), seed=args.seed + 10_000)
    resamples = user_resamples(n_users, 1_000, np.random.default_rng(args.seed))

    def judge(recommender: Recommender) -> Interval:
        played = simulate(recommender, world, plan, slate_size=args.slate_size, rows=args.envs)
        return interval(played.statistics(n_users)["return"].resampled(resamples))

    references = {recommender.name: judge(recommender) for recommender in proposers}
    curve, begin = Curve(judge, decoder, args.steps, args.points), time.perf_counter()
    model.learn(args.steps, callback=curve)
    curve.measure()
    seconds = time.perf_counter() - begin
    SB3Recommender(model.policy, decoder).save(args.output / "policy")
    draw(curve.points, references, args.output / "curve.png")
    figures = {
        "arguments": asdict(args) | {"output": args.output.name},
        "seconds": seconds,
        "static": references,
        "curve": [{"steps": point.steps, "return": point.value} for point in curve.points],
    }
    write_atomically(args.output / "training.json", json.dumps(figures, indent=2) + "\n")
    print(*(f"{name}: return {value}" for name, value in references.items()), sep="\n")
    print(f"{model.num_timesteps:,} steps in {seconds:.0f} s; policy, curve and figures are in {args.output}")


if __name__ == "__main__":
    main(tyro.cli(Args))
