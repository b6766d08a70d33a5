"""PPO of RLlib's new API stack on the vector environment itself: one world, all users in one batch.

    python examples/rllib/ppo.py
    python examples/rllib/ppo.py --iterations 50 --output runs/rllib.json

The task is that of `examples/ppo.py`: the action is a query in a taste space, and the user is shown the items nearest
to it. RLlib pins another Gymnasium than this project does and has an environment of its own: see the README beside.
"""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import gymnasium as gym
import numpy as np
import tyro
from gymnasium.vector import VectorEnv, VectorObservationWrapper
from gymnasium.vector.utils import batch_space

from personagym_env.env import MAX_EPISODE_STEPS
from personagym_env.registration import make_vector_env
from personagym_recommenders import NearestItems, VectorDecodeAction

FORGETTING = 0.8
"""Weight that a consumed item keeps per step."""


@dataclass
class Args:
    """What to train, on whom, for how long."""

    dataset: str = "ml-100k"
    agent: str = "mf"
    """Who reacts: `mf` is fast, `persona` are the bundled language-model users."""
    iterations: int = 40
    num_envs: int = 64
    batch: int = 4096
    """User-steps between two updates."""
    dimensions: int = 16
    """Of the taste space."""
    seed: int = 0
    output: Path = Path("runs/rllib.json")


class TasteVectors(VectorObservationWrapper):
    """Profile, tastes of what was consumed of late and of what was liked of it, and how late it is, as one vector."""

    def __init__(self, env: VectorEnv[Any, Any, Any], directions: np.ndarray, best: float) -> None:
        super().__init__(env)
        # What stands where nothing was consumed adds nothing: row -1 is the last one.
        self._taste = np.concatenate([directions, np.zeros((1, directions.shape[1]), np.float32)])
        self._taste /= max(float(np.linalg.norm(self._taste, axis=1).mean()), 1e-9)
        self._best = best
        seen = cast(gym.spaces.Dict, env.single_observation_space)
        size = cast(gym.spaces.Box, seen["profile"]).shape[0] + 2 * directions.shape[1] + 1
        self.single_observation_space = gym.spaces.Box(-np.inf, np.inf, (size,), np.float32)
        self.observation_space = batch_space(self.single_observation_space, env.num_envs)

    def observations(self, observations: dict[str, np.ndarray]) -> np.ndarray:
        """(n, profile + 2 d + 1) numbers."""
        items, ratings = observations["history_items"], observations["history_ratings"]
        recent = FORGETTING ** np.arange(items.shape[1])[::-1]
        weights = np.stack([recent * (items >= 0), recent * ratings / self._best], axis=1)  # (n, 2, h)
        sums = (weights @ self._taste[items]).reshape(len(items), -1)
        late = observations["step"][:, None] / MAX_EPISODE_STEPS
        return np.concatenate([observations["profile"], sums, late], axis=1, dtype=np.float32)


def make_users(config: dict[str, Any]) -> VectorEnv[Any, Any, Any]:
    """What RLlib calls for its `vector_entry_point`, with the number of environments among the rest."""
    env = make_vector_env(config["num_envs"], dataset=config["dataset"], agent=config["agent"])
    world = env.world
    decoder = NearestItems(config["dimensions"]).fit(world.train, world.dataset.catalogue)
    return TasteVectors(VectorDecodeAction(env, decoder), decoder.embedding_, world.train.scale[-1])


def main(args: Args) -> None:
    """Train, print the mean return of the sessions of each iteration, and write them down."""
    import ray
    from ray.rllib.algorithms.ppo import PPOConfig
    from ray.rllib.core.rl_module.default_model_config import DefaultModelConfig
    from ray.tune.registry import register_env

    register_env("users", make_users)
    about = {"dataset": args.dataset, "agent": args.agent, "dimensions": args.dimensions}
    config = (
        PPOConfig()
        .environment("users", env_config=about)
        .env_runners(
            num_env_runners=0,
            num_envs_per_env_runner=args.num_envs,
            gym_env_vectorize_mode="vector_entry_point",
        )
        .training(
            gamma=0.97,
            lambda_=0.95,
            lr=1e-3,
            clip_param=0.2,
            use_kl_loss=False,
            vf_clip_param=100.0,
            num_epochs=4,
            minibatch_size=args.batch // 4,
            train_batch_size_per_learner=args.batch,
        )
        .rl_module(model_config=DefaultModelConfig(fcnet_hiddens=[64, 64], fcnet_activation="tanh"))
        .reporting(metrics_num_episodes_for_smoothing=1000)
        .debugging(seed=args.seed)
    )
    ray.init(include_dashboard=False, num_cpus=1, log_to_driver=False)
    algorithm, begin, told = config.build_algo(), time.perf_counter(), []
    for iteration in range(1, args.iterations + 1):
        found = algorithm.train()["env_runners"]
        steps, value = int(found["num_env_steps_sampled_lifetime"]), float(found["episode_return_mean"])
        told.append({"iteration": iteration, "steps": steps, "mean_return": round(value, 3)})
        print(f"{steps:>9,} steps, {time.perf_counter() - begin:4.0f} s: mean return {value:.2f}", flush=True)
    algorithm.stop()
    args.output.parent.mkdir(parents=True, exist_ok=True)
    setting = about | {"num_envs": args.num_envs, "batch": args.batch, "seed": args.seed}
    versions = {"ray": ray.__version__, "gymnasium": gym.__version__}
    args.output.write_text(json.dumps({"setting": setting, "versions": versions, "iterations": told}, indent=1) + "\n")


if __name__ == "__main__":
    main(tyro.cli(Args))
