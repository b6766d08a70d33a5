"""One user after another, through Gymnasium alone: random slates until the user leaves.

python examples/gymnasium_loop.py --episodes 3
"""

from dataclasses import dataclass

import gymnasium as gym
import tyro


@dataclass
class Args:
    """Whose sessions to watch."""

    dataset: str = "ml-100k"
    agent: str = "mf"
    slate_size: int = 10
    episodes: int = 3
    seed: int = 0


def main(args: Args) -> None:
    """Play, and print what became of each session."""
    env = gym.make("personagym_env:PersonaRec-v0", dataset=args.dataset, agent=args.agent, slate_size=args.slate_size)
    env.action_space.seed(args.seed)
    for episode in range(args.episodes):
        observation, _ = env.reset(seed=args.seed if episode == 0 else None)
        total, clicks, over = 0.0, 0, False
        while not over:
            observation, reward, terminated, truncated, info = env.step(env.action_space.sample())
            total += float(reward)
            clicks += info["clicked_item"] >= 0
            over = terminated or truncated
        user, steps, end = observation["user"], observation["step"], "left" if terminated else "was cut off"
        print(f"user {user} {end} after {steps} slates: {clicks} clicks, return {total:.2f}")
    env.close()


if __name__ == "__main__":
    main(tyro.cli(Args))
