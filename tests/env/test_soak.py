"""Worlds of all sizes with parameters at their ends: observations stay inside their space, and numbers stay numbers.

`PERSONAGYM_SOAK_STEPS=1000000 python -m pytest tests/env/test_soak.py` goes on for that many user-steps, with other
worlds in each run, and looks at memory too.
"""

import os
import resource
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from personagym_env.data.tables import Catalogue, Dataset, IntArray, Interactions, Users
from personagym_env.protocols import Reaction
from personagym_env.session.parameters import SessionParameters
from personagym_env.session.random import splitmix64
from personagym_env.vector_env import PersonaRecVectorEnv
from personagym_env.world import World

ASKED = int(os.environ.get("PERSONAGYM_SOAK_STEPS", "0"))
STEPS = 12
"""Of each environment of a world."""
MOST_GROWTH = 64
"""MiB that memory may grow by between the first quarter of a soak and its end."""


@dataclass(frozen=True)
class HashedUsers:
    """Users of any number, whose answers are hashes: some certain, some impossible, some in between."""

    n_users: int
    n_items: int
    scale: tuple[float, ...]
    name: str = "hashed"

    def open(self, n: int) -> "HashedSessions":
        """Room for n sessions."""
        return HashedSessions(self, n)


class HashedSessions:
    """Open sessions of `HashedUsers`."""

    def __init__(self, agent: HashedUsers, n: int) -> None:
        self.agent, self.users = agent, np.zeros(n, np.uint64)

    def start(self, rows: IntArray, users: IntArray) -> None:
        """Know who is there."""
        self.users[rows] = users

    def react(self, rows: IntArray, slates: IntArray) -> Reaction:
        """A probability of 0, 1 or between for every item, and a rating that is certain."""
        bits = splitmix64(self.users[rows, None], slates.astype(np.uint64))
        wanted = np.clip((bits % 1_000).astype(np.float32) / 800 - 0.1, 0, 1)
        return Reaction(wanted, np.eye(len(self.agent.scale), dtype=np.float32)[bits % len(self.agent.scale)])

    def consume(self, rows: IntArray, items: IntArray, ratings: IntArray) -> None:
        """Nothing changes."""


@st.composite
def worlds(draw: st.DrawFn) -> tuple[World, dict[str, Any]]:
    """A world, and how many of its users step side by side, with which slates, limits and resets."""
    n_users, n_items = draw(st.integers(1, 2_000)), draw(st.integers(2, 20_000))
    n_genres, scale = draw(st.integers(0, 5)), tuple(range(1, 1 + draw(st.integers(1, 10))))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    pairs = np.unique(rng.integers(n_users * n_items, size=draw(st.integers(1, 2_000))))
    log = Interactions.from_columns(
        *np.divmod(pairs, n_items),
        rng.choice(scale, len(pairs)),
        None,
        n_users=n_users,
        n_items=n_items,
        scale=tuple(map(float, scale)),
    )
    catalogue = Catalogue(
        ids=tuple(map(str, range(n_items))),
        titles=tuple(map(str, range(n_items))),
        years=np.zeros(n_items, np.int64),
        genre_names=tuple(f"genre {genre}" for genre in range(n_genres)),
        genres=rng.random((n_items, n_genres)) < 0.3,
    )
    changes: dict[str, dict[str, float]] = {}
    for assumption, value in SessionParameters().assumptions():
        part, _, field = assumption.name.partition(".")
        changes.setdefault(part, {})[field] = draw(st.sampled_from((value, value, value, *assumption.valid)))
    dataset = Dataset("soak", catalogue, Users(tuple(map(str, range(n_users)))), log)
    agent = HashedUsers(n_users, n_items, log.scale)
    how = {
        "num_envs": draw(st.sampled_from((1, 3, 64, 300))),
        "slate_size": draw(st.integers(1, min(20, n_items))),
        "history_length": draw(st.integers(1, 20)),
        "max_episode_steps": draw(st.sampled_from((None, 1, 5))),
        "autoreset_mode": draw(st.sampled_from(list(AutoresetMode))),
    }
    return World(dataset, log, agent, SessionParameters().updated(changes)), how


def check_numbers(values: Any) -> None:
    """No array has a number that is none or infinite."""
    if isinstance(values, dict):
        for value in values.values():
            check_numbers(value)
    elif isinstance(values, np.ndarray) and values.dtype == object:
        for value in values:
            check_numbers(value)
    elif isinstance(values, np.ndarray) and values.dtype.kind != "U":
        assert np.isfinite(values).all()


def play(world: World, how: dict[str, Any], steps: int) -> int:
    """Step a world, and count its user-steps."""
    env = PersonaRecVectorEnv(world, **how)
    n, rng = env.num_envs, np.random.default_rng(0)
    observation, info = env.reset(seed=0)
    for _ in range(steps):
        # Half of the slates come from few items, so that they repeat and are consumed again.
        most = rng.choice([min(30, len(world.dataset.catalogue)), len(world.dataset.catalogue)])
        observation, reward, terminated, truncated, info = env.step(rng.integers(most, size=env.action_space.shape))
        check_numbers({"observation": observation, "reward": reward, "info": info})
        # The spaces' own check takes rows one by one, which is slow, so some rows have it.
        for row in (0, n // 2, n - 1):
            one = {key: np.asarray(value[row]) for key, value in observation.items()}
            one["user"] = observation["user"][row]
            assert env.single_observation_space.contains(one), one
        over = terminated | truncated
        if env.autoreset_mode is AutoresetMode.DISABLED and over.any():
            env.reset(options={"reset_mask": over})
    return n * steps


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(worlds())
def test_worlds_with_parameters_at_their_ends_stay_valid(made: tuple[World, dict[str, Any]]) -> None:
    play(*made, STEPS)


@pytest.mark.skipif(not ASKED, reason="takes minutes: set PERSONAGYM_SOAK_STEPS to a number of user-steps")
@pytest.mark.timeout(0)
def test_a_soak_leaves_memory_level() -> None:
    done, peaks = 0, []

    @settings(
        max_examples=100, deadline=None, derandomize=False, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(worlds())
    def soak(made: tuple[World, dict[str, Any]]) -> None:
        nonlocal done
        done += play(*made, 5 * STEPS)

    while done < ASKED:
        soak()
        peaks.append((done, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))
    early = max(peak for at, peak in peaks if at <= max(done / 4, peaks[0][0]))
    print(
        f"{done:,} user-steps in {len(peaks)} rounds of 100 worlds, peak memory {early:.0f} to {peaks[-1][1]:.0f} MiB"
    )
    assert peaks[-1][1] - early < MOST_GROWTH
