"""Off-policy estimators held against the truth: what was measured, and how to keep it."""

from collections.abc import Mapping
from dataclasses import dataclass

from personagym_env.evaluation.core.result_file import Result
from personagym_env.evaluation.core.statistics import Interval


@dataclass(frozen=True)
class PolicyLine:
    """An evaluation policy and its true value."""

    name: str
    truth: float
    """Expected return of a session."""
    standard_error: float
    """Of the truth; 0 where it was computed."""
    supported: bool
    """Whether the logging policy can show all that it can."""
    overlap: float
    """Effective share of the pool's sessions that the policy's weights leave."""


@dataclass(frozen=True)
class CellLine:
    """One estimator on logs of one size about one policy."""

    policy: str
    estimator: str
    size: int
    rmse: float
    bias: float
    width: float
    """Of the 95 % interval, on average; NaN for an estimator without one."""
    coverage: float
    """Share of logs whose interval holds the truth; NaN for an estimator without one."""
    suffices: float
    """Share of logs whose estimate comes without a warning."""
    coverage_without_warning: float
    """Of those logs; NaN if there are none."""


@dataclass(frozen=True)
class OrderLine:
    """How well one estimator orders the policies, over logs of one size."""

    estimator: str
    size: int
    tau: Interval
    """Kendall's tau with the true order, policies within 3 % of the range not counted: median and 95 % of the logs."""
    regret: Interval
    """Share of the range of true values that is lost by deploying the policy with the highest estimate, among those
    without a warning where there are any: mean over logs, and 95 % of the logs."""


@dataclass(frozen=True)
class Study:
    """One kind of users and of logs."""

    users: str
    mode: str
    logging: str
    logging_value: float
    decisions_per_session: float
    policies: tuple[PolicyLine, ...]
    cells: tuple[CellLine, ...]
    orders: tuple[OrderLine, ...]


@dataclass(frozen=True)
class Goal:
    """A figure that was aimed at."""

    name: str
    aim: str
    found: str
    reached: bool


@dataclass(frozen=True, kw_only=True)
class OffPolicyBoard(Result):
    """Every estimator on every log against every policy's true value."""

    KIND = "off-policy study"
    FORMAT = 1
    COMMAND = "personagym off-policy"

    studies: tuple[Study, ...]
    recommended: Mapping[str, str]
    """Estimator to take, by mode."""
    goals: tuple[Goal, ...]
    seconds: float
    """Processor time that all closed-form estimators of all policies took on one log of a million decisions, on all
    cores together; NaN if no such log was asked for."""
