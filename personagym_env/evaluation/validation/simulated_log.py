"""A simulated log: users of a world play sessions with a logging policy until each has consumed as much as for real.

Shapes: n rows of the vector environment, u users, m items, t places of a user's log.
"""

from collections import deque
from typing import Any

import numpy as np

from personagym_env.data.tables import BoolArray, IntArray, Interactions
from personagym_env.env import HISTORY_LENGTH, SLATE_SIZE
from personagym_env.evaluation.core.offline import Progress, check_answer
from personagym_env.evaluation.validation.session_log import SessionLog
from personagym_env.protocols import NO_ITEM, Observation, Recommender
from personagym_env.vector_env import PersonaRecVectorEnv
from personagym_env.world import World

LONGEST_SESSION = 500
"""Slates after which a session is cut off, far above the 50 of training episodes, so that long sessions are seen."""
MOST_SESSIONS = 200
"""Sessions that a user may need; one who has not consumed enough by then takes nothing of what is shown."""
_FREE = -1


class _Pages:
    """What users have consumed so far, each up to a budget of rows."""

    def __init__(self, budget: IntArray) -> None:
        self.budget = budget
        self.filled = np.zeros(len(budget), np.int64)
        self.sessions = np.zeros(len(budget), np.int64)
        shape = (len(budget), int(budget.max(initial=0)))
        self.items = np.full(shape, NO_ITEM, np.int32)
        self.ratings = np.zeros(shape, np.float32)
        self.position = np.zeros(shape, np.int32)
        self.ended = np.zeros(shape, np.bool_)

    def write(self, users: IntArray, items: IntArray, ratings: Any, position: IntArray) -> None:
        """Add a row for each of some distinct users whose budget has room."""
        place = users, self.filled[users]
        self.items[place], self.ratings[place], self.position[place] = items, ratings, position
        self.filled[users] += 1

    def end(self, users: IntArray) -> None:
        """The sessions of some users, who consumed something in them, ended after their last row."""
        self.ended[users, self.filled[users] - 1] = True

    def to_log(self, world: World) -> SessionLog:
        """All rows, by user and time."""
        users, place = np.nonzero(np.arange(self.items.shape[1]) < self.filled[:, None])
        log = Interactions(
            users=users,
            items=self.items[users, place].astype(np.int64),
            ratings=self.ratings[users, place],
            timestamps=None,
            n_users=world.train.n_users,
            n_items=world.train.n_items,
            scale=world.train.scale,
        )
        return SessionLog(log, self.position[users, place].astype(np.int64), self.ended[users, place])


def simulate_log(
    policy: Recommender,
    world: World,
    budget: IntArray,
    *,
    seed: int = 0,
    slate_size: int = SLATE_SIZE,
    rows: int = 64,
    progress: Progress | None = None,
) -> SessionLog:
    """Play sessions of `PersonaRec-v0` until every user has consumed `budget` (u,) items.

    A user's sessions follow each other, and nothing is shown that the user has consumed in the training log or in an
    earlier session. The last one is cut where the budget is reached, so that nobody knows its length: as in a real log.

    Args:
        policy: chooses slates among the candidates that it is given.
        world: users and sessions.
        budget: consumptions wanted of each user.
        seed: of the environment.
        slate_size: places k of a slate.
        rows: sessions side by side.
        progress: told how many items were consumed.

    Raises:
        ValueError: the budget has another shape, or a user does not reach it in `MOST_SESSIONS` sessions.
    """
    train = world.train
    if budget.shape != (train.n_users,):
        raise ValueError(f"budget must have shape ({train.n_users},), got {budget.shape}")
    pages = _Pages(budget)
    queue = deque(np.random.default_rng(seed).permutation(np.flatnonzero(budget)).tolist())
    n = max(1, min(rows, len(queue)))
    env = PersonaRecVectorEnv(
        world,
        n,
        slate_size,
        max_episode_steps=LONGEST_SESSION,
        history_length=HISTORY_LENGTH,
        autoreset_mode="Disabled",
    )
    known = train.matrix(np.ones(len(train), np.float32))
    playing = _deal(np.full(n, _FREE), np.ones(n, np.bool_), queue)  # (n,) user of each row
    consumed = np.zeros(n, np.int64)  # (n,) in the row's session
    observation, _ = env.reset(seed=seed, options={"user": np.maximum(playing, 0)})
    while (playing != _FREE).any():
        slates = _slates(policy, observation, slate_size, known, pages)
        observation, _, terminated, truncated, info = env.step(slates.astype(np.int64))
        busy = playing != _FREE
        took = busy & (info["clicked_item"] != NO_ITEM)
        consumed += took
        users = playing[took]
        pages.write(users, info["clicked_item"][took], info["rating"][took], consumed[took])
        if progress is not None and len(users):
            progress(len(users))
        full = busy & (pages.filled[playing] == budget[playing])
        over = busy & (terminated | truncated)
        pages.end(playing[over & terminated & (consumed > 0) & ~full])
        pages.sessions[playing[over]] += 1
        _check_patience(pages, playing[over], policy)
        queue.extend(playing[over & ~full].tolist())
        done = over | full | terminated | truncated | (~busy & bool(queue))
        if done.any():
            playing = _deal(playing, done, queue)
            consumed[done] = 0
            observation, _ = env.reset(options={"reset_mask": done, "user": np.maximum(playing, 0)})
    env.close()
    return pages.to_log(world)


def _deal(playing: IntArray, free: BoolArray, queue: "deque[int]") -> IntArray:
    """The next users for free rows; rows without one stay idle."""
    playing = playing.copy()
    for row in np.flatnonzero(free):
        playing[row] = queue.popleft() if queue else _FREE
    return playing


def _slates(policy: Recommender, observation: Any, k: int, known: Any, pages: _Pages) -> IntArray:
    """(n, k) among what each row's user has consumed neither in the log nor in any session."""
    seen: Observation = observation
    users = seen["user"]
    allowed = known[users].toarray() == 0
    row, place = np.nonzero(pages.items[users] != NO_ITEM)
    allowed[row, pages.items[users[row], place]] = False
    slates = np.asarray(policy.recommend(seen, k, allowed))
    check_answer(policy.name, slates, (len(users), k), allowed)
    return slates


def _check_patience(pages: _Pages, users: IntArray, policy: Recommender) -> None:
    tired = users[(pages.sessions[users] >= MOST_SESSIONS) & (pages.filled[users] < pages.budget[users])]
    if len(tired):
        user = int(tired[0])
        raise ValueError(
            f"user {user} took {pages.filled[user]} of {pages.budget[user]} items in {MOST_SESSIONS} sessions with "
            f"slates of {policy.name!r}: the log cannot be simulated with these users"
        )
