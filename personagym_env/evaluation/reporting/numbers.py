"""Numbers as people read them in a page."""

import math

from personagym_env.evaluation.core.statistics import Interval
from personagym_env.evaluation.reporting.table import NOTHING


def signed(figure: str) -> str:
    """A number with the minus sign that typographers use."""
    return figure.replace("-", "−")


def number(value: float, digits: int = 3) -> str:
    """A number with enough digits to compare, and no more; a dash for NaN."""
    if math.isnan(value):
        return NOTHING
    return signed(f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.{digits if abs(value) < 10 else 1}f}")


def significant(value: float, digits: int = 3) -> str:
    """A number to so many significant digits."""
    return signed(f"{value:.{digits}g}")


def between(interval: Interval, digits: int = 2) -> str:
    """The interval in words."""
    return f"95 % in {number(interval.low, digits)} to {number(interval.high, digits)}"
