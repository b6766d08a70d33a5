"""Where the time of a call goes."""

import cProfile
import pstats
from collections.abc import Callable
from pathlib import Path


def time_shares(call: Callable[[], object], count: int = 5) -> dict[str, float]:
    """Shares of the time of one call that its functions spend themselves, the `count` largest, as `file:function`.

    The profiler slows Python functions more than calls of compiled ones: shares name the next bottleneck, no more.
    """
    profile = cProfile.Profile()
    profile.runcall(call)
    seconds: dict[str, float] = {}
    for (file, _, function), figures in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        name = f"{Path(file).name}:{function}"
        seconds[name] = seconds.get(name, 0.0) + figures[2]
    total = sum(seconds.values())
    return {name: seconds[name] / total for name in sorted(seconds, key=seconds.__getitem__, reverse=True)[:count]}
