"""What recommenders are worth to simulated users: whole sessions of `PersonaRec-v0`, all with the same random draws.

Session j is what `PersonaRecEnv` plays after `reset(seed=seed + j, options={"user": users[j]})`. It runs on the
environment's rows themselves, without the shell around them, so that rows whose work is done cost nothing; a test
holds the two equal. Shapes: j sessions, n rows, k slate places, u users.
"""

from copy import deepcopy
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from gymnasium.utils import seeding
from scipy import sparse

from personagym_env.data.tables import BoolArray, FloatArray, IntArray, Interactions
from personagym_env.env import HISTORY_LENGTH, MAX_EPISODE_STEPS, SLATE_SIZE, draw_key
from personagym_env.evaluation.core.offline import Progress, check_answer
from personagym_env.evaluation.core.statistics import RatioOfSums, Statistic
from personagym_env.protocols import NO_ITEM, Observation, Recommender, StochasticRecommender
from personagym_env.session.batched_episodes import BatchedEpisodes
from personagym_env.world import World


@runtime_checkable
class OnlineRecommender(Recommender, Protocol):
    """A recommender that learns while sessions run; `recommend` itself changes nothing."""

    def learn_from(self, observation: Observation, slates: IntArray, items: IntArray, ratings: FloatArray) -> None:
        """Learn from what one step of n sessions brought.

        Args:
            observation: n rows, as they were when the slates were chosen.
            slates: (n, k) what was shown.
            items: (n,) what was consumed, `NO_ITEM` where nothing.
            ratings: (n,) the rating given in points, 0 where nothing was consumed.
        """


class Sessions(NamedTuple):
    """What happened in j sessions; two recommenders under one plan can be compared entry by entry."""

    users: IntArray
    """(j,) internal user id."""
    episodes: IntArray
    """(j,) 0 for a user's first session of the plan, 1 for the second, and so on."""
    returns: FloatArray
    """(j,) undiscounted sum of rewards."""
    clicks: IntArray
    """(j,) items consumed."""
    rating_sums: FloatArray
    """(j,) sum of the ratings that the consumed items got, in rating points."""
    steps: IntArray
    """(j,) slates shown; 0 where the user knew so many items that not one slate was left to be shown."""
    left: BoolArray
    """(j,) whether the user left; the others were cut off at the longest session allowed, or when no whole slate of
    items was left that the user did not know."""

    def __repr__(self) -> str:
        return f"Sessions({len(self.users)} sessions of {len(np.unique(self.users))} users)"

    def statistics(self, n_users: int) -> dict[str, Statistic]:
        """Simulated value in six figures; users with several sessions count with all of them, those with none not.

        Returns:
            return (per session), clicks (per slate shown), rating (mean of what was consumed, in rating points),
            length (slates per session), reward (per slate shown) and retention (share of sessions whose user never
            left).
        """

        def by_user(column: FloatArray) -> FloatArray:
            return np.bincount(self.users, column, minlength=n_users).astype(np.float64)

        return {
            name: RatioOfSums(by_user(numerator), by_user(denominator))
            for name, (numerator, denominator) in self.ratios().items()
        }

    def ratios(self) -> dict[str, tuple[FloatArray, FloatArray]]:
        """Numerator (j,) and denominator (j,) of every figure, session by session; see `statistics`."""
        one = (self.steps > 0).astype(np.float64)
        steps, clicks = self.steps.astype(np.float64), self.clicks.astype(np.float64)
        return {
            "return": (self.returns, one),
            "clicks": (clicks, steps),
            "rating": (self.rating_sums, clicks),
            "length": (steps, one),
            "reward": (self.returns, steps),
            "retention": (one * ~self.left, one),
        }


class SessionPlan(NamedTuple):
    """Which sessions are played; the same plan gives every recommender the same users with the same random draws."""

    users: IntArray
    """(j,) internal user id of each session."""
    episodes: IntArray
    """(j,) which of the user's sessions it is."""
    seed: int
    """Session j is seeded with `seed + j`."""

    @classmethod
    def draw(
        cls, n_users: int, *, users: int | None = None, episodes_per_user: int = 1, seed: int = 0
    ) -> "SessionPlan":
        """Plan `episodes_per_user` sessions for `users` users drawn without replacement, or for all `n_users`.

        Raises:
            ValueError: more users than there are, or nothing to play.
        """
        wanted = n_users if users is None else users
        if not 0 < wanted <= n_users or episodes_per_user < 1:
            raise ValueError(f"cannot plan {episodes_per_user} sessions for each of {wanted} of {n_users} users")
        chosen = np.random.default_rng(seed).permutation(n_users)[:wanted]
        return cls(np.tile(chosen, episodes_per_user), np.repeat(np.arange(episodes_per_user), wanted), seed)


def fillable_users(known: Interactions, slate_size: int) -> BoolArray:
    """(u,) who has a slate of items left that nobody knows of yet, and so can have a session at all.

    Args:
        known: rows that are known of the users, whose items are not shown again.
        slate_size: places of a slate.
    """
    return np.asarray(known.n_items - known.counts >= slate_size)


def simulate(
    recommender: Recommender,
    world: World,
    plan: SessionPlan,
    *,
    slate_size: int = SLATE_SIZE,
    max_episode_steps: int = MAX_EPISODE_STEPS,
    history_length: int = HISTORY_LENGTH,
    rows: int = 64,
    in_place: bool = False,
    hidden: Interactions | None = None,
    progress: Progress | None = None,
) -> Sessions:
    """Play the planned sessions with a fitted recommender.

    A session ends for its user when fewer items are left than a slate has places, and a session that could not even
    begin for that reason counts nowhere: see `Sessions.steps`.

    A `StochasticRecommender` shows what it draws, by numbers that belong to the session's step. An `OnlineRecommender`
    is told after each step what came of its slates. It learns on a copy of its own, so that what it learned under one
    plan or from one population is not carried into the next, unless told otherwise.

    Args:
        recommender: chooses the slates; told of no candidates, so it leaves out what the user has consumed itself,
            unless rows are hidden from it.
        world: data, users and session parameters.
        plan: who plays.
        slate_size: places k of a slate.
        max_episode_steps: longest session.
        history_length: steps that an observation looks back.
        rows: sessions side by side; a recommender that learns online learns from so many steps at once.
        in_place: let a recommender that learns online keep what it learns here.
        hidden: rows that users have consumed and that no recommender was fitted on, such as the half that a judge
            learned from; then recommenders are told which items are left, so that none is shown such a row.
        progress: told how many sessions have ended.

    Raises:
        ValueError: no user of the plan has a slate of items left; or the recommender answers with another shape or with
            an item twice in a slate.
    """
    n_jobs = len(plan.users)
    allowed = None if hidden is None else _Unconsumed(world, hidden)
    room = (world.train.n_items - (world.train.counts if allowed is None else allowed.known))[plan.users]  # (j,)
    queue = np.flatnonzero(room >= slate_size)  # sessions that can begin, in their order
    if not len(queue):
        raise ValueError(
            f"slates of {slate_size} cannot be filled: of {world.train.n_items} items each of the {n_jobs} users who "
            f"are to have sessions knows all but {room.max(initial=0)} at most"
        )
    if progress is not None and len(queue) < n_jobs:
        progress(n_jobs - len(queue))
    learner = recommender if isinstance(recommender, OnlineRecommender) else None
    if learner is not None and not in_place:
        recommender = learner = deepcopy(learner)
    sessions = BatchedEpisodes(
        world,
        min(rows, len(queue)),
        slate_size=slate_size,
        history_length=history_length,
        max_episode_steps=max_episode_steps,
    )
    result = Sessions(
        users=plan.users,
        episodes=plan.episodes,
        returns=np.zeros(n_jobs),
        clicks=np.zeros(n_jobs, np.int64),
        rating_sums=np.zeros(n_jobs),
        steps=np.zeros(n_jobs, np.int64),
        left=np.zeros(n_jobs, np.bool_),
    )
    job = queue[:rows].copy()  # (n,) which session each row plays
    live, started = np.arange(len(job)), len(job)
    _begin(sessions, live, job, plan)
    while len(live):
        observed = sessions.observe(live)
        candidates = None if allowed is None else allowed.of(observed)
        if isinstance(recommender, StochasticRecommender):
            slates = np.asarray(recommender.draw(observed, slate_size, sessions.policy_keys(live), candidates))
        else:
            slates = np.asarray(recommender.recommend(observed, slate_size, candidates=candidates))
        check_answer(recommender.name, slates, (len(live), slate_size), candidates)
        step = sessions.advance(live, slates)
        playing = job[live]
        took = step.outcome.item != NO_ITEM
        result.returns[playing] += step.reward
        result.clicks[playing] += took
        ratings = np.where(took, world.dynamics.scale[step.outcome.rating], 0)
        if learner is not None:
            learner.learn_from(observed, slates, step.outcome.item, ratings)
        result.rating_sums[playing] += ratings
        result.steps[playing] += 1
        result.left[playing] = step.terminated
        emptied = room[playing] - result.clicks[playing] < slate_size
        ended = step.terminated | step.truncated | emptied
        free = live[ended]
        refilled = free[: len(queue) - started]
        job[refilled] = queue[started : started + len(refilled)]
        started += len(refilled)
        if len(refilled):
            _begin(sessions, refilled, job[refilled], plan)
        live = np.sort(np.concatenate([live[~ended], refilled]))
        if progress is not None and len(free):
            progress(len(free))
    return result


class _Unconsumed:
    """Which items users have consumed neither in the world's log, nor in hidden rows, nor in the session."""

    def __init__(self, world: World, hidden: Interactions) -> None:
        if (hidden.n_users, hidden.n_items) != (world.train.n_users, world.train.n_items):
            raise ValueError(f"the hidden rows {hidden!r} do not belong to {world!r}")
        before, besides = (log.matrix(np.ones(len(log), np.float32)) for log in (world.train, hidden))
        self._consumed = sparse.csr_array(before + besides)  # (u, m) above 0 where consumed
        self.known = np.diff(self._consumed.indptr)
        """(u,) items that each user has consumed before any session."""

    def of(self, observation: Observation) -> BoolArray:
        """(n, m) what each row's user may be shown."""
        left = np.asarray(self._consumed[observation["user"]].toarray() == 0)
        rows, places = np.nonzero(observation["history_items"] != NO_ITEM)
        left[rows, observation["history_items"][rows, places]] = False
        return left


def _begin(sessions: BatchedEpisodes, rows: IntArray, jobs: IntArray, plan: SessionPlan) -> None:
    keys = [draw_key(seeding.np_random(plan.seed + int(job))[0]) for job in jobs]
    sessions.set_keys(rows, np.concatenate(keys))
    sessions.restart(rows, plan.users[jobs])
