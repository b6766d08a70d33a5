"""To watch: recommenders race with the same users and the same luck; a user's answers beside its held-out ratings."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium.utils import seeding

from personagym_benchmarks.play.recommender_seat import SLATE_SIZE
from personagym_benchmarks.play.stage import Stage
from personagym_env.env import HISTORY_LENGTH, check_users, draw_key
from personagym_env.evaluation.core.pair_reactions import react_to_pairs
from personagym_env.evaluation.core.simulate import SessionPlan, fillable_users
from personagym_env.protocols import Recommender
from personagym_env.render import describe_user
from personagym_env.session.batched_episodes import BatchedEpisodes

MOST_USERS, MOST_STEPS = 100, 50
"""Of a race."""
MOST_ROWS = 60
"""Held-out rows that are shown."""


def race(stage: Stage, users: int, steps: int, seed: int) -> dict[str, Any]:
    """Mean return and users left after each step, for every recommender; sessions are those of `simulate`.

    Raises:
        ValueError: too many users or steps, or none.
    """
    for name, value, most in (("users", users, MOST_USERS), ("steps", steps, MOST_STEPS)):
        if not 1 <= value <= most:
            raise ValueError(f"{name} must lie in 1..{most}, got {value}")
    train = stage.world.train
    plan = SessionPlan.draw(train.n_users, users=min(users, train.n_users), seed=seed)
    size = min(SLATE_SIZE, train.n_items)
    playing = plan.users[fillable_users(train, size + steps)[plan.users]]
    if not len(playing):
        raise ValueError(f"no user has {size + steps} items left to be shown")
    keys = np.concatenate([draw_key(seeding.np_random(seed + row)[0]) for row in range(len(playing))])
    runs = [
        {"name": name, **_run(stage, recommender, playing, keys, steps, size)}
        for name, recommender in stage.recommenders.items()
    ]
    return {"users": len(playing), "steps": steps, "runs": sorted(runs, key=lambda one: -one["reward"][-1])}


def _run(
    stage: Stage, recommender: Recommender, users: Any, keys: Any, steps: int, size: int
) -> Mapping[str, list[float]]:
    rows = np.arange(len(users))
    sessions = BatchedEpisodes(
        stage.world, len(rows), slate_size=size, history_length=HISTORY_LENGTH, max_episode_steps=None
    )
    sessions.set_keys(rows, keys)
    sessions.restart(rows, users)
    live, total = rows, np.zeros(len(rows))
    reward, alive = [0.0], [1.0]
    for _ in range(steps):
        if len(live):
            step = sessions.advance(live, recommender.recommend(sessions.observe(live), size))
            total[live] += step.reward
            live = live[~step.terminated]
        reward.append(float(total.mean()))
        alive.append(len(live) / len(rows))
    return {"reward": reward, "alive": alive}


def said_and_done(stage: Stage, user: int) -> dict[str, Any]:
    """What a simulated user answers about its held-out rows, which nobody has shown it, beside the real ratings.

    Raises:
        ValueError: there is no such user.
    """
    (user,) = check_users(user, 1, stage.world.train.n_users).tolist()
    log, train = stage.held_out, stage.world.train
    rows = slice(int(log.indptr[user]), int(log.indptr[user + 1]))
    items, real = log.items[rows], log.ratings[rows].astype(np.float64)
    answers = react_to_pairs(stage.world.agent, np.full(len(items), user), items)
    expected = answers.rating @ np.asarray(train.scale)
    own = train.ratings[train.indptr[user] : train.indptr[user + 1]]
    mean = float(own.mean()) if len(own) else float(train.ratings.mean())
    shown = [
        {**stage.told(int(item)), "real": float(a), "expected": float(b), "want": float(want)}
        for item, a, b, want in zip(items, real, expected, answers.choice_probability, strict=True)
    ]
    return {
        "user": describe_user(stage.world, user),
        "number": user,
        "scale": list(train.scale),
        "rows": shown[:MOST_ROWS],
        "held_out": len(items),
        "rmse": _rmse(real, expected),
        "rmse_mean": _rmse(real, np.full(len(real), mean)),
    }


def _rmse(real: Any, expected: Any) -> float | None:
    return float(np.sqrt(((real - expected) ** 2).mean())) if len(real) else None
