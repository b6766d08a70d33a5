"""Wrappers for libraries that expect something else, and for another reward."""

from typing import Any, Literal

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from personagym_env.env import MAX_EPISODE_STEPS, PersonaRecEnv
from personagym_env.protocols import NO_ITEM
from personagym_env.session.expectation import expect

_ROW = np.zeros(1, np.int64)
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


class AnnotatedReward(gym.Wrapper[dict[str, Any], Any, dict[str, Any], Any], gym.utils.RecordConstructorArgs):
    """Rewards a slate as a whole, by what its user is expected to make of it, instead of by what chance made of it.

    The reward is the satisfaction that the user is expected to have after the slate, or the chance that anything is
    taken (`personagym_env.session.expectation`), whatever happens then. It needs no label, says something of every
    place, and has the mean of what the session would have had with less noise. The users are asked once more for it:
    what they make of a slate does not depend on who asks.

    Example: `AnnotatedReward(gym.make("PersonaRec-v0"))`.

    Args:
        env: `PersonaRec-v0`, wrapped or not.
        quantity: what is rewarded.
    """

    def __init__(
        self, env: gym.Env[dict[str, Any], Any], quantity: Literal["satisfaction", "click"] = "satisfaction"
    ) -> None:
        gym.utils.RecordConstructorArgs.__init__(self, quantity=quantity)
        super().__init__(env)
        if not isinstance(env.unwrapped, PersonaRecEnv):
            raise TypeError(f"AnnotatedReward needs PersonaRec-v0, got {env.unwrapped}")
        if quantity not in ("satisfaction", "click"):
            raise ValueError(f"quantity must be 'satisfaction' or 'click', got {quantity!r}")
        self.quantity = quantity
        self._world = env.unwrapped.world
        self._users = self._world.agent.open(1)
        self._latent: dict[str, Any] = {}

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """See `gymnasium.Env.reset`."""
        observation, info = self.env.reset(seed=seed, options=options)
        self._users.start(_ROW, np.array([observation["user"]]))
        self._latent = info["latent"]
        return observation, info

    def step(self, action: Any) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """See `gymnasium.Env.step`; the reward of the environment itself is in `info["own_reward"]`."""
        slates = np.array(action, np.int64)[None]
        observation, reward, terminated, truncated, info = self.env.step(action)
        before = {name: np.array([self._latent[name]]) for name in ("satisfaction", "satiation", "drift")}
        reaction = self._users.react(_ROW, slates)
        found = expect(reaction, slates, np.array([info["places"]]), dynamics=self._world.dynamics, **before)
        if info["clicked_item"] != NO_ITEM:
            rating = np.searchsorted(self._world.dynamics.scale, [info["rating"]])
            self._users.consume(_ROW, np.array([info["clicked_item"]]), rating)
        self._latent, info["own_reward"] = info["latent"], reward
        value = found.satisfaction if self.quantity == "satisfaction" else found.click
        return observation, float(value[0]), terminated, truncated, info
