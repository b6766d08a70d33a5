"""Ways in turns: all of them in each round, the first round left out."""

import pytest

from personagym_env.evaluation.core.interleaved_timing import CLOCKS, interleaved_rates


class Clock:
    """Stands still until it is told that time has passed."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """What the clock shows."""
        return self.now


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> dict[str, Clock]:
    """In the place of the wall's and the processor's."""
    clocks = {name: Clock() for name in CLOCKS}
    for name, clock in clocks.items():
        monkeypatch.setitem(CLOCKS, name, clock)  # type: ignore[arg-type, misc]
    return clocks


def test_every_round_has_all_ways_and_the_first_does_not_count(clocks: dict[str, Clock]) -> None:
    done: list[str] = []

    def way(name: str, units: int) -> int:
        done.append(name)
        clocks["wall"].now += 1.0 if len(done) <= 2 else 0.25  # warming up takes longer
        return units

    rates = interleaved_rates({"one": lambda: way("one", 1), "ten": lambda: way("ten", 10)}, repeats=3, seconds=0.2)
    assert done == ["one", "ten"] * 4
    assert rates == {"one": [4.0] * 3, "ten": [40.0] * 3}


def test_a_turn_lasts_as_long_as_it_has_to(clocks: dict[str, Clock]) -> None:
    def work() -> int:
        clocks["wall"].now += 0.25
        return 2

    assert interleaved_rates({"work": work}, repeats=1, seconds=0.9) == {"work": [8.0]}


def test_processor_seconds_leave_out_waiting(clocks: dict[str, Clock]) -> None:
    def work() -> int:
        clocks["wall"].now += 2.0
        clocks["processor"].now += 0.5
        return 1

    assert interleaved_rates({"work": work}, repeats=1, seconds=0.1) == {"work": [0.5]}
    assert interleaved_rates({"work": work}, repeats=1, seconds=0.1, clock="processor") == {"work": [2.0]}
    with pytest.raises(KeyError):
        interleaved_rates({"work": work}, repeats=1, seconds=0.0, clock="sun")  # type: ignore[arg-type]
