"""Packed passes side by side on the cores of a processor, each pass on one thread.

A small model's pass is a row of short operations. Shared among threads, each of them ends with all threads waiting for
the slowest, for milliseconds where other programs have a processor; a pass of its own keeps a thread busy all along.
"""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import TypeVar

import torch

_T = TypeVar("_T")


def side_by_side(jobs: Sequence[Callable[[], _T]], *, shared: bool = True) -> list[_T]:
    """What jobs without gradients return, in their order, computed on as many threads as torch has.

    A single job has all threads for itself, or one if it is not to be shared among them.
    """
    threads = torch.get_num_threads()
    if threads > 1 and len(jobs) == 1 and not shared:
        with one_thread():
            return [jobs[0]()]
    if threads == 1 or len(jobs) < 2:
        return [job() for job in jobs]
    return list(_pool(threads).map(_without_gradients, jobs))


@contextmanager
def one_thread() -> Iterator[None]:
    """Everything on the thread that calls, the one that profilers listen to; set and reset in no time."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@torch.no_grad()
def _without_gradients(job: Callable[[], _T]) -> _T:
    return job()


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    """Threads on each of which torch uses that thread alone; they are kept, because so are their work spaces."""
    pool, started = ThreadPoolExecutor(threads, "personagym"), threading.Barrier(threads)

    def begin() -> None:
        torch.get_num_threads()  # else the first operation of the thread would set the number of all others again
        torch.set_num_threads(1)
        started.wait()

    for begun in [pool.submit(begin) for _ in range(threads)]:
        begun.result()
    # The number holds for the thread that sets it and for all that begin later; those are not meant.
    torch.set_num_threads(threads)
    return pool


# A process that forks keeps its pools, but not their threads.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)
