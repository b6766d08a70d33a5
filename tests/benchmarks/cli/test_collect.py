"""`personagym collect` writes a log of a data set's users, and says what cannot be logged."""

from pathlib import Path

import numpy as np
import pytest
import tyro

from personagym_benchmarks.cli.collect import CollectCommand
from personagym_env.data.export import write_atomic_files
from personagym_env.data.tables import Dataset
from personagym_env.logs.sessions import open_log


def collect(*options: str) -> None:
    tyro.cli(CollectCommand, args=list(options)).main()


def test_a_log_is_written_and_goes_on(dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_atomic_files(dataset, tmp_path / "small")
    where = ["--dataset", str(tmp_path / "small"), "--users", "bias", "--output", str(tmp_path / "log")]
    sizes = ["--slate-size", "3", "--candidates", "20", "--max-episode-steps", "5", "--rows", "4"]
    collect(*where, *sizes, "--episodes", "30", "--recommender", "plackett-luce:popular", "--temperature", "0.5")
    assert "30 episodes of PlackettLuce(MostPopular, 0.5)" in capsys.readouterr().out
    told = tmp_path / "turns.jsonl"
    collect(
        *(*where, *sizes, "--episodes", "40", "--recommender", "plackett-luce:popular", "--temperature", "0.5"),
        *("--trajectories", str(told)),
    )
    assert len(told.read_text(encoding="utf-8").splitlines()) == 40
    log = open_log(tmp_path / "log")
    np.testing.assert_array_equal(np.unique(log.read().episode), np.arange(40))
    assert log.header.slate_size == 3
    with pytest.raises(ValueError, match="does not draw its slates"):
        collect(*where, *sizes, "--recommender", "popular")
