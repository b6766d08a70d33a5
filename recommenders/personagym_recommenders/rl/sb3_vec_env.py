"""Stable-Baselines3 on a Gymnasium vector environment: all rows in one call, where `DummyVecEnv` loops over rows.

Stable-Baselines3 knows no Gymnasium `VectorEnv`; its own `VecEnv` differs in five ways, which this adapter bridges:
sessions restart in the step that ends them; the last observation stands in `info["terminal_observation"]`; there is one
`done`, and `info["TimeLimit.truncated"]` says which kind; infos are one dictionary per row; seeds and options wait
for the next `reset()`.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv

from personagym_env.wrappers import HORIZON, step_share, step_space

try:
    from stable_baselines3.common.monitor import Monitor
    from stable_baselines3.common.vec_env import VecEnv
except ImportError as error:
    raise ImportError("policies need Stable-Baselines3: pip install 'personagym[rl]'") from error

Infos = list[dict[str, Any]]


def policy_space(space: spaces.Space[Any], parts: Sequence[str] | None = None) -> spaces.Dict:
    """The space of what a policy of Stable-Baselines3 sees of a row.

    Args:
        space: of one row, with a part `step` among others.
        parts: which parts the policy sees; None for all.

    Raises:
        TypeError: the space is no Dict.
        ValueError: it lacks a part.
    """
    if not isinstance(space, spaces.Dict):
        raise TypeError(f"expected a Dict observation, got {space}")
    chosen = sorted(space.spaces) if parts is None else sorted(parts)
    if unknown := set(chosen) - set(space.spaces):
        raise ValueError(f"no parts {sorted(unknown)} in the observation, expected some of {sorted(space.spaces)}")
    return spaces.Dict({name: step_space() if name == "step" else space[name] for name in chosen})


def policy_observation(observation: Mapping[str, Any], parts: Iterable[str], horizon: int = HORIZON) -> dict[str, Any]:
    """The parts of n rows' observation as `policy_space` has them: `step` is (n, 1) float32, a share of the horizon."""
    seen = {name: np.asarray(observation[name]) for name in parts}
    if "step" in seen:
        seen["step"] = step_share(seen["step"], horizon)
    return seen


class SB3VecEnv(VecEnv):
    """A Gymnasium vector environment with Dict observations, as Stable-Baselines3 wants its environments.

    Under one seed it does step by step what `DummyVecEnv` does over single environments that are wrapped in
    `StepAsVector`. Two differences are on purpose: infos hold what `info_keys` names and no more, because Stable-
    Baselines3 wants a dictionary per row and filling them costs more than the environment itself; and ended rows report
    return and length of their episode as `Monitor` does, so `ep_rew_mean` appears in logs without `Monitor`.

    Example: `SB3VecEnv(gym.make_vec("PersonaRec-v0", num_envs=64, autoreset_mode="SameStep"))`.

    Args:
        env: restarts in the step that ends a session (`autoreset_mode="SameStep"`).
        parts: parts of the observation that policies see; None for all. Stable-Baselines3 makes one column per user of
            the part `user`, so leave it out where users are many or policies should work for other users.
        horizon: steps that count as 1 in the part `step`.
        info_keys: what each row's info holds besides, for example "clicked_item".

    Raises:
        ValueError: the environment restarts in another way, or lacks a part.
        TypeError: the observation is no Dict.
    """

    def __init__(
        self,
        env: VectorEnv[Any, Any, Any],
        *,
        parts: Sequence[str] | None = None,
        horizon: int = HORIZON,
        info_keys: Sequence[str] = (),
    ) -> None:
        mode = env.metadata.get("autoreset_mode")
        if mode is not AutoresetMode.SAME_STEP:
            raise ValueError(f"Stable-Baselines3 needs autoreset_mode 'SameStep', the environment has {mode}")
        if horizon < 1:
            raise ValueError(f"horizon must be at least 1, got {horizon}")
        self.env: Any = env
        self.parts = tuple(policy_space(env.single_observation_space, parts).spaces)
        self.horizon = horizon
        self.info_keys = tuple(info_keys)
        self._returns = np.zeros(env.num_envs)
        self._lengths = np.zeros(env.num_envs, np.int64)
        self._begin = time.time()
        self._actions: npt.NDArray[Any] | None = None
        super().__init__(env.num_envs, policy_space(env.single_observation_space, parts), env.single_action_space)
        self.metadata = env.metadata

    def reset(self) -> dict[str, Any]:
        """Begin a session in every row, under the seeds and options that were set, which are then used up."""
        observation, _ = self.env.reset(seed=self._seeds, options=self._joint_options())
        self._reset_seeds()
        self._reset_options()
        self._returns[:], self._lengths[:] = 0, 0
        self.reset_infos = [{} for _ in range(self.num_envs)]
        return self._see(observation)

    def step_async(self, actions: npt.NDArray[Any]) -> None:
        """Keep the actions for `step_wait`."""
        self._actions = actions

    def step_wait(self) -> tuple[dict[str, Any], npt.NDArray[np.float32], npt.NDArray[np.bool_], Infos]:
        """Step all rows.

        Raises:
            RuntimeError: no actions were given.
        """
        if self._actions is None:
            raise RuntimeError("step_wait() was called without step_async()")
        observation, reward, terminated, truncated, info = self.env.step(self._actions)
        self._actions = None
        done = terminated | truncated
        self._returns += reward
        self._lengths += 1
        infos: Infos = [{} for _ in range(self.num_envs)]
        for name in self.info_keys:
            for row, value in enumerate(_before_restart(info, name, done)):
                infos[row][name] = value
        if done.any():
            self._report(infos, np.flatnonzero(done), info["final_obs"], truncated & ~terminated)
        return self._see(observation), reward.astype(np.float32), done, infos

    def close(self) -> None:
        """Close the environment."""
        self.env.close()

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """The attribute of the vector environment, or of what it wraps, once for each row asked about.

        Raises:
            AttributeError: there is none.
        """
        layer: Any = self.env
        while not hasattr(layer, attr_name) and hasattr(layer, "env"):
            layer = layer.env
        return [getattr(layer, attr_name) for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Set an attribute of the vector environment.

        Raises:
            ValueError: not all rows are meant; they share one environment.
        """
        self._check_all(indices)
        setattr(self.env, attr_name, value)

    def env_method(self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any) -> list[Any]:
        """Call a method of the vector environment once.

        Returns:
            What it returned, row by row if that is a tuple with an entry per row (as of `render`), else the same for
            every row.

        Raises:
            ValueError: not all rows are meant; they share one environment.
        """
        self._check_all(indices)
        answer = self.get_attr(method_name)[0](*method_args, **method_kwargs)
        by_row = isinstance(answer, tuple) and len(answer) == self.num_envs
        return list(answer) if by_row else [answer] * self.num_envs

    def env_is_wrapped(self, wrapper_class: type[Any], indices: Any = None) -> list[bool]:
        """Whether the rows do what the wrapper does; True for `Monitor`, whose reports this adapter makes itself."""
        layer: Any = self.env
        wrapped = issubclass(wrapper_class, Monitor) or isinstance(layer, wrapper_class)
        while not wrapped and hasattr(layer, "env"):
            layer = layer.env
            wrapped = isinstance(layer, wrapper_class)
        return [wrapped for _ in self._get_indices(indices)]

    def _see(self, observation: Mapping[str, Any]) -> dict[str, Any]:
        return policy_observation(observation, self.parts, self.horizon)

    def _report(
        self, infos: Infos, rows: npt.NDArray[np.intp], final: npt.NDArray[np.object_], cut: npt.NDArray[np.bool_]
    ) -> None:
        """Write into the infos of rows that ended, and begin their accounts anew."""
        passed = round(time.time() - self._begin, 6)
        last = {name: np.stack([final[row][name] for row in rows]) for name in self.parts}
        seen = self._see(last)
        for place, row in enumerate(rows):
            infos[row]["terminal_observation"] = {name: value[place] for name, value in seen.items()}
            infos[row]["TimeLimit.truncated"] = bool(cut[row])
            infos[row]["episode"] = {"r": float(self._returns[row]), "l": int(self._lengths[row]), "t": passed}
        self._returns[rows], self._lengths[rows] = 0, 0

    def _joint_options(self) -> dict[str, Any] | None:
        """The rows' options as the vector environment takes them.

        Raises:
            ValueError: rows have options of different names.
        """
        names = {frozenset(options) for options in self._options}
        if len(names) != 1:
            raise ValueError(f"all rows need options of the same names, got {sorted(map(sorted, names))}")
        shared = {name: np.asarray([options[name] for options in self._options]) for name in next(iter(names))}
        return shared or None

    def _check_all(self, indices: Any) -> None:
        if sorted(self._get_indices(indices)) != list(range(self.num_envs)):
            raise ValueError(f"the rows share one environment: name all of them or none, got indices {indices}")


def _before_restart(info: Mapping[str, Any], name: str, done: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
    """(n, ...) an entry of the step's info: that of the session that ended, in the rows where one did.

    Raises:
        KeyError: the environment gives no such entry.
    """
    going, ended = info.get(name), info.get("final_info", {}).get(name)
    if going is None or ended is None:
        both = going if ended is None else ended
        if both is None:
            raise KeyError(f"info has no {name!r}, only {sorted(key for key in info if not key.startswith('_'))}")
        return np.asarray(both)
    return np.asarray(np.where(done.reshape(-1, *(1,) * (np.ndim(going) - 1)), ended, going))
