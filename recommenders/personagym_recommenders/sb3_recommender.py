"""A trained policy of Stable-Baselines3 as a recommender among others."""

from pathlib import Path
from typing import Any, Self, cast

import numpy as np
from gymnasium import spaces

from personagym_env.data.tables import BoolArray, Catalogue, IntArray, Interactions
from personagym_env.protocols import NO_ITEM, Observation
from personagym_recommenders.action_decoders import ActionDecoder
from personagym_recommenders.sb3_storage import build_policy, describe_policy
from personagym_recommenders.sb3_vec_env import HORIZON, policy_observation
from personagym_recommenders.storable import Storable, read_parts
from personagym_recommenders.storage import Learned, read_saved

try:
    from stable_baselines3.common.policies import BasePolicy
except ImportError as error:
    raise ImportError("policies need Stable-Baselines3: pip install personagym[rl]") from error


class SB3Recommender(Storable):
    """Shows what a trained policy and its action decoder choose.

    The policy has learned in the environment, and `fit` does not train it: it fits the decoder on the training rows, so
    give it the rows that the environment had. Saved are the policy's class, arguments and weights as JSON and
    safetensors; nothing is pickled.

    Args:
        policy: for example `PPO(...).policy`, with a Dict observation as `SB3VecEnv` gives it.
        decoder: the one that the policy was trained with.
        name: for tables.
        horizon: the one that the policy was trained with, see `SB3VecEnv`.
        deterministic: show the most likely action rather than draw one, which `recommend` promises not to do.
    """

    def __init__(self, policy: BasePolicy, decoder: ActionDecoder, name: str = "PPO", horizon: int = HORIZON) -> None:
        if not isinstance(policy.observation_space, spaces.Dict):
            raise TypeError(f"the policy must take a Dict observation, it takes {policy.observation_space}")
        self.policy = policy
        self.decoder = decoder
        self.name = name
        self.horizon = horizon

    def fit(self, log: Interactions, catalogue: Catalogue) -> Self:
        """Fit the decoder on the training rows; returns itself."""
        self.decoder.fit(log, catalogue)
        return self

    def recommend(self, observation: Observation, k: int, candidates: BoolArray | None = None) -> IntArray:
        """(n, k) the slate of the policy's most likely action; see `ActionDecoder.decode` for what may stand in it."""
        space = cast(spaces.Dict, self.policy.observation_space)
        seen: dict[str, Any] = dict(observation)
        for name, nothing in (("history_items", NO_ITEM), ("history_ratings", 0)):
            if name in space.spaces:
                seen[name] = _last(seen[name], cast(tuple[int, ...], space[name].shape)[0], nothing)
        actions, _ = self.policy.predict(policy_observation(seen, space.spaces, self.horizon), deterministic=True)
        return self.decoder.decode(observation, actions, k, candidates)

    def settings(self) -> dict[str, Any]:
        """The constructor's arguments by name; the policy as what JSON holds of it."""
        return super().settings() | {"policy": describe_policy(self.policy)[0]}

    def learned(self) -> Learned:
        """The policy's weights and the arrays among its arguments."""
        return dict(describe_policy(self.policy)[1])

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read what `save` wrote.

        Raises:
            FileNotFoundError: nothing was saved there.
            ValueError: something else was saved there, or it cannot be read.
        """
        saved = read_saved(folder)
        if saved.kind != cls.__name__:
            raise ValueError(f"{folder} holds a saved {saved.kind}, not a {cls.__name__}")
        arrays = {name: np.asarray(value) for name, value in saved.learned.items()}
        policy = build_policy(saved.settings["policy"], arrays)
        return cls(**read_parts(folder, saved.settings) | {"policy": policy})


def _last(history: IntArray, length: int, nothing: int) -> IntArray:
    """(n, length) the last steps of a history (n, h), with `nothing` before its beginning."""
    missing = max(0, length - history.shape[1])
    return np.pad(history[:, -length:], ((0, 0), (missing, 0)), constant_values=nothing)
