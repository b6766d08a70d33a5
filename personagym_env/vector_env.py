"""`PersonaRec-v0` for many users at once: the second shell over the same kernel."""

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from personagym_env.data.tables import BoolArray, FloatArray, IntArray
from personagym_env.env import (
    HISTORY_LENGTH,
    MAX_EPISODE_STEPS,
    RENDER_MODES,
    SLATE_SIZE,
    Frame,
    action_space,
    check_render_mode,
    check_slates,
    check_users,
    draw_key,
    observation_space,
    render_view,
)
from personagym_env.render import view_episode
from personagym_env.session.batched_episodes import BatchedEpisodes, RowStep
from personagym_env.world import World

Seeds = int | Sequence[int | None] | None


def _add_info(info: dict[str, Any], values: dict[str, Any], rows: IntArray, n: int) -> None:
    """Put what `BatchedEpisodes.describe` says of rows into Gymnasium's vector info.

    That has arrays with leading axis n, zero in rows of which nothing is said, each with a mask under `_key`.
    """
    for key, value in values.items():
        if isinstance(value, dict):
            _add_info(info.setdefault(key, {}), value, rows, n)
        else:
            if key not in info:
                info[key] = np.zeros((n, *value.shape[1:]), value.dtype)
            info[key][rows] = value
        info.setdefault(f"_{key}", np.zeros(n, np.bool_))[rows] = True


def _pick(values: dict[str, Any], keep: IntArray) -> dict[str, Any]:
    return {key: _pick(value, keep) if isinstance(value, dict) else value[keep] for key, value in values.items()}


class PersonaRecVectorEnv(VectorEnv[dict[str, Any], npt.NDArray[np.int64], npt.NDArray[Any]]):
    """`PersonaRecEnv` for n users at once: the same dynamics, spaces, rewards and arguments, batched.

    Row i is what `PersonaRecEnv` is under seed `seed + i`, step by step and through every autoreset. Two arguments are
    its own: `num_envs`, and `autoreset_mode`, one of Gymnasium's `AutoresetMode` or its name:

    * `NextStep` (default): the step after the end of a session ignores the row's action, costs no inference, begins
      the next session and returns its first observation with reward 0.
    * `SameStep`: the step that ends a session begins the next one; what ended stands in `info["final_obs"]` and
      `info["final_info"]`.
    * `Disabled`: rows that have ended must be reset by `reset(options={"reset_mask": mask})` before the next step.

    `reset` takes besides `options={"user": ids}`: one internal user id, or one for each row.
    """

    metadata: dict[str, Any] = {"render_modes": RENDER_MODES, "render_fps": 1}  # noqa: RUF012 - Gymnasium's own type

    def __init__(
        self,
        world: World,
        num_envs: int = 1,
        slate_size: int = SLATE_SIZE,
        *,
        max_episode_steps: int | None = MAX_EPISODE_STEPS,
        history_length: int = HISTORY_LENGTH,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
        reasons: bool = False,
    ) -> None:
        self.world = world
        self.num_envs = num_envs
        self.autoreset_mode = AutoresetMode(autoreset_mode)
        self.metadata = {**type(self).metadata, "autoreset_mode": self.autoreset_mode}
        self.render_mode = check_render_mode(render_mode)
        self.single_observation_space = observation_space(world, history_length)
        self.single_action_space = action_space(world, slate_size)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._sessions = BatchedEpisodes(
            world,
            num_envs,
            slate_size=slate_size,
            history_length=history_length,
            max_episode_steps=max_episode_steps,
            reasons=reasons,
        )
        self._all_rows = np.arange(num_envs)
        self._keyed = np.zeros(num_envs, np.bool_)
        self._ended = np.ones(num_envs, np.bool_)
        self._last: RowStep | None = None
        self._last_place = np.full(num_envs, -1)

    def reset(
        self, *, seed: Seeds = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Begin sessions.

        Args:
            seed: `seed + i` for row i, or a seed or None for each row; a row without one goes on in its sequence.
            options: `{"user": id or (n,) ids}` to choose users; `{"reset_mask": (n,) bool}` to reset some rows alone.
        """
        asked = dict(options or {})
        rows = np.flatnonzero(self._check_mask(asked.pop("reset_mask"))) if "reset_mask" in asked else self._all_rows
        users = None
        if "user" in asked:
            users = check_users(asked.pop("user"), self.num_envs, self.world.train.n_users)[rows]
        if asked:
            raise ValueError(f"unknown options {sorted(asked)}, expected 'user' or 'reset_mask'")
        self._seed(rows, seed)
        info: dict[str, Any] = {}
        self._restart(rows, info, users)
        return self._observe(), info

    def step(
        self, actions: npt.NDArray[np.int64]
    ) -> tuple[dict[str, Any], FloatArray, BoolArray, BoolArray, dict[str, Any]]:
        """Show slates (n, k) of internal item ids, the most prominent place first.

        Raises:
            gymnasium.error.ResetNeeded: a row has not begun, or has ended and resets are disabled.
            ValueError: the slates have another shape or an unknown item.
        """
        if not self._keyed.all() or (self.autoreset_mode is AutoresetMode.DISABLED and self._ended.any()):
            rows = np.flatnonzero(~self._keyed | self._ended)
            raise gym.error.ResetNeeded(
                f"the sessions of rows {rows.tolist()} are over or have not begun: call reset()"
            )
        slates = check_slates(actions, self.num_envs, self._sessions.slate_size, self.world.train.n_items)
        rows, over = np.flatnonzero(~self._ended), np.flatnonzero(self._ended)
        reward = np.zeros(self.num_envs)
        terminated, truncated = np.zeros(self.num_envs, np.bool_), np.zeros(self.num_envs, np.bool_)
        info: dict[str, Any] = {}
        self._last = None
        if len(rows):
            self._last = step = self._sessions.advance(rows, slates[rows])
            self._last_place[rows] = np.arange(len(rows))
            reward[rows], terminated[rows], truncated[rows] = step.reward, step.terminated, step.truncated
            self._tell(info, rows, step, terminated | truncated)
        if len(over):
            self._restart(over, info)
        self._ended = terminated | truncated
        if self.autoreset_mode is AutoresetMode.SAME_STEP and self._ended.any():
            self._restart(np.flatnonzero(self._ended), info)
        return self._observe(), reward, terminated, truncated, info

    def render(self) -> tuple[Frame, ...] | None:
        """Every row's session as it stands, as text or image; None without a render mode.

        Raises:
            gymnasium.error.ResetNeeded: a row has not begun.
        """
        if self.render_mode is None:
            gym.logger.warn('render() does nothing without a render mode: gym.make_vec(..., render_mode="ansi")')
            return None
        if not self._keyed.all():
            raise gym.error.ResetNeeded("a session has not begun: call reset() before render()")
        return tuple(
            render_view(
                view_episode(self._sessions, row, self._last if place >= 0 else None, int(place)), self.render_mode
            )
            for row, place in enumerate(self._last_place)
        )

    def _check_mask(self, mask: Any) -> BoolArray:
        if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_ or mask.shape != (self.num_envs,):
            raise ValueError(f"options['reset_mask'] must be a bool array of shape {(self.num_envs,)}, got {mask!r}")
        if not mask.any():
            raise ValueError("options['reset_mask'] must have at least one True value")
        return mask

    def _seed(self, rows: IntArray, seed: Seeds) -> None:
        """Give new keys to rows that are seeded or have none."""
        seeds: Sequence[int | None]
        if seed is None or isinstance(seed, int):
            seeds = [None if seed is None else seed + i for i in range(self.num_envs)]
        else:
            seeds = seed
        if len(seeds) != self.num_envs:
            raise ValueError(f"expected one seed or {self.num_envs} seeds, got {len(seeds)}")
        fresh = np.array([row for row in rows if seeds[row] is not None or not self._keyed[row]], np.int64)
        if len(fresh):
            keys = [draw_key(seeding.np_random(seeds[row])[0]) for row in fresh]
            self._sessions.set_keys(fresh, np.concatenate(keys))
            self._keyed[fresh] = True

    def _restart(self, rows: IntArray, info: dict[str, Any], users: IntArray | None = None) -> None:
        """Begin the next session of rows; what there is to say of its beginning goes into `info`."""
        self._sessions.restart(rows, users)
        self._ended[rows] = False
        self._last_place[rows] = -1
        _add_info(info, self._sessions.describe(rows, None), rows, self.num_envs)

    def _tell(self, info: dict[str, Any], rows: IntArray, step: RowStep, ended: BoolArray) -> None:
        """What the step of rows brought; where sessions that end begin again at once, it goes into `final_*`."""
        told = self._sessions.describe(rows, step)
        if self.autoreset_mode is not AutoresetMode.SAME_STEP or not ended.any():
            _add_info(info, told, rows, self.num_envs)
            return
        over, going = np.flatnonzero(ended), np.flatnonzero(~ended)
        if len(going):
            _add_info(info, _pick(told, going), going, self.num_envs)
        observation = self._sessions.observe(over)
        final_obs = np.full(self.num_envs, None, dtype=object)
        final_obs[over] = [dict(zip(observation, row, strict=True)) for row in zip(*observation.values(), strict=True)]
        info["final_obs"], info["_final_obs"] = final_obs, ended.copy()
        info["final_info"], info["_final_info"] = {}, ended.copy()
        _add_info(info["final_info"], _pick(told, over), over, self.num_envs)

    def _observe(self) -> dict[str, Any]:
        return dict(self._sessions.observe())
