"""`personagym transfer`: logs that a base has not read, floors beside, and what is refused."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from personagym_benchmarks.cli.transfer import TransferCommand
from personagym_benchmarks.transfer.board import Transfer, transfer_tables
from personagym_benchmarks.transfer.settings import TransferSettings
from personagym_benchmarks.transfer.study import run
from personagym_env.data.export import write_atomic_files
from personagym_env.data.tables import Dataset
from personagym_env.run_context import RunContext


@pytest.fixture(scope="module")
def untimed_folder(tmp_path_factory: pytest.TempPathFactory, make_dataset: Callable[..., Dataset]) -> Path:
    return write_atomic_files(make_dataset(timed=False), tmp_path_factory.mktemp("data") / "untimed").parent


def test_every_population_has_a_row_and_a_difference(small_folder: Path, untimed_folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "transfer.json"
    folders = str(small_folder), str(untimed_folder)
    settings = TransferSettings(datasets=folders, agents=("bias", "zero-shot"), rows=20, negatives=5, resamples=50)
    TransferCommand(settings, output).main()
    study = Transfer.load(output)
    assert [one.hash is None for one in study.benchmarks.values()] == [False] * len(study.boards)
    assert len(study.boards) == 2
    assert len(list(transfer_tables(study))) == 4
    assert "since the log has no times" in study.boards[1].description
    for board in study.boards:
        *others, last = [row.population for row in board.rows]
        assert last == "zero-shot"
        assert set(board.differences) == set(others)
        assert board.held_out_rows <= 20
        figures = {row.population: row.figures for row in board.rows}
        assert set(figures["zero-shot"]) == {"rmse", "mae", "nll", "auc"}
        gap = figures["zero-shot"]["rmse"].value - figures["bias"]["rmse"].value
        assert board.differences["bias"]["rmse"].value == pytest.approx(gap)


def test_held_out_rows_are_not_told(small_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def load(name: str, dataset: Dataset, train):
        seen.append((dataset.interactions, train))
        return original(name, dataset, train)

    original = __import__("personagym_agents").load
    monkeypatch.setattr("personagym_agents.load", load)
    run(TransferSettings((str(small_folder),), ("bias",), resamples=5), RunContext())
    (told, train), *_ = seen
    assert len(told) == len(train)
    np.testing.assert_array_equal(told.items, train.items)


def test_odd_settings_are_named() -> None:
    with pytest.raises(ValueError, match="must not be empty"):
        TransferSettings(datasets=())
    with pytest.raises(ValueError, match="rows must be at least 1 or None, got 0"):
        TransferSettings(rows=0)


def test_rows_that_a_base_may_have_read_do_not_judge_it(small_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("personagym_agents.bundle.manifest.READ_LOG", (10, 60))
    with pytest.raises(ValueError, match="have read other rows of 'small'"):
        run(TransferSettings((str(small_folder),), ("zero-shot",)), RunContext())
