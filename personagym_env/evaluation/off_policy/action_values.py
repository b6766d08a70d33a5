"""Linear action values, fitted to a log: regression of rewards for single decisions, fitted Q evaluation for sessions.

`Q(s, a) = features(s, a) . coefficients`, so its expectation under the evaluation policy is that of the features.
Shapes: d decisions, j sessions, g groups of sessions, f features, k slate places.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from personagym_env.data.tables import BoolArray, FloatArray, IntArray
from personagym_env.evaluation.off_policy.decisions import Decisions
from personagym_env.evaluation.off_policy.terms import sum_by_group

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ActionFeatures:
    """What an action-value model reads. With one feature, its own predictions, any model fits in."""

    logged: Floats
    """(d, f) of the slates that were shown."""
    expected: Floats
    """(d, f) expectation, in the same situations, over the slates of the evaluation policy."""

    def __post_init__(self) -> None:
        if self.logged.shape != self.expected.shape or self.logged.ndim != 2:
            raise ValueError(f"features need one shape (d, f), got {self.logged.shape} and {self.expected.shape}")


@dataclass(frozen=True, eq=False)
class Moments:
    """Sums that fitted Q evaluation reads, by group of sessions."""

    gram: Floats
    """(g, f, f) sum of x x'."""
    reward: Floats
    """(g, f) sum of x r."""
    next_value: Floats | None
    """(g, f, f) sum of x y', where y are the expected features of the session's next decision, 0 for none; None where
    no decision has a next one."""

    @classmethod
    def of(cls, decisions: Decisions, features: ActionFeatures, group: IntArray, n_groups: int) -> "Moments":
        """Add up by group (j,) of sessions."""
        owner = group[decisions.session]
        found = cls.of_rewards(features.logged, np.asarray(decisions.reward, np.float64), owner, n_groups)
        return found.with_next(decisions, features, group)

    @classmethod
    def of_places(cls, place_reward: FloatArray, places: Floats, owner: IntArray, n_groups: int) -> "Moments":
        """For a model of what a place and those below it earn, as in cascade-DR.

        Args:
            place_reward: (d, k) what each place earned.
            places: (d * k, f) features.
            owner: (d,) group of each decision.
            n_groups: how many groups there are.
        """
        below = np.cumsum(np.asarray(place_reward, np.float64)[:, ::-1], axis=1)[:, ::-1].reshape(-1)
        return cls.of_rewards(places, below, np.repeat(owner, place_reward.shape[1]), n_groups)

    @classmethod
    def of_rewards(cls, x: Floats, target: Floats, owner: IntArray, n_groups: int) -> "Moments":
        """Of features (d, f) and what they should tell (d,), by the group (d,) of each row, without a next decision."""
        f = x.shape[1]
        gram, reward = np.zeros((n_groups, f, f)), np.zeros((n_groups, f))
        for g, rows in _by_group(owner, n_groups):
            here = x[rows]
            gram[g], reward[g] = here.T @ here, here.T @ target[rows]
        return cls(gram, reward, None)

    def with_next(self, decisions: Decisions, features: ActionFeatures, group: IntArray) -> "Moments":
        """With what the evaluation policy would do next, where sessions have several decisions; group (j,)."""
        if decisions.begins.all():
            return self
        ahead = np.zeros_like(self.gram)
        for g, rows in _by_group(np.where(_follows(decisions), group[decisions.session], -1), len(self.gram)):
            ahead[g] = features.logged[rows].T @ features.expected[np.asarray(rows) + 1]
        return replace(self, next_value=ahead)

    @classmethod
    def joined(cls, parts: Sequence["Moments"]) -> "Moments":
        """Of the groups of all parts."""
        ahead = [part.next_value for part in parts if part.next_value is not None]
        return cls(
            np.concatenate([part.gram for part in parts]),
            np.concatenate([part.reward for part in parts]),
            np.concatenate(ahead) if ahead else None,
        )

    def take(self, rows: IntArray) -> "Moments":
        """Of some groups, which may repeat."""
        return Moments(self.gram[rows], self.reward[rows], None if self.next_value is None else self.next_value[rows])

    def grouped(self, group: IntArray, n_groups: int) -> "Moments":
        """The same by groups (g,) of groups."""
        ahead = None if self.next_value is None else sum_by_group(self.next_value, group, n_groups)
        return Moments(sum_by_group(self.gram, group, n_groups), sum_by_group(self.reward, group, n_groups), ahead)

    def coefficients(self, weights: Floats, steps: int, ridge: float = 1.0) -> Floats:
        """(f,) coefficients of fitted Q evaluation (Le, Voloshin, Yue, ICML 2019).

        From 0, the coefficients are regressed again and again on the reward plus what they say themselves of the next
        decision. With features that tell the steps apart, as many rounds as a session has steps are exact; with one
        round it is the regression of rewards.

        Args:
            weights: (g,) how often each group counts.
            steps: rounds.
            ridge: penalty on the square of the coefficients, as if so many decisions with features 1 had no reward.
        """
        f = self.gram.shape[1]
        gram = np.einsum("g,gab->ab", weights, self.gram) + ridge * np.eye(f)
        follows = np.zeros((f, f)) if self.next_value is None else np.einsum("g,gab->ab", weights, self.next_value)
        both = np.column_stack([weights @ self.reward, follows])
        solved = np.linalg.lstsq(gram, both, rcond=1e-12)[0]  # tables have states that no policy reaches
        immediate, ahead = solved[:, 0], solved[:, 1:]
        found = np.zeros_like(immediate)
        for _ in range(steps):
            found = immediate + ahead @ found
        return np.asarray(found)

    def cross_fitted(self, steps: int, ridge: float = 1.0, folds: int = 2) -> Floats:
        """(g, f) coefficients for each group, fitted on the folds that the group is not in: groups take turns."""
        n_groups = len(self.gram)
        if n_groups < folds:
            raise ValueError(f"{folds} folds need as many groups of sessions, got {n_groups}")
        fold = np.arange(n_groups) % folds
        by_fold = [self.coefficients((fold != one).astype(np.float64), steps, ridge) for one in range(folds)]
        return np.asarray(np.stack(by_fold)[fold])


def _follows(decisions: Decisions) -> BoolArray:
    """(d,) which decisions have a next one in their session."""
    return np.append(~decisions.begins[1:], False)


def _by_group(owner: IntArray, n_groups: int) -> Iterator[tuple[int, IntArray]]:
    """The rows of each group; those of no group belong to -1."""
    order = np.argsort(owner, kind="stable")
    ends = np.searchsorted(owner[order], np.arange(n_groups + 1))
    for g in range(n_groups):
        yield g, order[ends[g] : ends[g + 1]]
