"""Wrappers for libraries that expect something else."""

from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from personagym_env.env import MAX_EPISODE_STEPS

HORIZON = MAX_EPISODE_STEPS
"""Steps that count as 1: those of the longest episode, unless the environment was made with another."""


def step_space() -> spaces.Box:
    """The space of `step` as networks want it."""
    return spaces.Box(0, 1, (1,), np.float32)


def step_share(step: npt.ArrayLike, horizon: int) -> npt.NDArray[np.float32]:
    """(..., 1) steps (...) as a share of the horizon, 1 at most."""
    return np.minimum(1.0, np.asarray(step) / horizon).astype(np.float32)[..., None]


class StepAsVector(gym.ObservationWrapper[dict[str, Any], Any, dict[str, Any]], gym.utils.RecordConstructorArgs):
    """Gives `step` the shape (1,) float32 and the range 0..1, as Stable-Baselines3 needs it.

    Stable-Baselines3 flattens each part of a Dict observation and warns of a part without axes; steps are divided by
    `horizon` and clipped at 1, so that networks see numbers of order 1. The rest stays as it is.

    Example: `StepAsVector(gym.make("PersonaRec-v0"))`.
    """

    def __init__(self, env: gym.Env[dict[str, Any], Any], horizon: int = HORIZON) -> None:
        if horizon < 1:
            raise ValueError(f"horizon must be at least 1, got {horizon}")
        gym.utils.RecordConstructorArgs.__init__(self, horizon=horizon)
        super().__init__(env)
        if not isinstance(env.observation_space, spaces.Dict) or "step" not in env.observation_space.spaces:
            raise TypeError(f"StepAsVector needs a Dict observation with a key 'step', got {env.observation_space}")
        self.horizon = horizon
        parts = {**env.observation_space.spaces, "step": step_space()}
        self.observation_space = spaces.Dict(parts)

    def observation(self, observation: dict[str, Any]) -> dict[str, Any]:
        """The observation with `step` as a share of the horizon."""
        return {**observation, "step": step_share(observation["step"], self.horizon)}
