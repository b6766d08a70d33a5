"""Ways in turns: all of them in each round, the first round left out."""

import time

import pytest

from personagym_env.evaluation.core.interleaved_timing import interleaved_rates


def test_every_round_has_all_ways_and_the_first_does_not_count() -> None:
    done: list[str] = []

    def way(name: str, units: int) -> int:
        done.append(name)
        time.sleep(0.002)
        return units

    rates = interleaved_rates({"one": lambda: way("one", 1), "ten": lambda: way("ten", 10)}, repeats=3, seconds=0.0005)
    assert done == ["one", "ten"] * 4
    assert [len(found) for found in rates.values()] == [3, 3]
    assert all(0 < rate <= 1 / 0.002 for rate in rates["one"])
    assert all(0 < rate <= 10 / 0.002 for rate in rates["ten"])


def test_processor_seconds_leave_out_waiting() -> None:
    def work() -> int:
        time.sleep(0.01)
        return sum(range(2_000)) and 1

    waited = interleaved_rates({"work": work}, repeats=1, seconds=0.0005)["work"][0]
    worked = interleaved_rates({"work": work}, repeats=1, seconds=0.0005, clock="processor")["work"][0]
    assert worked > 2 * waited
    with pytest.raises(KeyError):
        interleaved_rates({"work": work}, repeats=1, seconds=0.0, clock="sun")  # type: ignore[arg-type]
