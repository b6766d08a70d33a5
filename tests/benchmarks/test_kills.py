"""Commands that are killed lose and spoil nothing, and the harness would notice if they did."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from kills.commands import COMMANDS, check_whole, digest, files_in
from kills.results import Kill, KilledCommand, Kills, kills_table
from personagym_env.evaluation.reporting.markdown import markdown

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "kills" / "kill.py"


@pytest.mark.slow
def test_commands_that_are_killed_come_to_the_same_result(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), "--moments", "2", "--output", str(tmp_path / "kill.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = Kills.load(tmp_path / "kill.json").commands
    assert [one.command for one in found] == list(COMMANDS)
    for one in found:
        assert one.faults == []
        assert 2 <= len(one.kills) <= 4
        assert {kill.digest for kill in one.kills} == {one.digest}


def test_results_agree_whatever_the_time_that_they_took(tmp_path: Path) -> None:
    made = []
    for number, (seconds, value) in enumerate([(1.0, 0.5), (2.0, 0.5), (1.0, 0.6)]):
        folder = tmp_path / str(number)
        (folder / "log").mkdir(parents=True)
        (folder / "log" / "part.npz").write_bytes(b"rows")
        (folder / "log" / ".part.npz.scratch").write_bytes(bytes([number]))
        rows = [{"fit_seconds": seconds, "value": value}]
        (folder / "board.json").write_text(json.dumps({"environment": {"cores": number}, "rows": rows}))
        made.append(digest(folder, ("board.json", "log")))
    assert made[0] == made[1] != made[2]
    assert [path.name for path in files_in(tmp_path / "0")] == ["board.json", "part.npz"]


@pytest.mark.parametrize(
    ("name", "content"), [("a.json", b'{"rows": [1, '), ("a.safetensors", b"\x00\x01"), ("a.html", b"<html>")]
)
def test_half_a_file_is_noticed(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match="is not whole"):
        check_whole(tmp_path / name)


def test_faults_are_told() -> None:
    kills = (
        Kill(0.5, True, {}, (), "a"),
        Kill(1.0, True, {"a.json": 1}, ("a.json",), "a"),
        Kill(1.5, True, {}, (), "b"),
    )
    assert KilledCommand("collect", 2.0, "a", kills).faults == [
        "collect killed after 1.00 s left half of a.json",
        "collect killed after 1.50 s came to another result when it was begun again",
    ]
    found = Kills(commands=(KilledCommand("collect", 2.0, "a", kills),), setting={}, environment={})
    assert markdown(kills_table(found)).splitlines()[-1] == "| `personagym collect` | 2 | 3 | 3 | 0 to 1 | 1 | 1 |"
