"""What processes hold in memory: this one, and all that it has started."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

import psutil

EVERY = 0.5
"""Seconds between two looks."""


def resident_and_private_mb() -> tuple[float, float]:
    """Mebibytes of this process: resident, and of these what no other process maps."""
    memory = psutil.Process().memory_full_info()
    return memory.rss / 2**20, memory.uss / 2**20


def family_gb() -> float:
    """Gibibytes of this process and all that descend from it, what several map being shared out among them."""
    this, total = psutil.Process(), 0
    for process in (this, *this.children(recursive=True)):
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):  # it has ended meanwhile
            memory = process.memory_full_info()
            total += getattr(memory, "pss", memory.uss)  # Linux alone tells how much of what is shared falls to each
    return total / 2**30


@dataclass
class Watch:
    """What was seen."""

    first_part: float | None = None
    """`time.perf_counter` when a part stood in the folder."""
    peak_gb: float = 0.0


@contextmanager
def watched(folder: Path) -> Iterator[Watch]:
    """Look at memory and at the parts of a log while the body runs."""
    watch, over = Watch(), Event()

    def look() -> None:
        while not over.wait(EVERY):
            watch.peak_gb = max(watch.peak_gb, family_gb())
            if watch.first_part is None and any(folder.glob("part-*")):
                watch.first_part = time.perf_counter()

    thread = Thread(target=look, daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        over.set()
        thread.join()
