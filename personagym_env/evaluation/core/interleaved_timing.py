"""Ways of doing the same thing, timed in turns within one process, so that a disturbance of the machine hits each."""

import time
from collections.abc import Callable, Mapping
from typing import Literal

TimedCall = Callable[[], int]
"""Does something and says how many units of it."""
Clock = Literal["wall", "processor"]
"""Seconds that pass, as users feel them; or seconds that processors spend on this process, which other programs do not
stretch. With several threads the latter add up, their waiting for each other included: give it one thread."""
CLOCKS: Mapping[Clock, Callable[[], float]] = {"wall": time.perf_counter, "processor": time.process_time}


def interleaved_rates(
    ways: Mapping[str, TimedCall], repeats: int, seconds: float, clock: Clock = "wall"
) -> dict[str, list[float]]:
    """Units per second of each way in each repeat.

    Args:
        ways: what to time, by name.
        repeats: that count; one before them warms up.
        seconds: of a turn at least.
        clock: which seconds.
    """
    now = CLOCKS[clock]
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for repeat in range(repeats + 1):
        for name, work in ways.items():
            made, begin = 0, now()
            while now() - begin < seconds:
                made += work()
            if repeat:
                rates[name].append(made / (now() - begin))
    return rates
