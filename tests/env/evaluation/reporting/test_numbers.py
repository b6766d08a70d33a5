"""Numbers as pages show them."""

import math

import pytest

from personagym_env.evaluation.core.statistics import Interval
from personagym_env.evaluation.reporting.numbers import between, number, significant


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.12345, "0.123"), (-0.5, "−0.500"), (12.345, "12.3"), (1234.5, "1,234"), (math.nan, "–")],
)
def test_a_number_has_enough_digits_and_no_more(value: float, text: str) -> None:
    assert number(value) == text


def test_significant_digits_and_intervals() -> None:
    assert significant(-0.0123456) == "−0.0123"
    assert between(Interval(0.5, -0.25, 1.0)) == "95 % in −0.25 to 1.00"
