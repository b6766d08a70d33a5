"""The conformance suite passes what keeps the protocol and catches each way of breaking it."""

import numpy as np
import pytest

from personagym_env.conformance.user_agent import check_user_agent
from personagym_env.protocols import Reaction


class _Wrapped:
    """An agent whose sessions pass through `spoil(sessions, rows, slates, reaction)`."""

    def __init__(self, inner, sessions_class) -> None:
        self.name, self.scale, self.n_users, self.n_items = inner.name, inner.scale, inner.n_users, inner.n_items
        self._inner, self._sessions_class = inner, sessions_class

    def open(self, n):
        return self._sessions_class(self._inner.open(n), n)


class _Sessions:
    """Passes everything on; subclasses break one promise each."""

    def __init__(self, inner, n) -> None:
        self.inner, self.n, self.asked = inner, n, 0

    def start(self, rows, users):
        self.inner.start(rows, users)

    def react(self, rows, slates):
        return self.inner.react(rows, slates)

    def consume(self, rows, items, ratings):
        self.inner.consume(rows, items, ratings)


class _WrongShape(_Sessions):
    def react(self, rows, slates):
        choice_probability, rating = super().react(rows, slates)
        return Reaction(choice_probability[:, :1], rating)


class _NotFinite(_Sessions):
    def react(self, rows, slates):
        choice_probability, rating = super().react(rows, slates)
        return Reaction(np.full_like(choice_probability, np.nan), rating)


class _Certain(_Sessions):
    def react(self, rows, slates):
        choice_probability, rating = super().react(rows, slates)
        return Reaction(np.ones_like(choice_probability), rating)


class _NoDistribution(_Sessions):
    def react(self, rows, slates):
        choice_probability, rating = super().react(rows, slates)
        return Reaction(choice_probability, rating * 0.9)


class _RemembersAsking(_Sessions):
    def react(self, rows, slates):
        choice_probability, rating = super().react(rows, slates)
        self.asked += 1
        return Reaction(choice_probability * 0.99**self.asked, rating)


class _ReusesItsBuffer(_Sessions):
    def react(self, rows, slates):
        choice_probability, rating = super().react(rows, slates)
        if not hasattr(self, "buffer") or self.buffer.shape != choice_probability.shape:
            self.buffer = np.empty_like(choice_probability)
        self.buffer[:] = choice_probability
        return Reaction(self.buffer, rating)


class _SlateContrast(_Sessions):
    def react(self, rows, slates):
        choice_probability, rating = super().react(rows, slates)
        return Reaction(choice_probability / (choice_probability.sum(axis=1, keepdims=True) + 1), rating)


class _LooksAtThePlace(_Sessions):
    def react(self, rows, slates):
        choice_probability, rating = super().react(rows, slates)
        return Reaction(choice_probability * 0.9 ** np.arange(choice_probability.shape[1]), rating)


class _LooksAtOtherRows(_Sessions):
    def react(self, rows, slates):
        choice_probability, rating = super().react(rows, slates)
        return Reaction(choice_probability / (1 + choice_probability.mean()), rating)


class _NeverForgets(_Sessions):
    def start(self, rows, users):
        consumed = self.inner.consumed[rows]
        super().start(rows, users)
        self.inner.consumed[rows] = consumed


class _FeedsEveryRow(_Sessions):
    def consume(self, rows, items, ratings):
        self.inner.consumed += 1


class _StartsEveryRow(_Sessions):
    def start(self, rows, users):
        self.inner.start(np.arange(self.n), np.full(self.n, users[0]))
        self.inner.start(rows, users)


class _ShufflesTheSlate(_Sessions):
    def react(self, rows, slates):
        slates.sort(axis=1)
        return super().react(rows, slates)


def test_a_sound_agent_passes(agent):
    check_user_agent(agent)
    check_user_agent(_Wrapped(agent, _Sessions), slate_size=2, rng=np.random.default_rng(5))


def test_one_user_and_two_items_are_enough(make_agent):
    check_user_agent(make_agent(1, 2, weariness=0.1))


@pytest.mark.parametrize(
    ("broken", "promise"),
    [
        (_WrongShape, "choice_probability must have shape"),
        (_NotFinite, "choice_probability must be finite"),
        (_Certain, "strictly between 0 and 1"),
        (_NoDistribution, "sum to 1"),
        (_RemembersAsking, "asking twice"),
        (_ReusesItsBuffer, "must not change after it was given"),
        (_SlateContrast, "other items must not matter"),
        (_LooksAtThePlace, "order of a slate"),
        (_LooksAtOtherRows, "must not matter"),
        (_NeverForgets, "must forget"),
        (_FeedsEveryRow, "consume must affect no other row"),
        (_StartsEveryRow, "start must affect no other row"),
        (_ShufflesTheSlate, "must not write into the slates"),
    ],
)
def test_each_broken_promise_is_named(agent, broken, promise):
    with pytest.raises(AssertionError, match=promise):
        check_user_agent(_Wrapped(agent, broken))


def test_a_descending_scale_is_caught(make_agent):
    with pytest.raises(AssertionError, match="scale must ascend"):
        check_user_agent(make_agent(scale=(5.0, 4.0, 3.0)))


def test_tolerance_is_the_callers(agent):
    class Trembling(_Sessions):
        def react(self, rows, slates):
            choice_probability, rating = super().react(rows, slates)
            self.asked += 1
            return Reaction(choice_probability * (1 - 1e-3 * (self.asked % 2)), rating)

    with pytest.raises(AssertionError, match="more than 1e-04"):
        check_user_agent(_Wrapped(agent, Trembling))
    check_user_agent(_Wrapped(agent, Trembling), tolerance=1e-2)


def test_too_small_a_slate_is_refused(agent):
    with pytest.raises(ValueError, match="slate_size must be at least 2"):
        check_user_agent(agent, slate_size=1)
