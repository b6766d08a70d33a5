"""Wrappers for libraries that expect something else, for another reward, and for users who search."""

from typing import Any, Literal

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from personagym_env.env import MAX_EPISODE_STEPS, PersonaRecEnv
from personagym_env.protocols import NO_ITEM, SearchingAgent
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


class SearchingUsers(gym.Wrapper[dict[str, Any], Any, dict[str, Any], Any], gym.utils.RecordConstructorArgs):
    """Lets users search where a slate left them with nothing: the slate after it is what they found, not the action.

    After a step in which nothing was taken, and the user stayed, the user searches with probability `chance`, unless
    fewer items than a slate holds are left that the user has not had, or the slate before was a search already. Logs do
    not tell how often people search, so it is nothing that can be fitted: compare recommenders under several values.
    `info["searched"]` says whether the slate of a step was the user's own, and `info["slate"]` which it was.

    Example: `SearchingUsers(gym.make("PersonaRec-v0", agent="social"), chance=0.5)`.

    Args:
        env: `PersonaRec-v0`, wrapped or not, whose users can search (`SearchingAgent`), as `social` ones can.
        chance: of a search after a slate of which nothing was taken.
    """

    def __init__(self, env: gym.Env[dict[str, Any], Any], chance: float) -> None:
        gym.utils.RecordConstructorArgs.__init__(self, chance=chance)
        super().__init__(env)
        if not isinstance(env.unwrapped, PersonaRecEnv):
            raise TypeError(f"SearchingUsers needs PersonaRec-v0, got {env.unwrapped}")
        world = env.unwrapped.world
        if not isinstance(world.agent, SearchingAgent):
            raise TypeError(f"SearchingUsers needs users who can search, such as 'social'; got {world.agent.name!r}")
        if not 0 <= chance <= 1:
            raise ValueError(f"chance must lie in 0..1, got {chance}")
        self.chance = chance
        shape = env.unwrapped.action_space.shape
        assert shape is not None
        self._agent, self._train, self._size = world.agent, world.train, shape[0]
        self._user, self._searching, self._rng = 0, False, np.random.default_rng()
        self._seen: npt.NDArray[np.bool_] = np.zeros(0, np.bool_)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """See `gymnasium.Env.reset`; the seed also decides who searches when."""
        observation, info = self.env.reset(seed=seed, options=options)
        if seed is not None:
            self._rng = np.random.default_rng(seed)
        self._user, self._searching = int(observation["user"]), False
        self._seen = np.zeros(self._train.n_items, np.bool_)
        self._seen[self._train.items[self._train.indptr[self._user] : self._train.indptr[self._user + 1]]] = True
        return observation, info

    def step(self, action: Any) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """See `gymnasium.Env.step`."""
        searched = self._searching
        if searched:
            action = self._agent.search(np.array([self._user]), self._size, self._seen[None])[0]
        observation, reward, terminated, truncated, info = self.env.step(action)
        info["searched"], info["slate"] = searched, np.array(action, np.int64)
        nothing = info["clicked_item"] == NO_ITEM
        if not nothing:
            self._seen[info["clicked_item"]] = True
        able = nothing and not searched and int((~self._seen).sum()) >= self._size
        self._searching = bool(able and self._rng.random() < self.chance)
        return observation, float(reward), terminated, truncated, info
