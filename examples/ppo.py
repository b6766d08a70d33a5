"""PPO in one file, in CleanRL's manner: a policy learns, from simulated users, which direction of taste to serve next.

    python examples/ppo.py
    python examples/ppo.py --agent persona --steps 100000

Items are points of a taste space (PureSVD of the training log). The policy's action is a query in that space, and the
user is shown the items nearest to it that are new to the user; the observation is reduced to what was consumed of late.
"""

import time
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
import torch
import tyro
from torch import nn
from torch.distributions import Normal

from personagym_env.env import MAX_EPISODE_STEPS
from personagym_recommenders import NearestItems, VectorDecodeAction

FORGETTING = 0.8
"""Weight that a consumed item keeps per step."""


@dataclass
class Args:
    """What to train, on whom, for how long."""

    dataset: str = "ml-100k"
    agent: str = "mf"
    """Who reacts: `mf` is fast, `persona` are the bundled language-model users."""
    steps: int = 400_000
    """User-steps of training."""
    num_envs: int = 64
    num_steps: int = 32
    """Steps of each user between two updates."""
    dimensions: int = 16
    """Of the taste space."""
    learning_rate: float = 2e-3
    gamma: float = 0.97
    gae_lambda: float = 0.95
    minibatches: int = 4
    epochs: int = 4
    clip: float = 0.2
    entropy: float = 0.0
    value_weight: float = 0.5
    max_grad_norm: float = 0.5
    seed: int = 0


class Agent(nn.Module):
    """Two small networks on the same features: where to look in the taste space, and what the session is worth."""

    def __init__(self, features: int, actions: int) -> None:
        super().__init__()
        self.actor, self.critic = (
            nn.Sequential(nn.Linear(features, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, outputs))
            for outputs in (actions, 1)
        )
        self.log_std = nn.Parameter(torch.full((actions,), -1.0))

    def policy(self, features: torch.Tensor) -> Any:
        """The distribution of actions."""
        return Normal(self.actor(features), self.log_std.exp())


def main(args: Args) -> None:
    """Train, and print the mean return of the sessions that ended since the last line."""
    torch.manual_seed(args.seed)
    envs = gym.make_vec(
        "personagym_env:PersonaRec-v0",
        num_envs=args.num_envs,
        dataset=args.dataset,
        agent=args.agent,
        autoreset_mode="SameStep",
    )
    unwrapped: Any = envs.unwrapped
    world = unwrapped.world
    decoder = NearestItems(args.dimensions).fit(world.train, world.dataset.catalogue)
    envs = VectorDecodeAction(envs, decoder)
    # What stands where nothing was consumed adds nothing: row -1 is the last one.
    taste = np.concatenate([decoder.embedding_, np.zeros((1, args.dimensions), np.float32)])
    taste /= max(float(np.linalg.norm(taste, axis=1).mean()), 1e-9)

    def see(observation: dict[str, np.ndarray]) -> torch.Tensor:
        """(n, profile + 2 d + 1) profile, consumed tastes, what was liked of them, and how late it is."""
        items, ratings = observation["history_items"], observation["history_ratings"]
        recent = FORGETTING ** np.arange(items.shape[1])[::-1]
        weights = np.stack([recent * (items >= 0), recent * ratings / world.train.scale[-1]], axis=1)  # (n, 2, h)
        sums = (weights @ taste[items]).reshape(len(items), -1)
        late = observation["step"][:, None] / MAX_EPISODE_STEPS
        return torch.as_tensor(np.concatenate([observation["profile"], sums, late], axis=1), dtype=torch.float32)

    observation, _ = envs.reset(seed=args.seed)
    features, begin = see(observation), time.time()
    agent = Agent(features.shape[1], args.dimensions)
    optimizer = torch.optim.Adam(agent.parameters(), lr=args.learning_rate, eps=1e-5)
    updates = max(1, args.steps // (args.num_envs * args.num_steps))
    running, ended = np.zeros(args.num_envs), []
    for update in range(updates):
        optimizer.param_groups[0]["lr"] = args.learning_rate * (1 - update / updates)
        rollout: list[tuple[torch.Tensor, ...]] = []
        for _ in range(args.num_steps):
            with torch.no_grad():
                policy, value = agent.policy(features), agent.critic(features)[:, 0]
                action = policy.sample()
            observation, reward, terminated, truncated, _ = envs.step(action.numpy())
            done = terminated | truncated
            parts = features, action, policy.log_prob(action).sum(1), value
            rollout.append((*parts, torch.as_tensor(reward, dtype=torch.float32), torch.as_tensor(done).float()))
            features = see(observation)
            running += reward
            ended += running[done].tolist()
            running[done] = 0
        states, actions, log_probs, values, rewards, dones = (torch.stack(part) for part in zip(*rollout, strict=True))
        with torch.no_grad():
            following, advantage = agent.critic(features)[:, 0], torch.zeros(args.num_envs)
            advantages = torch.zeros_like(rewards)
            for t in reversed(range(args.num_steps)):
                delta = rewards[t] + args.gamma * following * (1 - dones[t]) - values[t]
                advantage = delta + args.gamma * args.gae_lambda * (1 - dones[t]) * advantage
                advantages[t], following = advantage, values[t]
        batch = [part.flatten(0, 1) for part in (states, actions, log_probs, advantages, advantages + values)]
        for _ in range(args.epochs):
            for rows in torch.randperm(len(batch[0])).chunk(args.minibatches):
                state, action, old, gain, goal = (part[rows] for part in batch)
                policy = agent.policy(state)
                ratio = (policy.log_prob(action).sum(1) - old).exp()
                gain = (gain - gain.mean()) / (gain.std() + 1e-8)
                actor_loss = -torch.min(gain * ratio, gain * ratio.clamp(1 - args.clip, 1 + args.clip)).mean()
                value_loss = (agent.critic(state)[:, 0] - goal).square().mean()
                loss = actor_loss + args.value_weight * value_loss - args.entropy * policy.entropy().sum(1).mean()
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(agent.parameters(), args.max_grad_norm)
                optimizer.step()
        if ended and (update % max(1, updates // 10) == 0 or update == updates - 1):
            steps = (update + 1) * args.num_envs * args.num_steps
            print(f"{steps:>9,} steps, {time.time() - begin:4.0f} s: mean return {np.mean(ended):.2f}", flush=True)
            ended = []


if __name__ == "__main__":
    main(tyro.cli(Args))
