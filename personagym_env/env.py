"""`PersonaRec-v0`: one user, one slate at a time."""

from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from personagym_env.data.tables import IntArray
from personagym_env.protocols import NO_GENRE, NO_ITEM
from personagym_env.render import EpisodeView, view_episode
from personagym_env.session.batched_episodes import BatchedEpisodes, RowStep
from personagym_env.session.random import UIntArray
from personagym_env.world import World

RENDER_MODES = ["ansi", "rgb_array"]
"""What both environments can render."""
SLATE_SIZE = 10
"""Default places of a slate."""
MAX_EPISODE_STEPS = 50
"""Default longest episode, in steps."""
HISTORY_LENGTH = 50
"""Default number of steps that an observation looks back."""

Frame = str | npt.NDArray[np.uint8]
"""What `render()` gives of one episode."""

_ROW = np.zeros(1, np.int64)


def observation_space(world: World, history_length: int) -> spaces.Dict:
    """The space of `personagym_env.protocols.Observation` for one row."""
    profiles, h = world.profiles, history_length
    low, high = np.floor(profiles.min()), np.ceil(profiles.max())
    parts: dict[str, spaces.Space[Any]] = {
        "user": spaces.Discrete(world.train.n_users),
        "profile": spaces.Box(low, max(high, low + 1), (profiles.shape[1],), np.float32),
        "history_items": spaces.Box(NO_ITEM, world.train.n_items - 1, (h,), np.int32),
        "history_ratings": spaces.Box(min(0.0, world.train.scale[0]), world.train.scale[-1], (h,), np.float32),
        "step": spaces.Box(0, np.iinfo(np.int64).max, (), np.int64),
    }
    if world.parameters.instructions.on:
        genres = max(len(world.dataset.catalogue.genre_names) - 1, 0)
        parts["instruction"] = spaces.Box(
            np.array([NO_GENRE, NO_GENRE, -1]), np.array([genres, genres, 1]), dtype=np.int64
        )
    return spaces.Dict(parts)


def action_space(world: World, slate_size: int) -> spaces.MultiDiscrete:
    """The space of one slate: an internal item id for every place.

    Raises:
        TypeError: the slate's size is no integer.
    """
    if isinstance(slate_size, bool) or not isinstance(slate_size, int | np.integer):
        raise TypeError(f"slate_size must be an integer, got {slate_size!r}")
    return spaces.MultiDiscrete(np.full(slate_size, world.train.n_items))


def check_render_mode(render_mode: str | None) -> str | None:
    """The mode itself.

    Raises:
        ValueError: there is no such mode.
    """
    if render_mode is not None and render_mode not in RENDER_MODES:
        raise ValueError(f"render_mode must be None or one of {RENDER_MODES}, got {render_mode!r}")
    return render_mode


def render_view(view: EpisodeView, render_mode: str) -> Frame:
    """The episode in the form that a render mode asks for."""
    if render_mode == "ansi":
        return view.to_text()
    # Here, because most environments draw nothing.
    from personagym_env.render_image import draw

    return draw(view)


def check_slates(actions: npt.ArrayLike, n: int, slate_size: int, n_items: int) -> IntArray:
    """Actions as (n, k) int64, which may be the caller's own array.

    Raises:
        ValueError: the shape is another, or an id is not in the catalogue.
        TypeError: the ids are no integers.
    """
    slates = np.asarray(actions)
    if slates.shape != (n, slate_size):
        raise ValueError(f"actions for {n} environments must have shape {(n, slate_size)}, got {slates.shape}")
    if not np.issubdtype(slates.dtype, np.integer):
        raise TypeError(f"a slate holds internal item ids, which are integers; got dtype {slates.dtype}")
    if slates.min() < 0 or slates.max() >= n_items:
        raise ValueError(f"a slate holds internal item ids in 0..{n_items - 1}, got {slates.min()}..{slates.max()}")
    return slates.astype(np.int64, copy=False)


def check_users(users: npt.ArrayLike, n: int, n_users: int) -> IntArray:
    """Users asked for in `reset(options={"user": ...})` as (n,) int64; one number stands for every environment.

    Raises:
        ValueError: wrong shape, no integers, or ids that do not exist.
    """
    asked = np.asarray(users)
    if asked.shape not in ((), (n,)) or not np.issubdtype(asked.dtype, np.integer):
        raise ValueError(f"options['user'] must be one internal user id or {n} of them, got {users!r}")
    if asked.min() < 0 or asked.max() >= n_users:
        raise ValueError(f"options['user'] must lie in 0..{n_users - 1}, got {users!r}")
    return np.broadcast_to(asked, (n,)).astype(np.int64)


def draw_key(generator: np.random.Generator) -> UIntArray:
    """(1,) the 64 bits that all randomness of a row comes from until it is seeded again."""
    return generator.integers(np.iinfo(np.uint64).max, size=1, dtype=np.uint64, endpoint=True)


def _first(values: dict[str, Any]) -> dict[str, Any]:
    """The information on row 0, without the leading axis; a copy, for the caller may change it."""
    first = {}
    for key, value in values.items():
        if isinstance(value, dict):
            first[key] = _first(value)
        else:
            first[key] = value[0] if value.ndim == 1 else value[0].copy()  # a single number cannot be changed
    return first


class PersonaRecEnv(gym.Env[dict[str, Any], npt.NDArray[np.int64]]):
    """A recommender shows slates of items to a simulated user until the user leaves for good.

    ## Description
    Every episode is one session of one user of a rating data set such as MovieLens-100K, or several sessions where
    `parameters={"returning": {"max_sessions": 5}}` lets users who left return. At each step the policy shows
    a slate of k items. The user looks at some of the places, takes one of the items or none, rates what was taken, is
    more or less content for it, and stays or leaves. What the user thinks of an item comes from a user agent (by
    default a small language model with the adapter of the user's persona); attention, chance, patience and satiation
    come from the session dynamics, whose parameters `env.unwrapped.world.card()` lists with their origin.

    ## Action Space
    `MultiDiscrete([m] * k)`: an internal item id for each place, the most prominent first. A place is *empty* if its
    item stands at an earlier place, was consumed in this episode, or was rated by the user in the training log. Empty
    places are no errors: the user cannot take what stands there, and `info["places"]` says why (see Rewards).

    ## Observation Space
    A `Dict`; the latent state (satisfaction, satiation, drift) is never part of it.

    | Key | Space | Range | Meaning |
    |---|---|---|---|
    | `user` | Discrete(u) | 0..u-1 | internal user id |
    | `profile` | Box (f,) float32 | finite | traits and taste from training rows (`data.traits.profile_features`) |
    | `history_items` | Box (h,) int32 | -1..m-1 | item taken in each of the last h steps, latest last; -1 where none |
    | `history_ratings` | Box (h,) float32 | 0..largest rating | rating given, in points of the scale; 0 where none |
    | `step` | Box () int64 | 0.. | decisions taken so far in this episode |
    | `instruction` | Box (3,) int64 | -1..g-1, -1..1 | genre wanted, genre not wanted, newer or older; see below |

    `instruction` is there with `parameters={"instructions": {"reach": 3}}` alone: a user who stays, and whom a hazard
    three times as high would have made leave, says what it wishes, by what it would choose now (its answers, drift,
    satiation) as compared with others. It stands until the session ends or another wish is said, in words in
    `info["instruction"]`. That users speak is an assumption; `personagym_recommenders.InstructionFollower` listens.

    ## Rewards
    A weighted sum of components, which `info["reward_components"]` names:

    | Component | Range | Default weight | Meaning |
    |---|---|---|---|
    | `rating` | 0..1 | 1 | rating of the consumed item, the ends of the scale being 0 and 1; 0 if nothing was taken |
    | `click` | 0 or 1 | 0 | something was consumed |
    | `leave` | 0 or 1 | 0 | the user left the session |
    | `empty` | 0..k | 0 | number of empty places |
    | `retention` | 0 or 1 | 0 | a user who left came back |

    Other weights by `parameters={"reward": {"leave": -1.0}}`. `info` has besides: `clicked_item` and `clicked_place`
    (-1 if none), `rating` (points, 0 if none), `examined` (k,) bool, `places` (k,) codes of `session.kernel.Place`
    (0 shown, 1 repeated, 2 consumed in this episode, 3 rated before), `session` (number of the step's session in the
    episode, from 0), `gap_days` (days until a user who left came back; 0 where none did), and
    `latent`: satisfaction, satiation and drift by genre, want of each place and the hazard of leaving. Where the users'
    memory has an end, `dropped_lines` says how many lines of history they have forgotten in this episode. With the
    argument `reasons` there are under `reasons`, for `click` and `leave`, the terms in logits that decided the step,
    chance among them, which `session.reasons.reasons_in_words(info, title)` puts into words.
    **`latent` and `reasons` are for diagnosis and must not reach a policy.** `reset` gives an `info` of the same form,
    in which nothing has been taken yet, `places` are -1, because nothing has been shown, and all `reasons` are 0.

    ## Starting State
    A user drawn uniformly, or `reset(options={"user": id})`; empty history, initial satisfaction, no satiation, no
    drift. A user who returns keeps history and drift; satiation and what satisfaction has moved fade while away. All
    randomness is counter-based under a key drawn at `reset(seed=...)`: under one seed two policies meet the same users
    with the same luck (common random numbers), and an item has the same luck in any slate.

    ## Episode End
    1. Termination: the user leaves, and either has had `returning.max_sessions` sessions (by default 1) or would come
       back later than `returning.horizon` days after the first.
    2. Truncation: the episode reaches `max_episode_steps`, by default 50, all sessions together.

    ## Arguments
    `gym.make("PersonaRec-v0", ...)` builds the world from names, paths and numbers, so that `env.spec` is JSON:

    | Argument | Default | Meaning |
    |---|---|---|
    | `dataset` | `"ml-100k"` | name of a data set or path to one |
    | `agent` | `"default"` | name or bundle path of a user agent, or `"module:function"` called with data set and log |
    | `split` | by time, else at random | which rows are known, by a name of `personagym_env.data.named_splits` |
    | `train_share` | 0.8 | share of the rows that is known |
    | `parameters` | None | session parameters to set, `{part: {field: value}}`; the rest is fitted or assumed |
    | `device` | None | where a language model runs, as `torch` names it; a GPU if there is one |
    | `slate_size` | 10 | places k of a slate |
    | `history_length` | 50 | steps h that an observation looks back |
    | `max_episode_steps` | 50 | longest episode; `gym.make` enforces it by `TimeLimit`, everything else in the kernel |
    | `render_mode` | None | `render()` returns the episode as text (`"ansi"`) or as an image (`"rgb_array"`) |
    | `reasons` | False | whether `info["reasons"]` tells why the user clicked and why it left or stayed |

    With a world at hand, `PersonaRecEnv(world, slate_size, ...)` takes it as it is.

    ## Vectorized environment
    `gym.make_vec("PersonaRec-v0", num_envs=64)` gives `PersonaRecVectorEnv`: the same dynamics for all rows in one
    call, equal to this environment row by row. It takes `autoreset_mode` besides.

    ## Version History
    * v0: first version.
    """

    metadata: dict[str, Any] = {"render_modes": RENDER_MODES, "render_fps": 1}  # noqa: RUF012 - Gymnasium's own type

    def __init__(
        self,
        world: World,
        slate_size: int = SLATE_SIZE,
        *,
        max_episode_steps: int | None = MAX_EPISODE_STEPS,
        history_length: int = HISTORY_LENGTH,
        render_mode: str | None = None,
        reasons: bool = False,
    ) -> None:
        self.world = world
        self.render_mode = check_render_mode(render_mode)
        self.observation_space = observation_space(world, history_length)
        self.action_space = action_space(world, slate_size)
        self._sessions = BatchedEpisodes(
            world,
            1,
            slate_size=slate_size,
            history_length=history_length,
            max_episode_steps=max_episode_steps,
            reasons=reasons,
        )
        self._keyed = False
        self._running = False
        self._last: RowStep | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Begin a session.

        Args:
            seed: begins a new sequence of sessions; without it the sequence goes on.
            options: `{"user": internal id}` to choose the user.
        """
        super().reset(seed=seed)
        asked = dict(options or {})
        users = check_users(asked.pop("user"), 1, self.world.train.n_users) if "user" in asked else None
        if asked:
            raise ValueError(f"unknown options {sorted(asked)}, expected 'user'")
        if seed is not None or not self._keyed:
            self._sessions.set_keys(_ROW, draw_key(self.np_random))
            self._keyed = True
        self._sessions.restart(_ROW, users)
        self._running, self._last = True, None
        return self._observe(), _first(self._sessions.describe(_ROW, None))

    def step(self, action: npt.NDArray[np.int64]) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """Show a slate (k,) of internal item ids, the most prominent place first.

        Raises:
            gymnasium.error.ResetNeeded: the session is over or has not begun.
            ValueError: the slate has another shape or an unknown item.
        """
        if not self._running:
            raise gym.error.ResetNeeded("the session is over or has not begun: call reset() before step()")
        slates = check_slates(np.array(action)[None], 1, self._sessions.slate_size, self.world.train.n_items)
        self._last = step = self._sessions.advance(_ROW, slates)
        terminated, truncated = bool(step.terminated[0]), bool(step.truncated[0])
        self._running = not (terminated or truncated)
        info = _first(self._sessions.describe(_ROW, step))
        return self._observe(), float(step.reward[0]), terminated, truncated, info

    def render(self) -> Frame | None:
        """The session as it stands, as text or as an image (height, width, 3); None without a render mode.

        Raises:
            gymnasium.error.ResetNeeded: no session has begun.
        """
        if self.render_mode is None:
            gym.logger.warn('render() does nothing without a render mode: gym.make(..., render_mode="ansi")')
            return None
        if not self._keyed:
            raise gym.error.ResetNeeded("no session has begun: call reset() before render()")
        return render_view(view_episode(self._sessions, 0, self._last), self.render_mode)

    def _observe(self) -> dict[str, Any]:
        observation = _first(dict(self._sessions.observe()))
        observation["step"] = np.asarray(observation["step"])  # a Box holds arrays, even where it has no axes
        return observation
