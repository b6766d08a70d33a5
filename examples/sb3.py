"""Stable-Baselines3 on many users at once, and the trained policy as a contestant of the leaderboard.

    python examples/sb3.py
    personagym leaderboard --recommender runs/sb3/policy

The action is a query in a taste space; the user is shown the nearest items that are new to the user.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import tyro
from stable_baselines3 import PPO
from stable_baselines3.common.evaluation import evaluate_policy

from personagym_recommenders import NearestItems, VectorDecodeAction
from personagym_recommenders.rl.sb3_features import NEEDED
from personagym_recommenders.rl.sb3_recommender import SB3Recommender
from personagym_recommenders.rl.sb3_vec_env import SB3VecEnv


@dataclass
class Args:
    """What to train, on whom, for how long."""

    dataset: str = "ml-100k"
    agent: str = "mf"
    """Who reacts: `mf` is fast, `persona` are the bundled language-model users."""
    steps: int = 100_000
    """User-steps of training."""
    num_envs: int = 64
    judged: int = 200
    """Sessions that the policy is judged by, before and after."""
    seed: int = 0
    output: Path = Path("runs/sb3/policy")


def main(args: Args) -> None:
    """Train, judge and save."""
    envs = gym.make_vec(
        "personagym_env:PersonaRec-v0",
        num_envs=args.num_envs,
        dataset=args.dataset,
        agent=args.agent,
        autoreset_mode="SameStep",
    )
    unwrapped: Any = envs.unwrapped
    world = unwrapped.world
    decoder = NearestItems().fit(world.train, world.dataset.catalogue)
    users = SB3VecEnv(VectorDecodeAction(envs, decoder), parts=NEEDED)
    model = PPO("MultiInputPolicy", users, n_steps=64, gamma=0.97, seed=args.seed, device="cpu")
    before, _ = evaluate_policy(model, users, args.judged)
    model.learn(args.steps)
    after, _ = evaluate_policy(model, users, args.judged)
    print(f"mean return {before:.2f} before, {after:.2f} after {model.num_timesteps:,} user-steps")
    SB3Recommender(model.policy, decoder).save(args.output)
    print(f"the policy is in {args.output}")


if __name__ == "__main__":
    main(tyro.cli(Args))
