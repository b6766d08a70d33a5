"""Differences of two policies that met the same users with the same random draws."""

from dataclasses import dataclass

from personagym_env.evaluation.core.statistics import Interval


@dataclass(frozen=True)
class Difference:
    """What one policy has more than another, compared draw by draw."""

    left: str
    right: str
    value: Interval
    """Of left less right."""
