"""Forked processes compute on one thread: a fork copies what a pool of threads waits for, but none of its threads.

GNU's OpenMP, with which torch, scikit-learn and others compute on Linux, then waits for ever, unless one thread is all
that it may use. Threads of a parent are no use to its children anyway: who forks a process for each core has none left.
"""

import multiprocessing
import os
import sys


def go_on_alone() -> None:
    """Let every OpenMP that is loaded, and torch, use the calling thread alone."""
    from threadpoolctl import threadpool_limits  # here, because few processes are forked

    threadpool_limits(1, user_api="openmp")  # type: ignore[no-untyped-call]
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)


def _forked() -> bool:
    """Whether `multiprocessing` has forked this process."""
    if multiprocessing.parent_process() is None:
        return False
    started = getattr(multiprocessing.current_process(), "_start_method", None) or multiprocessing.get_start_method()
    return started == "fork"


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=go_on_alone)
if _forked():
    # The parent may have computed before, without ever having loaded this package.
    go_on_alone()
