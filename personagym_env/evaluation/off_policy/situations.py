"""Sessions of few candidates written down: all situations and slates, and how probable policies make them.

A policy that ranks fixed candidates sees in a session which of them have been taken, and nothing else. Where
candidates are few, these situations and their slates can be listed, so propensities are looked up, and expectations
over slates are sums. Shapes: u users, p candidates of each, k places, s slates of k, t sets of candidates that a
session can have taken, c columns (a set with a slate of what it leaves), q openings of slates, f features, d decisions.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np
import numpy.typing as npt

from personagym_env.data.tables import BoolArray, FloatArray, IntArray
from personagym_env.evaluation.off_policy.decisions import Floats
from personagym_env.evaluation.off_policy.pseudo_inverse import all_slates
from personagym_env.logs.decisions import LoggedDecisions
from personagym_env.protocols import NO_ITEM, Observation

Joint = Callable[[Observation, IntArray], npt.NDArray[np.floating]]
"""A policy's joint propensities (n,) of slates (n, k) in n situations."""
_BLOCK = 16_384
"""Slates whose propensities are asked for at once."""


@dataclass(frozen=True, eq=False, repr=False)
class Situations:
    """What sessions can come to: which candidates have been taken, and which slates are left."""

    items: IntArray
    """(u, p) candidates."""
    slates: IntArray
    """(s, k) positions of every slate of the candidates, from `all_slates`."""
    taken: BoolArray
    """(t, p) which candidates each set holds; the first set is empty."""

    @classmethod
    def of(cls, items: IntArray, k: int, steps: int) -> "Situations":
        """Of sessions of at most so many steps, each of which takes one candidate or none.

        Raises:
            ValueError: there are too many slates to list.
        """
        p = items.shape[1]
        sets = [one for size in range(steps) for one in combinations(range(p), size)]
        taken = np.zeros((len(sets), p), np.bool_)
        for row, one in zip(taken, sets, strict=True):
            row[list(one)] = True
        return cls(items, all_slates(p, k), taken)

    def __repr__(self) -> str:
        return f"Situations({len(self.items)} users, {len(self.taken)} sets of {self.items.shape[1]} candidates)"

    @cached_property
    def left(self) -> tuple[IntArray, ...]:
        """Numbers of the slates that each set leaves."""
        return tuple(np.flatnonzero(~one[self.slates].any(axis=1)) for one in self.taken)

    @cached_property
    def begin(self) -> IntArray:
        """(t + 1,) where each set's columns begin, and where the last one's end."""
        return np.append(0, np.cumsum([len(one) for one in self.left]))

    @cached_property
    def column(self) -> IntArray:
        """(t, s) the column of a set and a slate, -1 for slates that it does not leave."""
        found = np.full((len(self.taken), len(self.slates)), -1)
        for number, slates in enumerate(self.left):
            found[number, slates] = self.begin[number] + np.arange(len(slates))
        return found

    @cached_property
    def hot(self) -> Floats:
        """(s, k * p) 1 for each place's candidate."""
        k, p = self.slates.shape[1], self.items.shape[1]
        hot = np.zeros((len(self.slates), k * p))
        np.put_along_axis(hot, self.slates + p * np.arange(k), 1.0, axis=1)
        return hot

    @cached_property
    def opening(self) -> IntArray:
        """(s, k) number of the slate's items above each place; those of the first place are number 0."""
        found, begin = np.zeros(self.slates.shape, np.int64), 1
        for place in range(1, self.slates.shape[1]):
            _, same = np.unique(self.slates[:, :place], axis=0, return_inverse=True)
            found[:, place] = begin + same.reshape(-1)
            begin += int(same.max()) + 1
        return found

    def slate_numbers(self, positions: IntArray) -> IntArray:
        """(...) numbers of slates (..., k) of distinct candidates at these positions."""
        return np.asarray(self._by_code[positions @ self._digits])

    def set_numbers(self, bits: IntArray) -> IntArray:
        """(...) numbers of sets, each told as the sum of `2 ** position`."""
        numbers = np.full(1 << self.items.shape[1], -1)
        numbers[self.taken @ (1 << np.arange(self.items.shape[1]))] = np.arange(len(self.taken))
        return np.asarray(numbers[bits])

    def locate(self, log: LoggedDecisions) -> tuple[IntArray, IntArray]:
        """(d,) each: the set that each decision finds taken, and the slate that it shows.

        Raises:
            ValueError: a slate has an item that is not among the user's candidates.
        """
        same = self.items[log.user][:, None, :] == log.slate[:, :, None]  # (d, k, p)
        if not same.any(axis=2).all():
            row = int(np.argmin(same.any(axis=2).all(axis=1)))
            raise ValueError(f"row {row}: expected candidates of user {log.user[row]}, got {log.slate[row].tolist()}")
        positions = same.argmax(axis=2)
        clicked = np.take_along_axis(positions, np.maximum(log.click_place, 0)[:, None], axis=1)[:, 0]
        bit = np.where(log.click_place >= 0, 1 << clicked, 0)
        before = np.cumsum(bit) - bit
        return self.set_numbers(before - before[log.first[log.session]]), self.slate_numbers(positions)

    def observation(self, users: IntArray, number: int, profiles: FloatArray) -> Observation:
        """What a policy sees of users (n,) who have taken the candidates of a set."""
        taken = self.items[users][:, self.taken[number]].astype(np.int32)
        items = np.concatenate([taken, np.full((len(users), 1), NO_ITEM, np.int32)], axis=1)
        return Observation(
            user=users,
            profile=profiles[users],
            history_items=items,
            history_ratings=np.zeros(items.shape, np.float32),
            step=np.full(len(users), taken.shape[1]),
        )

    @cached_property
    def _digits(self) -> IntArray:
        return np.asarray(self.items.shape[1] ** np.arange(self.slates.shape[1]))

    @cached_property
    def _by_code(self) -> IntArray:
        numbers = np.full(self.items.shape[1] ** self.slates.shape[1], -1)
        numbers[self.slates @ self._digits] = np.arange(len(self.slates))
        return numbers


@dataclass(frozen=True, eq=False, repr=False)
class SlateTable:
    """A policy's propensities in all situations."""

    situations: Situations
    joint: Floats
    """(u, c)"""

    @classmethod
    def of(cls, policy: Joint, profiles: FloatArray, situations: Situations) -> "SlateTable":
        """Ask a policy.

        Args:
            policy: told of slates in situations, gives their propensities.
            profiles: (u, f) profile features of all users.
            situations: the policy's own: it draws from their candidates alone.
        """
        u = len(situations.items)
        joint = np.empty((u, situations.begin[-1]))
        for number, slates in enumerate(situations.left):
            positions = situations.slates[slates]
            each = max(1, _BLOCK // len(slates))
            for first in range(0, u, each):
                users = np.arange(first, min(first + each, u))
                shown = situations.items[users][:, positions].reshape(-1, positions.shape[1])
                asked = situations.observation(np.repeat(users, len(slates)), number, profiles)
                columns = slice(situations.begin[number], situations.begin[number + 1])
                joint[users, columns] = policy(asked, shown).reshape(len(users), -1)
        return cls(situations, joint)

    def __repr__(self) -> str:
        return f"SlateTable({self.situations!r})"

    def of_set(self, number: int) -> Floats:
        """(u, s') of the slates that a set leaves."""
        return self.joint[:, self.situations.begin[number] : self.situations.begin[number + 1]]

    def at_places(self, number: int) -> Floats:
        """(u, k, p) propensity of each candidate at each place, in the situation of a set."""
        situations = self.situations
        found = self.of_set(number) @ situations.hot[situations.left[number]]
        return np.asarray(found.reshape(len(found), situations.slates.shape[1], -1))

    def opening_prefix(self) -> Floats:
        """(u, s, k) prefix propensities of opening slates."""
        joint, opening = self.of_set(0), self.situations.opening
        found = np.empty((*joint.shape, opening.shape[1]))
        for place in range(1, opening.shape[1]):
            own = opening[:, place] - opening[:, place].min()
            same = (own[:, None] == np.arange(own.max() + 1)).astype(np.float64)
            found[:, :, place - 1] = (joint @ same)[:, own]
        found[:, :, -1] = joint
        return found

    def opening_marginal(self) -> Floats:
        """(u, s, k) marginal propensities of opening slates."""
        places = np.arange(self.situations.slates.shape[1])
        return self.at_places(0)[:, places, self.situations.slates]

    def next_item(self, features: Floats) -> Floats:
        """(u, q, f) expectation over the policy's item at a place, given the items above: see `Situations.opening`.

        Args:
            features: (u, p, f) of the candidates.
        """
        joint, slates, opening = self.of_set(0), self.situations.slates, self.situations.opening
        p, q = self.situations.items.shape[1], int(opening.max()) + 1
        mass = np.zeros((len(joint), q * p))
        for place in range(slates.shape[1]):
            code = opening[:, place] * p + slates[:, place]
            numbers, same = np.unique(code, return_inverse=True)
            hot = (same.reshape(-1)[:, None] == np.arange(len(numbers))).astype(np.float64)
            mass[:, numbers] += joint @ hot
        mass = mass.reshape(len(joint), q, p)
        total = mass.sum(axis=2, keepdims=True)
        return np.asarray(np.divide(mass, total, out=np.zeros_like(mass), where=total > 0) @ features)

    def seen_from(self, other: Situations) -> tuple[Floats, IntArray]:
        """What this policy does in another's situations, whose candidates it may lack.

        Returns:
            (u, c) its propensities of their slates, and (u, t) the number of its own set in each of their situations.
        """
        own = self.situations
        if own is other:
            return self.joint, np.broadcast_to(np.arange(len(own.taken)), (len(own.items), len(own.taken)))
        same = other.items[:, :, None] == own.items[:, None, :]  # (u, p, p)
        position = np.where(same.any(axis=2), same.argmax(axis=2), -1)  # (u, p)
        bits = np.where(position >= 0, 1 << np.maximum(position, 0), 0) @ other.taken.T.astype(np.int64)
        sets = own.set_numbers(bits)
        joint = np.zeros((len(own.items), other.begin[-1]))
        rows = np.arange(len(own.items))[:, None]
        for number, slates in enumerate(other.left):
            at = position[:, other.slates[slates]]  # (u, s', k)
            known: BoolArray = np.asarray((at >= 0).all(axis=2))
            numbers = np.where(known, own.slate_numbers(np.maximum(at, 0)), 0)
            column = own.column[sets[:, number][:, None], numbers]
            found = np.where(known & (column >= 0), self.joint[rows, np.maximum(column, 0)], 0.0)
            joint[:, other.begin[number] : other.begin[number + 1]] = found
        return joint, sets
