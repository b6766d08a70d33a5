"""A log as estimators read it: rewards, and how probable each slate was under the logging and the evaluation policy.

Shapes: d decisions, j sessions, k slate places.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from personagym_env.data.tables import BoolArray, FloatArray, IntArray
from personagym_env.protocols import Propensities

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class Decisions:
    """Logged decisions with the propensities of two policies, sessions one after the other."""

    session: IntArray
    """(d,) number of the session, from 0; a session's decisions stand together, in the order of its steps."""
    reward: FloatArray
    """(d,) what each decision earned."""
    place_reward: FloatArray | None
    """(d, k) what each place earned, which sums to the reward; None where rewards are not earned by places."""
    logging: Propensities
    """Of the policy that showed the slates; never 0, because it showed them. Unknown prefixes and marginals are NaN."""
    evaluation: Propensities
    """Of the policy whose value is asked for, in the same situations, for the same slates."""

    def __post_init__(self) -> None:
        d, k = self.logging.prefix.shape
        for name, policy in (("logging", self.logging), ("evaluation", self.evaluation)):
            if policy.joint.shape != (d,) or policy.prefix.shape != (d, k) or policy.marginal.shape != (d, k):
                raise ValueError(f"{name} propensities must be of {d} slates of {k}, got {policy!r}")
        if (
            self.session.shape != (d,)
            or not d
            or self.session[0] != 0
            or not np.isin(np.diff(self.session), (0, 1)).all()
        ):
            raise ValueError("sessions must be numbered from 0 in the order of the rows, without gaps")
        for part in (self.logging.joint, self.logging.prefix, self.logging.marginal):
            if (part <= 0).any() or np.isnan(self.logging.joint).any():
                raise ValueError(
                    f"logging propensities must be above 0, because the slates were shown; got {part.min()}"
                )
        if self.reward.shape != (d,) or not np.isfinite(self.reward).all():
            raise ValueError(f"rewards must be {d} finite numbers, got shape {self.reward.shape}")
        if self.place_reward is not None and not np.allclose(self.place_reward.sum(axis=1), self.reward):
            raise ValueError("the rewards of places must sum to those of the decisions")

    def __len__(self) -> int:
        return len(self.session)

    def __repr__(self) -> str:
        return f"Decisions({len(self)} in {self.n_sessions} sessions, slates of {self.logging.prefix.shape[1]})"

    @property
    def n_sessions(self) -> int:
        """How many sessions there are."""
        return int(self.session[-1]) + 1

    @cached_property
    def begins(self) -> BoolArray:
        """(d,) which decisions are the first of their session."""
        return np.append(True, self.session[1:] != self.session[:-1])

    @cached_property
    def first(self) -> IntArray:
        """(j,) where each session begins."""
        return np.flatnonzero(self.begins)

    @cached_property
    def last(self) -> IntArray:
        """(j,) where each session ends."""
        return np.append(self.first[1:], len(self)) - 1

    @cached_property
    def step(self) -> IntArray:
        """(d,) decisions before this one in its session."""
        return np.arange(len(self)) - self.first[self.session]

    @cached_property
    def joint_ratio(self) -> Floats:
        """(d,) importance weight of the slate: its propensity under the evaluation policy over the logged one."""
        return np.asarray(self.evaluation.joint / self.logging.joint, np.float64)

    @cached_property
    def prefix_ratio(self) -> Floats:
        """(d, k) importance weight of the items up to each place."""
        return _known_ratio("prefix", self.evaluation.prefix, self.logging.prefix)

    @cached_property
    def marginal_ratio(self) -> Floats:
        """(d, k) importance weight of the item at each place."""
        return _known_ratio("marginal", self.evaluation.marginal, self.logging.marginal)

    @cached_property
    def history_ratio(self) -> Floats:
        """(d,) importance weight of the session up to this decision: the product of its slates' weights."""
        product = self.joint_ratio.copy()
        for step in range(1, int(self.step.max()) + 1):
            rows = np.flatnonzero(self.step == step)
            product[rows] *= product[rows - 1]
        return product

    @cached_property
    def past_ratio(self) -> Floats:
        """(d,) importance weight of the session before this decision; 1 for the first."""
        return np.where(self.begins, 1.0, np.append(1.0, self.history_ratio[:-1]))

    def by_session(self, values: Floats) -> Floats:
        """(j, ...) sums of values (d, ...) over each session's decisions."""
        return np.asarray(np.add.reduceat(values, self.first, axis=0))

    def by_place(self, who: str) -> Floats:
        """(d, k) what each place earned, for an estimator `who` of single slates.

        Raises:
            ValueError: sessions have several decisions, or rewards are not earned by places.
        """
        self.only_single_decisions(who)
        if self.place_reward is None:
            raise ValueError(
                f"{who} needs to know which place earned what, and this log's rewards are for more than what was taken"
            )
        return np.asarray(self.place_reward, np.float64)

    def only_single_decisions(self, who: str) -> None:
        """Raise ValueError if sessions have several decisions, which estimator `who` does not know of."""
        if len(self) != self.n_sessions:
            raise ValueError(
                f"{who} is an estimator of single decisions, and sessions have up to {int(self.step.max()) + 1}: use "
                "per-decision IPS, fitted Q evaluation or the doubly robust estimator of sessions"
            )


def _known_ratio(name: str, evaluation: FloatArray, logging: FloatArray) -> Floats:
    ratio = np.asarray(evaluation / logging, np.float64)
    if np.isnan(ratio).any():
        raise ValueError(f"this estimator needs {name} propensities, and the log does not have them")
    return ratio
