"""Pieces of work come to the same results wherever they are done, also where machines are lost on the way."""

import ipaddress
import os
import signal
import sys
from operator import truediv
from pathlib import Path
from typing import Any

import pytest

from fixtures.small_logs import EPISODES, collect_small
from personagym_benchmarks.cli.collect import CollectCommand
from personagym_env.data.tables import Dataset
from personagym_env.workers import InTurn, RayWorkers, ThreadWorkers, Workers, all_done, ray_workers
from personagym_env.world import World, make_world
from personagym_recommenders import MostPopular
from personagym_recommenders.stochastic.plackett_luce import PlackettLuce

LOCAL = {"num_cpus": 1, "object_store_memory": 80 * 2**20}


def scaled(factor: int, task: int) -> int:
    if task == 13:
        raise ValueError("thirteen")
    return factor * task


@pytest.fixture(scope="module")
def world(dataset: Dataset) -> World:
    return make_world(dataset, "bias")


@pytest.fixture(scope="module")
def policy(world: World) -> PlackettLuce:
    return PlackettLuce(MostPopular(), 1.5).fit(world.train, world.dataset.catalogue)


def dying(mark: Path, task: int) -> int:
    """A piece whose process is killed the first time."""
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return task


def written(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("workers", [InTurn(), ThreadWorkers(1), ThreadWorkers(3)])
def test_all_pieces_are_done_and_errors_passed_on(workers: Workers) -> None:
    told: list[int] = []
    assert sorted(workers.done(scaled, 3, range(10))) == [(n, 3 * n) for n in range(10)]
    assert all_done(workers, scaled, 3, range(10), told.append) == [3 * n for n in range(10)]
    assert told == [1] * 10
    with pytest.raises(ValueError, match="thirteen"):
        list(workers.done(scaled, 3, range(10, 20)))


def test_a_log_is_the_same_whoever_plays_it(world: World, policy: PlackettLuce, tmp_path: Path) -> None:
    logs = []
    for threads in (1, 2, 7):
        folder = tmp_path / str(threads)
        collect_small(world, policy, folder, workers=ThreadWorkers(threads), episodes=4 * EPISODES)
        logs.append(written(folder))
    assert len(logs[0]) == 9
    assert logs[0] == logs[1] == logs[2]


def test_a_missing_ray_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ImportError, match=r"needs Ray: pip install 'personagym\[scale\]'"), ray_workers("local"):
        pass


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_log_is_the_same_on_a_cluster_that_loses_a_node(
    world: World, policy: PlackettLuce, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Three nodes, one of which is killed once the first part is there; later a worker process is killed too."""
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    collect_small(world, policy, tmp_path / "alone", workers=ThreadWorkers(1), episodes=10 * EPISODES)
    cluster = Cluster(initialize_head=True, head_node_args=LOCAL)
    try:
        nodes = [cluster.add_node(**LOCAL) for _ in range(2)]
        ray.init(address=cluster.address, log_to_driver=False)
        known = {node["NodeID"] for node in ray.nodes() if node["Alive"]}
        assert len(known) == 3
        workers, done = RayWorkers(), []

        def kill(episodes: int) -> None:
            if not done:
                cluster.remove_node(nodes[0], allow_graceful=False)
            done.append(episodes)

        collect_small(world, policy, tmp_path / "cluster", workers=workers, episodes=10 * EPISODES, progress=kill)
        killed = nodes[0].node_id
        with capsys.disabled():
            print(f"\npieces by node: {dict(workers.nodes)}; killed: {killed}")
        assert written(tmp_path / "cluster") == written(tmp_path / "alone")
        assert sum(done) == 10 * EPISODES
        assert killed in known
        assert set(workers.nodes) <= known
        assert sum(workers.nodes.values()) == len(written(tmp_path / "alone"))
        assert set(workers.nodes) - {killed}
        ray.cloudpickle.register_pickle_by_value(sys.modules[dying.__module__])  # which workers cannot import
        assert sorted(workers.done(dying, tmp_path / "mark", range(5))) == [(n, n) for n in range(5)]
        with pytest.raises(ZeroDivisionError) as error:
            list(RayWorkers().done(truediv, 6, (2, 1, 0)))
        assert error.value.__notes__ == ["in piece 3 of 3, on the cluster"]
    finally:
        ray.shutdown()
        cluster.shutdown()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_command_starts_a_cluster_of_its_own(small_log: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray")

    def collect(name: str, **options: Any) -> dict[str, bytes]:
        CollectCommand(
            "plackett-luce:popular",
            episodes=200,
            dataset=str(small_log),
            users="bias",
            slate_size=3,
            rows=8,
            output=tmp_path / name,
            **options,
        ).main()
        return {part: content for part, content in written(tmp_path / name).items() if part.startswith("part")}

    assert collect("cluster", ray="local") == collect("threads", workers=1)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_cluster_of_one_machine_listens_to_this_machine_alone() -> None:
    ray = pytest.importorskip("ray")
    with ray_workers("local", 1):
        addresses = [node["NodeManagerAddress"] for node in ray.nodes()]
        server = ray.get_runtime_context().gcs_address
    assert len(addresses) == 1
    assert all(ipaddress.ip_address(address).is_loopback for address in [*addresses, server.rpartition(":")[0]])
