"""Environments whose action is what an `ActionDecoder` reads; one for single and one for vector environments."""

from typing import Any, cast

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from gymnasium.vector import VectorEnv, VectorWrapper
from gymnasium.vector.utils import batch_space

from personagym_env.data.tables import BoolArray, FloatArray
from personagym_env.protocols import Observation
from personagym_recommenders.base import top_k_or_empty
from personagym_recommenders.rl.action_decoders import ActionDecoder, check_actions

Observed = dict[str, Any]


def _places(space: gym.Space[Any]) -> int:
    """Places of the slates that an environment takes.

    Raises:
        TypeError: it does not take slates.
    """
    if not isinstance(space, spaces.MultiDiscrete) or space.nvec.ndim != 1:
        raise TypeError(f"a decoder answers with slates, but the environment's action space is {space}")
    return len(space.nvec)


class DecodeAction(gym.Wrapper[Observed, npt.NDArray[Any], Observed, npt.NDArray[np.int64]]):
    """`PersonaRecEnv` with a decoder's action space.

    Args:
        env: takes slates.
        decoder: fitted on the environment's training rows.
    """

    def __init__(self, env: gym.Env[Observed, npt.NDArray[np.int64]], decoder: ActionDecoder) -> None:
        super().__init__(env)
        self.decoder = decoder
        self.slate_size = _places(env.action_space)
        self.action_space = decoder.action_space(self.slate_size)
        self._observation: Observed | None = None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Observed, Observed]:
        """Begin a session; see the environment."""
        self._observation, info = self.env.reset(seed=seed, options=options)
        return self._observation, info

    def step(self, action: npt.NDArray[Any]) -> tuple[Observed, Any, bool, bool, Observed]:
        """Show the slate that the action stands for, with empty places at its end where too few items are left.

        Raises:
            gymnasium.error.ResetNeeded: no session has begun.
            ValueError: the action is not of the decoder's space.
        """
        if self._observation is None:
            raise gym.error.ResetNeeded("no session has begun: call reset() before step()")
        actions = check_actions(np.asarray(action)[None], self.action_space, 1)
        batch = {name: np.asarray(value)[None] for name, value in self._observation.items()}
        slate = self.decoder.decode(cast(Observation, batch), actions, self.slate_size, choose=top_k_or_empty)[0]
        self._observation, reward, terminated, truncated, info = self.env.step(slate)
        return self._observation, reward, terminated, truncated, info


class VectorDecodeAction(VectorWrapper):  # without arguments, which Gymnasium 1.2 does not take
    """`PersonaRecVectorEnv` with a decoder's action space; all rows are decoded in one call.

    Args:
        env: takes slates.
        decoder: fitted on the environment's training rows.
    """

    def __init__(
        self, env: VectorEnv[Observed, npt.NDArray[np.int64], npt.NDArray[Any]], decoder: ActionDecoder
    ) -> None:
        super().__init__(env)
        self.decoder = decoder
        self.slate_size = _places(env.single_action_space)
        self.single_action_space = decoder.action_space(self.slate_size)
        self.action_space = batch_space(self.single_action_space, env.num_envs)
        self._observation: Observed | None = None

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> tuple[Observed, Observed]:
        """Begin sessions; see the environment."""
        self._observation, info = self.env.reset(seed=seed, options=options)
        return self._observation, info

    def step(self, actions: npt.NDArray[Any]) -> tuple[Observed, FloatArray, BoolArray, BoolArray, Observed]:
        """Show the slates that the actions stand for, with empty places where too few items are left.

        Raises:
            gymnasium.error.ResetNeeded: no session has begun.
            ValueError: the actions are not of the decoder's space.
        """
        if self._observation is None:
            raise gym.error.ResetNeeded("no session has begun: call reset() before step()")
        checked = check_actions(actions, self.single_action_space, self.num_envs)
        slates = self.decoder.decode(
            cast(Observation, self._observation), checked, self.slate_size, choose=top_k_or_empty
        )
        self._observation, reward, terminated, truncated, info = self.env.step(slates.astype(np.int64))
        return self._observation, reward, terminated, truncated, info
