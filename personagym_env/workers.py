"""Where independent pieces of work are done: here, in threads, or on a Ray cluster, with the same results.

A piece is a function of what all pieces share and of a task, and draws nothing that these two do not decide. So it
does not matter who does it, when, and how often: a piece that was lost with its machine is done again elsewhere.
"""

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

import numpy as np

Shared = TypeVar("Shared")
Task = TypeVar("Task")
Done = TypeVar("Done")

IN_FLIGHT = 2
"""Pieces of a Ray cluster that are under way for each of its processors, so that few results wait in memory."""


class Workers(Protocol):
    """Those who do the work."""

    def done(
        self, work: Callable[[Shared, Task], Done], shared: Shared, tasks: Sequence[Task]
    ) -> Iterator[tuple[int, Done]]:
        """The number of each task and what came of it, in the order in which they are done.

        Args:
            work: a function of a module, so that other processes find it.
            shared: what all pieces need; it is not changed.
            tasks: what each piece needs besides.
        """
        ...


class InTurn:
    """This thread, one piece after the other."""

    def done(
        self, work: Callable[[Shared, Task], Done], shared: Shared, tasks: Sequence[Task]
    ) -> Iterator[tuple[int, Done]]:
        """See `Workers.done`."""
        return ((number, work(shared, task)) for number, task in enumerate(tasks))


class ThreadWorkers:
    """Threads of this process; None for one per core."""

    def __init__(self, threads: int | None = None) -> None:
        self.threads = threads or available_cores()

    def done(
        self, work: Callable[[Shared, Task], Done], shared: Shared, tasks: Sequence[Task]
    ) -> Iterator[tuple[int, Done]]:
        """See `Workers.done`."""
        with ThreadPoolExecutor(self.threads) as pool:
            numbers = {pool.submit(work, shared, task): number for number, task in enumerate(tasks)}
            try:
                for future in as_completed(numbers):
                    yield numbers[future], future.result()
            finally:
                pool.shutdown(cancel_futures=True)


class RayWorkers:
    """The processors of a Ray cluster that this process is connected to; its GPUs are shared out among them."""

    def __init__(self) -> None:
        self.nodes: Counter[str] = Counter()
        """Pieces that each node has done, by its id."""

    def done(
        self, work: Callable[[Shared, Task], Done], shared: Shared, tasks: Sequence[Task]
    ) -> Iterator[tuple[int, Done]]:
        """See `Workers.done`; what is shared goes into the object store once, and to each worker process once."""
        ray = _ray()
        held = ray.put(shared)
        # Pieces that are lost with their process or node are done again, those that fail are not.
        gpus = gpu_share(ray.cluster_resources())
        remote = ray.remote(max_retries=-1, retry_exceptions=False, num_gpus=gpus)(_do)
        waiting = list(enumerate(tasks))[::-1]
        running: dict[Any, int] = {}
        while waiting or running:
            room = IN_FLIGHT * max(1, int(ray.cluster_resources().get("CPU", 1)))
            while waiting and len(running) < room:
                number, task = waiting.pop()
                running[remote.remote(work, [held], task)] = number
            (reference,), _ = ray.wait(list(running), num_returns=1)
            number = running.pop(reference)
            try:
                node, result = ray.get(reference)
            except ray.exceptions.RayTaskError as error:
                error.cause.add_note(f"in piece {number + 1} of {len(tasks)}, on the cluster")
                raise error.cause from None
            self.nodes[node] += 1
            yield number, result


def all_done(
    workers: Workers | None,
    work: Callable[[Shared, Task], Done],
    shared: Shared,
    tasks: Sequence[Task],
    progress: Callable[[int], object] = lambda done: None,
) -> list[Done]:
    """What came of each task, in the order of the tasks; `progress` is told of each that is done.

    Without workers, this thread does one after the other.
    """
    found: dict[int, Done] = {}
    for number, result in (workers or InTurn()).done(work, shared, tasks):
        found[number] = result
        progress(1)
    return [found[number] for number in range(len(tasks))]


def own_arrays(state: dict[str, Any]) -> dict[str, Any]:
    """The state of an object that writes into its arrays: those that are mapped from an object store are copied.

    >>> mapped = np.arange(2)
    >>> mapped.flags.writeable = False
    >>> own_arrays({"table": mapped})["table"].flags.writeable
    True
    """
    mapped = {name: one for name, one in state.items() if isinstance(one, np.ndarray) and not one.flags.writeable}
    return state | {name: array.copy() for name, array in mapped.items()}


def gpu_share(resources: Mapping[str, float]) -> float:
    """What part of a GPU each piece takes, so that as many run at once as there are processors.

    >>> gpu_share({"CPU": 16, "GPU": 1}), gpu_share({"CPU": 2, "GPU": 8}), gpu_share({"CPU": 2})
    (0.0625, 1.0, 0.0)
    """
    share = resources.get("GPU", 0) / max(1, resources.get("CPU", 1))
    return float(min(1, int(share * 10_000) / 10_000))  # Ray counts in ten-thousandths


_LOOPBACK = "127.0.0.2" if sys.platform == "linux" else "127.0.0.1"
"""Where a cluster of one machine listens: on Linux Ray takes the usual name of it for the machine's outer address."""


@contextmanager
def ray_workers(address: str, processors: int | None = None) -> Iterator[RayWorkers]:
    """Workers of a cluster, which is left when the body ends.

    Args:
        address: `auto` for the cluster that runs on this machine, `local` for one of this machine's cores that is
            started for the body, or the address of a cluster.
        processors: of a `local` cluster; None for one per core.

    Raises:
        ImportError: Ray is missing.
        ConnectionError: there is no such cluster.
    """
    ray = _ray()
    # A cluster of this machine alone listens to this machine alone.
    alone: dict[str, Any] = {"include_dashboard": False, "_node_ip_address": _LOOPBACK, "num_cpus": processors}
    own = alone if address == "local" else {}
    ray.init(address=address, log_to_driver=False, **own)
    try:
        yield RayWorkers()
    finally:
        ray.shutdown()


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


_held: dict[str, Any] = {}
"""In a worker process, what the pieces share, by its place in the object store."""


def _do(work: Callable[[Any, Any], Any], held: list[Any], task: Any) -> tuple[str, Any]:
    """One piece, in a worker process of the cluster, and the node that it was done on."""
    ray, (reference,) = _ray(), held
    if reference.hex() not in _held:
        _held.clear()
        _held[reference.hex()] = ray.get(reference)
    return ray.get_runtime_context().get_node_id(), work(_held[reference.hex()], task)


def _ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise ImportError("a cluster needs Ray: pip install 'personagym[scale]'") from error
    return ray
