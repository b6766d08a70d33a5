"""Interviews of a small log, as a study and as a conversation at the terminal."""

import io
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from personagym_benchmarks import cli
from personagym_benchmarks.interviews.settings import InterviewSettings
from personagym_benchmarks.interviews.study import run
from personagym_env.evaluation.interviews.board import Interviews
from personagym_env.evaluation.interviews.tables import statements_table
from personagym_env.evaluation.reporting.table import Cell
from personagym_env.run_context import RunContext


@pytest.fixture(scope="module")
def found(small_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Interviews:
    settings = InterviewSettings(dataset=str(small_folder), agent="bias", users=8, items=12, asked=3, resamples=50)
    return run(settings, RunContext(tmp_path_factory.mktemp("interviews"), "test"))


def test_every_kind_of_statement_is_judged(found: Interviews, tmp_path: Path) -> None:
    assert {(row.kind, row.filtered) for row in found.rows} >= {("likings", False), ("taste", True), ("items", False)}
    for row in found.rows:
        assert 0 <= row.judged <= row.claims
        assert row.gain.value == pytest.approx(row.borne_out.value - row.swapped.value, nan_ok=True)
        assert np.isnan(row.consistent.value) == (row.kind == "items") or not row.judged
    before, after = (next(row for row in found.rows if row.kind == "taste" and row.filtered == side) for side in (0, 1))
    assert after.claims <= before.claims
    found.save(tmp_path / "interviews.json")
    again = Interviews.load(tmp_path / "interviews.json")
    assert [row.cells[0] for row in statements_table(again).rows] == [Cell(row.kind) for row in found.rows]


def test_too_many_users_are_an_error(small_folder: Path, tmp_path: Path) -> None:
    settings = InterviewSettings(dataset=str(small_folder), agent="bias", users=99)
    with pytest.raises(ValueError, match="users must be at most the 10"):
        run(settings, RunContext(tmp_path, "test"))
    with pytest.raises(ValueError, match="users must be at least 2, got 1"):
        InterviewSettings(users=1).check()


def test_questions_come_from_options_or_a_pipe(
    small_folder: Path,
    shipped_small_bundle: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    small_data: Callable[..., object],
) -> None:
    def talk(*words: str, said: str = "") -> str:
        monkeypatch.setattr(sys, "argv", ["personagym", "interview", "3", "--dataset", str(small_folder), *words])
        monkeypatch.setattr(sys, "stdin", io.StringIO(said))
        cli.main()
        return capsys.readouterr().out

    asked = talk("--agent", "persona", "--ask", "What do you like?", "How was your last session?")
    assert asked.count("user 3> ") == 2
    assert "Last time I rated" in asked
    piped = talk("--agent", "bias", said="How was your last session?\n\nquit\nWhat do you like?\n")
    assert piped.count("user 3> ") == 1
    assert piped.splitlines()[-1] == asked.splitlines()[-1]
