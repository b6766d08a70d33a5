"""Commands come to the same results, to the bit, whoever does the pieces of their work."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fixtures.workers import PickledWorkers
from kills.commands import COMMANDS, Command, digest, write_log
from personagym_agents.classical.users import fit_classical
from personagym_benchmarks import cli, display
from personagym_env.data.export import write_atomic_files
from personagym_env.data.tables import Dataset
from personagym_env.evaluation.core.pair_reactions import react_to_pairs
from personagym_env.workers import RayWorkers, Workers


def _words(command: str) -> tuple[str, ...]:
    return tuple(command.split())


_TRAIN = COMMANDS["train"]
SHORT = COMMANDS | {
    "train": Command((*_TRAIN.arguments, "--adapters.side-by-side", "1"), _TRAIN.results),
    "leaderboard": Command(
        _words(
            "leaderboard --dataset {log} --agent mf --floors bias --contestants random popular linucb --users 12 "
            "--resamples 20 --output leaderboard.json --report leaderboard.html"
        ),
        ("leaderboard.json",),
    ),
    "robustness": Command(
        _words(
            "robustness --dataset {log} --contestants random popular best-rated --judges bias --session-judges bias "
            "frozen:bias --users 4 --seeds 1 --resamples 10 --output robustness.json"
        ),
        ("robustness.json",),
    ),
    "fidelity": Command(
        _words(
            "fidelity --dataset {log} --splits temporal --agents bias mf --no-shipped --no-controls --resamples 20 "
            "--output fidelity.json"
        ),
        ("fidelity.json",),
    ),
    "off-policy": Command(
        _words(
            "off-policy --dataset {log} --users mf --pool 40000 --sizes 1000 --logs 4 --truth 2000 --resamples 20 "
            "--simulators 1 --candidates 6 --slate-size 3 --output off_policy.json"
        ),
        ("off_policy.json",),
    ),
}
COMPARED = ("leaderboard", "fidelity", "robustness", "off-policy", "agreement", "train")
QUICK = COMPARED[:1]
"""The others take more than a second, and are made of the same pieces."""


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_log(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def long_log(make_dataset: Callable[..., Dataset], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With held-out rows for every number of picks."""
    data = make_dataset(n_users=16, n_items=260, per_user=120)
    return write_atomic_files(data, tmp_path_factory.mktemp("data") / "long").parent


@pytest.fixture
def found(log: Path, long_log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """What a command finds, as a digest; with workers in place of a cluster, where they are given."""

    def run(name: str, workers: Workers | None = None) -> str:
        folder = tmp_path / f"{name}-{workers is not None}"
        folder.mkdir()
        argv = SHORT[name].argv(long_log if name == "robustness" else log, "")
        argv[2:2] = ["--ray", "local"]  # in both runs, because results keep the command

        @contextmanager
        def given(address: str) -> Iterator[Workers | None]:
            yield workers

        with monkeypatch.context() as patch:
            patch.chdir(folder)
            patch.setattr(display, "ray_workers", given)
            patch.setattr(sys, "argv", argv)
            cli.main()
        return digest(folder, SHORT[name].results)

    return run


@pytest.mark.parametrize("count", [1, 2, 7])
def test_questions_have_the_same_answers_whoever_asks_them(count: int, dataset: Dataset) -> None:
    log, workers = dataset.interactions, PickledWorkers(count)
    agent = fit_classical("bias", log, catalogue=dataset.catalogue)
    alone, shared = (react_to_pairs(agent, log.users, log.items, rows=1, workers=who) for who in (None, workers))
    assert np.count_nonzero(workers.done_by) > count / 2
    for left, right in zip(alone, shared, strict=True):
        np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in COMPARED]
)
def test_a_command_finds_the_same_whoever_does_its_pieces(name: str, found: Callable[..., str]) -> None:
    """Pieces in any order, by copies of everything, some of which are lost."""
    workers = PickledWorkers(2 if name in QUICK else 7)
    expected = found(name)
    assert found(name, workers) == expected
    assert sum(workers.done_by) > 0


class LosingWorkers(RayWorkers):
    """A cluster that loses a node once the first piece is done."""

    def __init__(self, lose: Callable[[], object]) -> None:
        super().__init__()
        self.lose: Callable[[], object] | None = lose

    def done(self, work: Any, shared: Any, tasks: Any) -> Iterator[tuple[int, Any]]:
        """See `Workers.done`."""
        for found in super().done(work, shared, tasks):
            if self.lose is not None:
                self.lose()
                self.lose = None
            yield found


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_commands_find_the_same_on_a_cluster_that_loses_a_node(
    found: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "object_store_memory": 80 * 2**20}
    expected = {name: found(name) for name in ("train", "leaderboard", "robustness")}
    cluster = Cluster(initialize_head=True, head_node_args=node)
    try:
        doomed, _ = cluster.add_node(**node), cluster.add_node(**node)
        ray.init(address=cluster.address, log_to_driver=False)
        workers = LosingWorkers(lambda: cluster.remove_node(doomed, allow_graceful=False))
        assert {name: found(name, workers) for name in expected} == expected
        with capsys.disabled():
            print(f"\npieces by node: {dict(workers.nodes)}; killed: {doomed.node_id}")
        assert len(set(workers.nodes) | {doomed.node_id}) == 3
    finally:
        ray.shutdown()
        cluster.shutdown()
