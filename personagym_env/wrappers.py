"""Wrappers for libraries that expect something else."""

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces


class StepAsVector(gym.ObservationWrapper[dict[str, Any], Any, dict[str, Any]], gym.utils.RecordConstructorArgs):
    """Gives `step` the shape (1,) float32 and the range 0..1, as Stable-Baselines3 needs it.

    Stable-Baselines3 flattens each part of a Dict observation and warns of a part without axes; steps are divided by
    `horizon` and clipped at 1, so that networks see numbers of order 1. The rest stays as it is.

    Example: `StepAsVector(gym.make("PersonaRec-v0"))`.
    """

    def __init__(self, env: gym.Env[dict[str, Any], Any], horizon: int = 50) -> None:
        if horizon < 1:
            raise ValueError(f"horizon must be at least 1, got {horizon}")
        gym.utils.RecordConstructorArgs.__init__(self, horizon=horizon)
        super().__init__(env)
        if not isinstance(env.observation_space, spaces.Dict) or "step" not in env.observation_space.spaces:
            raise TypeError(f"StepAsVector needs a Dict observation with a key 'step', got {env.observation_space}")
        self.horizon = horizon
        parts = {**env.observation_space.spaces, "step": spaces.Box(0, 1, (1,), np.float32)}
        self.observation_space = spaces.Dict(parts)

    def observation(self, observation: dict[str, Any]) -> dict[str, Any]:
        """The observation with `step` as a share of the horizon."""
        return {**observation, "step": np.array([min(1.0, observation["step"] / self.horizon)], np.float32)}
