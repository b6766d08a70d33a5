"""Is there anything left that a group of users would know? What groups explain of errors that a model still makes.

An adapter per group can only learn what the members of a group have in common and the model does not say already. If a
correction by group, fitted to the errors about some users, does not bring the errors about others down, there is
nothing of the kind that the corrections can express, a shift by what is known of the item. An adapter could still learn
what they cannot express; it takes trained adapters to tell (`benchmarks/ablations/ablation.py`).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import Ridge
from sklearn.model_selection import GroupKFold

from personagym_env.data.tables import FloatArray, IntArray


@dataclass(frozen=True)
class GroupSignal:
    """Root mean squared errors, in rating points, on users that the corrections were not fitted to."""

    uncorrected: float
    common: float
    """With one correction for everybody, by what is known of the item."""
    grouped: float
    """With a correction for everybody and one for each group."""
    random: tuple[float, float]
    """2.5 % and 97.5 % quantile of `grouped` for random groups of the same sizes."""
    between_users: float
    """Variance of the users' mean errors, without chance: what an adapter per user could explain with its mean."""
    between_groups: float
    """The same of the groups."""


def group_signal(
    errors: FloatArray,
    users: IntArray,
    group: IntArray,
    features: FloatArray,
    rng: np.random.Generator,
    *,
    shuffles: int = 40,
    folds: int = 10,
    shrinkage: float = 20.0,
) -> GroupSignal:
    """Fit corrections to errors, by ridge regression, and judge them on the rows of other users.

    Args:
        errors: (n,) rating less expected rating of held-out rows.
        users: (n,) internal user ids.
        group: (u,) of each user, from 0.
        features: (n, f) what is known of the rows' items; a constant is added.
        rng: deals random groups.
        shuffles: random groupings.
        folds: of users.
        shrinkage: penalty of the ridge regression.
    """
    everybody = np.column_stack([np.ones(len(errors)), features])
    parts = list(GroupKFold(folds).split(everybody, groups=users))  # type: ignore[no-untyped-call]

    def error(columns: FloatArray) -> float:
        left = errors.copy()
        for fit, judge in parts:
            ridge = Ridge(shrinkage, fit_intercept=False)  # type: ignore[no-untyped-call]
            ridge.fit(columns[fit], errors[fit])
            left[judge] -= ridge.predict(columns[judge])  # type: ignore[no-untyped-call]
        return float(np.sqrt(np.mean(left**2)))

    def by_group(groups: IntArray) -> FloatArray:
        members = groups[users][:, None] == np.arange(group.max() + 1)
        return np.column_stack([everybody, *(everybody * one[:, None] for one in members.T)])

    dealt: Iterator[float] = (error(by_group(rng.permutation(group))) for _ in range(shuffles))
    low, high = np.quantile(list(dealt), [0.025, 0.975])
    return GroupSignal(
        uncorrected=float(np.sqrt(np.mean(errors**2))),
        common=error(everybody),
        grouped=error(by_group(group)),
        random=(float(low), float(high)),
        between_users=variance_between(errors, users),
        between_groups=variance_between(errors, group[users]),
    )


def variance_between(values: FloatArray, of: IntArray) -> float:
    """Variance of the means of classes, by the moments of the one-way random effects model (Searle et al. 1992).

    May be below 0 where classes differ less than chance would make them.
    """
    count = np.bincount(of)
    means = np.bincount(of, values) / np.maximum(count, 1)
    n, classes = len(values), int((count > 0).sum())
    within = float(((values - means[of]) ** 2).sum()) / (n - classes)
    between = float((count * (means - values.mean()) ** 2).sum()) / (classes - 1)
    return (between - within) / ((n - float((count**2).sum()) / n) / (classes - 1))
