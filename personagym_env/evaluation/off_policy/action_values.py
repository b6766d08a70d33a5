"""Linear action values, fitted to a log: regression of rewards for single decisions, fitted Q evaluation for sessions.

`Q(s, a) = features(s, a) . coefficients`, so its expectation under the evaluation policy is that of the features.
Shapes: d decisions, j sessions, g groups of sessions, f features, k slate places.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from personagym_env.data.tables import IntArray
from personagym_env.evaluation.off_policy.decisions import Decisions

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
    next_value: Floats
    """(g, f, f) sum of x y', where y are the expected features of the session's next decision, 0 for none."""
    reward: Floats
    """(g, f) sum of x r."""

    @classmethod
    def of(cls, decisions: Decisions, features: ActionFeatures, group: IntArray, n_groups: int) -> "Moments":
        """Add up by group (j,) of sessions."""
        x, f = features.logged, features.logged.shape[1]
        follows = np.append(~decisions.begins[1:], False)
        y = np.where(follows[:, None], np.append(features.expected[1:], np.zeros((1, f)), axis=0), 0.0)
        owner = group[decisions.session]
        order = np.argsort(owner, kind="stable")
        ends = np.searchsorted(owner[order], np.arange(n_groups + 1))
        made = cls(np.zeros((n_groups, f, f)), np.zeros((n_groups, f, f)), np.zeros((n_groups, f)))
        for g in range(n_groups):
            rows = order[ends[g] : ends[g + 1]]
            made.gram[g] = x[rows].T @ x[rows]
            made.next_value[g] = x[rows].T @ y[rows]
            made.reward[g] = x[rows].T @ decisions.reward[rows]
        return made

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
        gram = np.einsum("g,gab->ab", weights, self.gram) + ridge * np.eye(self.gram.shape[1])
        both = np.column_stack([weights @ self.reward, np.einsum("g,gab->ab", weights, self.next_value)])
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
