"""A trained policy of Stable-Baselines3 as a recommender among others."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self, cast

import numpy as np
from gymnasium import spaces

from personagym_env.data.tables import BoolArray, Catalogue, IntArray, Interactions
from personagym_env.protocols import NO_ITEM, Observation
from personagym_env.wrappers import HORIZON
from personagym_recommenders.recommender_file import Learned, read_saved
from personagym_recommenders.rl.action_decoders import ActionDecoder
from personagym_recommenders.rl.sb3_storage import build_policy, describe_policy
from personagym_recommenders.rl.sb3_vec_env import policy_observation
from personagym_recommenders.storage import Storable, read_parts

try:
    from stable_baselines3.common.base_class import BaseAlgorithm
    from stable_baselines3.common.policies import BasePolicy
except ImportError as error:
    raise ImportError("policies need Stable-Baselines3: pip install 'personagym[rl]'") from error


_NOT_NEEDED: Mapping[str, Any] = {
    "learning_rate": 0.0,
    "lr_schedule": None,
    "clip_range": 0.2,
    "buffer_size": 1,
    "_last_obs": None,
    "_last_original_obs": None,
    "_last_episode_starts": None,
    "ep_info_buffer": None,
    "ep_success_buffer": None,
}
"""What an algorithm keeps in its zip file and a policy that only answers can do without."""


class SB3Recommender(Storable):
    """Shows what a trained policy and its action decoder choose.

    The policy has learned in the environment, and `fit` does not train it: it fits the decoder on the training rows, so
    give it the rows that the environment had. Saved are the policy's class, arguments and weights as JSON and
    safetensors, and the decoder beside it; nothing is pickled. `load_recommender` takes the folder.

    Args:
        policy: for example `PPO(...).policy`, with a Dict observation as `SB3VecEnv` gives it.
        decoder: the one that the policy was trained with.
        name: for tables.
        horizon: the one that the policy was trained with, see `SB3VecEnv`.
    """

    def __init__(self, policy: BasePolicy, decoder: ActionDecoder, name: str = "PPO", horizon: int = HORIZON) -> None:
        if not isinstance(policy.observation_space, spaces.Dict):
            raise TypeError(f"the policy must take a Dict observation, it takes {policy.observation_space}")
        self.policy = policy
        self.decoder = decoder
        self.name = name
        self.horizon = horizon

    def fit(self, log: Interactions, catalogue: Catalogue) -> Self:
        """Fit the decoder on the training rows; returns itself.

        Raises:
            ValueError: the policy was trained on other items, or with another decoder.
        """
        parts = cast(spaces.Dict, self.policy.observation_space).spaces
        if "history_items" in parts:
            n_items = 1 + int(cast(spaces.Box, parts["history_items"]).high.max())
            if n_items != log.n_items:
                raise ValueError(
                    f"policy {self.name!r} was trained on a catalogue of {n_items} items, this one has {log.n_items}"
                )
        self.decoder.fit(log, catalogue)
        answers = self.policy.action_space
        expected = self.decoder.action_space(len(answers.nvec) if isinstance(answers, spaces.MultiDiscrete) else 1)
        if answers != expected:
            raise ValueError(
                f"policy {self.name!r} answers with {answers}, and its decoder {type(self.decoder).__name__} takes "
                f"{expected}: give it the decoder that it was trained with"
            )
        return self

    def recommend(self, observation: Observation, k: int, candidates: BoolArray | None = None) -> IntArray:
        """(n, k) the slate of the policy's most likely action; see `ActionDecoder.decode` for what may stand in it.

        Raises:
            ValueError: the policy was trained on observations with other parts, or of another shape.
        """
        space = cast(spaces.Dict, self.policy.observation_space)
        seen: dict[str, Any] = dict(observation)
        if unknown := set(space.spaces) - set(seen):
            raise ValueError(f"policy {self.name!r} looks at {sorted(unknown)}, the observation has {sorted(seen)}")
        for name, nothing in (("history_items", NO_ITEM), ("history_ratings", 0)):
            if name in space.spaces:
                seen[name] = _last(seen[name], cast(tuple[int, ...], space[name].shape)[0], nothing)
        shown = policy_observation(seen, space.spaces, self.horizon)
        for name, part in space.spaces.items():
            if not isinstance(part, spaces.Discrete) and shown[name].shape[1:] != part.shape:
                raise ValueError(
                    f"policy {self.name!r} was trained on a {name!r} of shape {part.shape}, the observation's has "
                    f"shape {shown[name].shape[1:]}"
                )
        actions, _ = self.policy.predict(shown, deterministic=True)
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
        saved = read_saved(folder, cls.__name__)
        arrays = {name: np.asarray(value) for name, value in saved.learned.items()}
        policy = build_policy(saved.settings["policy"], arrays)
        return cls(**read_parts(folder, saved.settings) | {"policy": policy})

    @classmethod
    def from_zip(cls, path: str | Path, algorithm: type[BaseAlgorithm], decoder: ActionDecoder, **options: Any) -> Self:
        """A policy that Stable-Baselines3 itself has saved; once fitted, `save` makes a folder of it without pickle.

        Such a file holds pickles, and reading them runs whatever code they name: **never read a policy file from a
        stranger**. Of what is pickled only that is read which makes the policy: its spaces, class and arguments.

        Args:
            path: the zip file.
            algorithm: whose file it is, for example `PPO`.
            decoder: the one that the policy was trained with; the file does not hold it.
            **options: the constructor's other arguments.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: it is no file of that algorithm.
            TypeError: the policy takes no Dict observation.
        """
        if not Path(path).is_file():
            raise FileNotFoundError(f"no file {path}")
        try:
            model = algorithm.load(path, device="cpu", custom_objects=dict(_NOT_NEEDED))
        except (ValueError, KeyError, AttributeError, AssertionError, RuntimeError, TypeError) as error:
            raise ValueError(f"{path} holds no policy of {algorithm.__name__}, or is damaged: {error}") from error
        return cls(model.policy, decoder, **{"name": algorithm.__name__} | options)


def _last(history: IntArray, length: int, nothing: int) -> IntArray:
    """(n, length) the last steps of a history (n, h), with `nothing` before its beginning."""
    missing = max(0, length - history.shape[1])
    return np.pad(history[:, -length:], ((0, 0), (missing, 0)), constant_values=nothing)
