"""The conformance suite of the `UserAgent` seam: run it on your own users.

>>> from personagym_env.conformance.user_agent import check_user_agent
>>> def test_my_users_conform() -> None:
...     check_user_agent(MyUsers())
"""

import numpy as np

from personagym_env.data.tables import IntArray
from personagym_env.protocols import Reaction, UserAgent, UserSessions

ROWS = 6
"""Sessions that the suite opens side by side."""


def check_user_agent(
    agent: UserAgent, *, slate_size: int = 5, rng: np.random.Generator | None = None, tolerance: float = 1e-4
) -> None:
    """Check everything that the protocol promises on a few random users and slates.

    Args:
        agent: the users.
        slate_size: places of the slates that are shown.
        rng: draws users and items; a generator seeded with 0 if None.
        tolerance: absolute difference up to which two probabilities count as the same answer; reduced-precision or
            batched arithmetic may need more than the default.

    Raises:
        AssertionError: a promise is broken; the message says which.
        ValueError: the agent is too small for the suite, or `slate_size` is below 2.
    """
    if slate_size < 2:
        raise ValueError(f"slate_size must be at least 2, got {slate_size}")
    if agent.n_users < 1 or agent.n_items < 2:
        raise ValueError(f"the suite needs 1 user and 2 items, the agent has {agent.n_users} and {agent.n_items}")
    rng = np.random.default_rng(0) if rng is None else rng
    _check_description(agent)
    _check_answers(agent, slate_size, rng)
    _check_purity(agent, slate_size, rng, tolerance)
    _check_independence(agent, slate_size, rng, tolerance)
    _check_sessions(agent, slate_size, rng, tolerance)


def _check_description(agent: UserAgent) -> None:
    assert isinstance(agent, UserAgent), f"{type(agent).__name__} lacks a member of the UserAgent protocol"
    assert isinstance(agent.name, str), f"name must be text, got {type(agent.name).__name__}"
    assert agent.name, "name must not be empty"
    assert len(agent.scale) >= 1, f"scale must have a rating at least, that of consumption, got {agent.scale}"
    assert list(agent.scale) == sorted(set(agent.scale)), f"scale must ascend, got {agent.scale}"


def _draw(agent: UserAgent, n: int, slate_size: int, rng: np.random.Generator) -> tuple[IntArray, IntArray]:
    """(n,) users and (n, k) slates."""
    return rng.integers(0, agent.n_users, n), rng.integers(0, agent.n_items, (n, slate_size))


def _started(agent: UserAgent, users: IntArray) -> UserSessions:
    sessions = agent.open(len(users))
    sessions.start(np.arange(len(users)), users)
    return sessions


def _same(first: Reaction, second: Reaction, tolerance: float, promise: str) -> None:
    for field, one, other in zip(Reaction._fields, first, second, strict=True):
        assert one.shape == other.shape, f"{promise}: {field} has shapes {one.shape} and {other.shape}"
        gap = float(np.abs(one - other).max(initial=0.0))
        assert gap <= tolerance, f"{promise}: {field} differs by {gap:.2e}, more than {tolerance:.0e}"


def _check_answers(agent: UserAgent, slate_size: int, rng: np.random.Generator) -> None:
    users, slates = _draw(agent, ROWS, slate_size, rng)
    choice_probability, rating = _started(agent, users).react(np.arange(ROWS), slates)
    shape = (ROWS, slate_size)
    assert choice_probability.shape == shape, (
        f"choice_probability must have shape {shape}, got {choice_probability.shape}"
    )
    assert rating.shape == (*shape, len(agent.scale)), (
        f"rating must have shape {(*shape, len(agent.scale))}, got {rating.shape}"
    )
    for name, values in (("choice_probability", choice_probability), ("rating", rating)):
        assert np.issubdtype(values.dtype, np.floating), f"{name} must be floating, got {values.dtype}"
        assert np.isfinite(values).all(), f"{name} must be finite"
    assert ((choice_probability > 0) & (choice_probability < 1)).all(), "want must lie strictly between 0 and 1"
    assert (rating >= 0).all(), "rating must not be negative"
    assert np.allclose(rating.sum(axis=-1), 1.0, atol=1e-4), "rating must sum to 1 over the scale"


def _check_purity(agent: UserAgent, slate_size: int, rng: np.random.Generator, tolerance: float) -> None:
    users, slates = _draw(agent, ROWS, slate_size, rng)
    rows, asked = np.arange(ROWS), slates.copy()
    sessions = _started(agent, users)
    first = sessions.react(rows, slates)
    kept = Reaction(first.choice_probability.copy(), first.rating.copy())
    sessions.react(rows, rng.integers(0, agent.n_items, slates.shape))
    _same(kept, first, 0.0, "an answer must not change after it was given (a reused buffer?)")
    _same(kept, sessions.react(rows, slates), tolerance, "react must change nothing, so asking twice is asking once")
    _same(kept, _started(agent, users).react(rows, slates), tolerance, "two openings must give the same answers")
    assert (asked == slates).all(), "react must not write into the slates"


def _check_independence(agent: UserAgent, slate_size: int, rng: np.random.Generator, tolerance: float) -> None:
    users, slates = _draw(agent, ROWS, slate_size, rng)
    rows = np.arange(ROWS)
    sessions = _started(agent, users)
    whole = sessions.react(rows, slates)

    order = rng.permutation(slate_size)
    shuffled = sessions.react(rows, slates[:, order])
    _same(
        Reaction(whole.choice_probability[:, order], whole.rating[:, order]),
        shuffled,
        tolerance,
        "the order of a slate must not matter",
    )
    others = slates.copy()
    others[:, 1:] = rng.integers(0, agent.n_items, others[:, 1:].shape)
    first = Reaction(whole.choice_probability[:, :1], whole.rating[:, :1])
    changed = sessions.react(rows, others)
    _same(
        first,
        Reaction(changed.choice_probability[:, :1], changed.rating[:, :1]),
        tolerance,
        "the other items must not matter",
    )
    _same(first, sessions.react(rows, slates[:, :1]), tolerance, "the size of a slate must not matter")

    repeated = sessions.react(rows, np.repeat(slates[:, :1], slate_size, axis=1))
    expected = Reaction(
        np.repeat(first.choice_probability, slate_size, axis=1), np.repeat(first.rating, slate_size, axis=1)
    )
    _same(expected, repeated, tolerance, "a repeated item must get the same answer in each place")

    subset = np.array([4, 1, 3])
    part = sessions.react(subset, slates[subset])
    _same(
        Reaction(whole.choice_probability[subset], whole.rating[subset]),
        part,
        tolerance,
        "the other rows must not matter",
    )
    for row in (0, ROWS - 1):
        alone = _started(agent, users[row : row + 1]).react(np.arange(1), slates[row : row + 1])
        one = Reaction(whole.choice_probability[row : row + 1], whole.rating[row : row + 1])
        _same(one, alone, tolerance, "a session must not depend on how many are open")


def _check_sessions(agent: UserAgent, slate_size: int, rng: np.random.Generator, tolerance: float) -> None:
    users, slates = _draw(agent, ROWS, slate_size, rng)
    rows = np.arange(ROWS)
    sessions = _started(agent, users)
    fresh = sessions.react(rows, slates)

    fed, untouched = np.array([2, 0]), np.array([1, 3, 4, 5])
    others = Reaction(fresh.choice_probability[untouched], fresh.rating[untouched])
    for _ in range(3):
        items = rng.integers(0, agent.n_items, len(fed))
        sessions.consume(fed, items, rng.integers(0, len(agent.scale), len(fed)))
    left = sessions.react(untouched, slates[untouched])
    _same(others, left, tolerance, "consume must affect no other row")

    sessions.start(fed, users[fed])
    left = sessions.react(untouched, slates[untouched])
    _same(others, left, tolerance, "start must affect no other row")
    _same(fresh, sessions.react(rows, slates), tolerance, "a restarted row must forget what it consumed")

    moved = (users + 1) % agent.n_users
    sessions.start(fed, moved[fed])
    expected = _started(agent, moved[fed]).react(np.arange(len(fed)), slates[fed])
    given = sessions.react(fed, slates[fed])
    _same(expected, given, tolerance, "a row restarted with another user must answer as that user")
