"""Fits that are kept: found again by all that decides them, shared between processes, never read when damaged."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from personagym_env.collaborative.factors import FactorModel, FactorSettings, fit_factors
from personagym_env.data.tables import Catalogue, Dataset, FloatArray, Interactions
from personagym_env.fit_cache import kept as kept_module
from personagym_env.fit_cache.kept import keeping_fits, kept
from personagym_env.world import make_world

runs: list[object] = []


@kept()
def fit_mean(
    log: Interactions, settings: FactorSettings | None = None, catalogue: Catalogue | None = None, rng: object = None
) -> dict[str, Any]:
    """A fit that says when it runs."""
    runs.append(log)
    return {"mean": float(log.ratings.mean()), "items": log.items}


@kept(FactorModel)
def fit_around(log: Interactions) -> tuple[FactorModel, object]:
    """A fit in which others run."""
    return fit_factors(log, FactorSettings(rank=1, sweeps=1)), fit_mean(log)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache folder, empty, in which every fit is worth a file."""
    monkeypatch.setenv("PERSONAGYM_CACHE", str(tmp_path))
    monkeypatch.setattr(kept_module, "LEAST_SECONDS", 0.0)
    runs.clear()
    return tmp_path / "fits"


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.safetensors"))


def test_a_fit_is_made_once_and_comes_back_equal(dataset: Dataset, folder: Path) -> None:
    log = dataset.interactions
    with keeping_fits():
        first, second = fit_mean(log), fit_mean(log)
    assert len(runs) == 1
    assert first["mean"] == second["mean"]
    np.testing.assert_array_equal(first["items"], second["items"])
    assert [path.name.partition("-")[0] for path in files(folder)] == ["fit_mean"]


def test_nothing_is_kept_outside(dataset: Dataset, folder: Path) -> None:
    fit_mean(dataset.interactions)
    with keeping_fits():
        pass
    fit_mean(dataset.interactions)
    assert len(runs) == 2
    assert not folder.exists()


def test_everything_that_decides_a_fit_tells_it_apart(
    dataset: Dataset, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, catalogue = dataset.interactions, dataset.catalogue
    other = replace(log, ratings=np.where(np.arange(len(log)) == 3, 1.0, log.ratings).astype(np.float32))
    assert other.fingerprint() != log.fingerprint()
    calls: list[tuple[object, ...]] = [
        (log,),
        (other,),
        (log, FactorSettings(rank=1)),
        (log, FactorSettings(rank=2)),
        (log, None, catalogue),
        (log, None, replace(catalogue, years=catalogue.years + 1)),
        *((log, None, None, array) for array in (np.arange(4), np.arange(4.0), np.arange(4).reshape(2, 2))),
        *((log, None, None, sparse.csr_array(np.eye(size))) for size in (2, 3)),
    ]
    with keeping_fits():
        for call in [*calls, *calls]:
            fit_mean(*call)  # type: ignore[arg-type]
        assert len(runs) == len(calls) == len(files(folder))
        monkeypatch.setattr(kept_module, "_computing", lambda fit, made_by: "sources that were changed")
        fit_mean(log)
    assert len(runs) == len(calls) + 1


@pytest.mark.parametrize("unknown", [np.random.default_rng(0), np.array([object()])])
def test_some_arguments_stand_for_no_hash(unknown: object, dataset: Dataset, folder: Path) -> None:
    with keeping_fits():
        for _ in range(2):
            fit_mean(dataset.interactions, rng=unknown)
    assert len(runs) == 2
    assert not folder.exists()


def test_fits_inside_a_fit_are_not_kept_twice(dataset: Dataset, folder: Path) -> None:
    with keeping_fits():
        fit_around(dataset.interactions)
        fit_mean(dataset.interactions)
    assert [path.name.partition("-")[0] for path in files(folder)] == ["fit_around", "fit_mean"]


def test_quick_fits_are_not_worth_a_file(dataset: Dataset, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_module, "LEAST_SECONDS", 1e9)
    with keeping_fits():
        fit_mean(dataset.interactions)
    assert files(folder) == []


@pytest.mark.parametrize("damage", [lambda content: content[:-1], lambda content: b"", lambda content: b"no fit" * 9])
def test_a_damaged_file_is_told_and_takes_no_part(
    dataset: Dataset, folder: Path, damage: Callable[[bytes], bytes]
) -> None:
    with keeping_fits():
        expected = fit_mean(dataset.interactions)
        (path,) = files(folder)
        path.write_bytes(damage(path.read_bytes()))
        with pytest.warns(UserWarning, match="is damaged .*: it is removed, and fitted again"):
            assert fit_mean(dataset.interactions)["mean"] == expected["mean"]
        assert fit_mean(dataset.interactions)["mean"] == expected["mean"]
    assert len(runs) == 2


def test_a_folder_that_cannot_be_written_is_told(dataset: Dataset, folder: Path) -> None:
    folder.write_text("a file in the folder's place")
    with keeping_fits(), pytest.warns(UserWarning, match="cannot be kept in .* PERSONAGYM_CACHE names another folder"):
        fit_mean(dataset.interactions)
    assert len(runs) == 1


def test_what_was_not_used_for_longest_makes_room(
    make_dataset: Callable[..., Dataset], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs = [make_dataset(n_users=n).interactions for n in (3, 4, 5)]
    with keeping_fits():
        for log in logs[:2]:
            fit_mean(log)
        first, second = (path for _, path in sorted((path.stat().st_size, path) for path in files(folder)))
        os.utime(second, (1, 1))
        monkeypatch.setattr(kept_module, "MOST_BYTES", 2 * second.stat().st_size + 100)
        fit_mean(logs[2])
        assert first in files(folder)
        assert second not in files(folder)
        fit_mean(logs[0])
    assert len(runs) == 3


def test_a_world_is_the_same_from_the_cache(dataset: Dataset, folder: Path) -> None:
    first, second = make_world(dataset, "mf"), make_world(dataset, "mf")
    assert {path.name.partition("-")[0] for path in files(folder)} == {"fit_named", "fit_sessions"}
    assert first.parameters == second.parameters
    assert repr(first.fit) == repr(second.fit)  # in which a number that is none equals itself
    assert first.benchmark_hash == second.benchmark_hash
    for ours, theirs in zip(first.agent.table, second.agent.table, strict=True):  # type: ignore[attr-defined]
        np.testing.assert_array_equal(ours, theirs)


PROGRAM = """
import sys, time, numpy as np
from pathlib import Path
from personagym_env.data.tables import Interactions
from personagym_env.fit_cache import kept as module
from personagym_env.fit_cache.kept import keeping_fits, kept

module.LEAST_SECONDS = 0.0

@kept()
def fit_slowly(log):
    with Path(sys.argv[1]).open("a") as file:
        file.write("ran\\n")
    time.sleep(0.3)
    return (log.items * 2,)

log = Interactions.from_columns(np.zeros(3, int), np.arange(3), np.ones(3), None, n_users=1, n_items=3, scale=(1.0,))
with keeping_fits():
    print(fit_slowly(log)[0].tolist())
"""


def test_one_of_several_processes_fits_and_the_others_read(tmp_path: Path) -> None:
    program, ran = tmp_path / "program.py", tmp_path / "ran"
    program.write_text(PROGRAM)
    command = [sys.executable, str(program), str(ran)]
    # The sources of the program are no package, so all processes agree on what computes.
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert [process.communicate(timeout=60)[0] for process in processes] == ["[0, 2, 4]\n"] * 3
    assert ran.read_text() == "ran\n"


def test_arrays_and_data_sets_are_known_by_what_they_hold(dataset: Dataset, folder: Path) -> None:
    @kept()
    def fit_both(known: Dataset, numbers: FloatArray) -> dict[str, Any]:
        runs.append(numbers)
        return {"sum": float(numbers.sum())}

    other = replace(dataset, users=replace(dataset.users, attributes={"age": ("9",) * len(dataset.users)}))
    with keeping_fits():
        for _ in range(2):
            for numbers in (np.arange(3.0), np.arange(3), np.arange(4.0)):
                fit_both(dataset, numbers)
            fit_both(replace(dataset), np.arange(3.0))
            fit_both(other, np.arange(3.0))
    assert len(runs) == 4
