"""The command line itself: what it costs to ask for help, and that mistakes are told in one line."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from personagym_benchmarks import cli
from personagym_benchmarks.console import DEBUG
from personagym_env.data.export import write_atomic_files
from personagym_env.data.tables import Dataset

HELP_SECONDS = 2.0
"""Processor time that the help may take."""


@pytest.fixture(scope="module")
def folder(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_atomic_files(dataset, tmp_path_factory.mktemp("data") / "films").parent


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    monkeypatch.setattr(sys, "argv", ["personagym", *words])
    cli.main()


def test_help_is_quick_and_loads_no_torch(slower: float) -> None:
    code = (
        "import sys; sys.argv = ['personagym', '--help']\n"
        "from personagym_benchmarks import cli\n"
        "try: cli.main()\n"
        "except SystemExit: pass\n"
        "sys.exit(bool({'torch', 'sklearn', 'matplotlib', 'recbole', 'transformers'} & set(sys.modules)))"
    )
    before = os.times()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    after = os.times()
    assert done.returncode == 0, done.stderr
    assert all(name in done.stdout for name in cli.COMMANDS)
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    assert spent < HELP_SECONDS * slower, f"the help took {spent:.1f} processor seconds"


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_every_command_has_help(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        run(monkeypatch, command, "--help")
    assert ended.value.code == 0
    assert f"personagym {command}" in capsys.readouterr().out


MISTAKES = [
    ("leaderboard --dataset nowhere", "nowhere"),
    ("leaderboard --dataset {folder} --contestants popular,ease", "no recommender is called 'popular,ease'"),
    ("leaderboard --dataset {folder} --agent nobody --contestants popular", "unknown users 'nobody'"),
    ("leaderboard --dataset {folder} --recommender nowhere.py:Mine", "no file nowhere.py"),
    ("agreement --dataset {folder} --bundles persona", "a bundle is given as name=path"),
    ("fidelity --dataset {folder} --splits weekly", "splits must be some of"),
    ("validation --dataset {folder} --agents nobody", "unknown users 'nobody'"),
    ("robustness --dataset {folder} --contestants best", "contestants must be some of"),
    ("train --dataset nowhere --output {folder}/made", "nowhere"),
    ("profile --dataset nowhere --output {folder}/made --model m --base-url http://localhost:9", "nowhere"),
    ("reasons --dataset nowhere --output {folder}/made --model m --base-url http://localhost:9", "nowhere"),
    ("reasons --dataset {folder} --users 0 --output {folder}/made --model m --base-url http://localhost:9", "in 1..12"),
    ("user 3 --dataset {folder} --agent bias", "'bias' users have no document"),
    ("interview 99 --dataset {folder} --agent bias --ask x", "user must lie in 0..11, got 99"),
    ("interview 1 --dataset {folder} --agent bias --base-url http://localhost:9", "give --model"),
    ("interviews --dataset nowhere", "nowhere"),
    ("instructions --dataset nowhere", "nowhere"),
    ("card --dataset {folder} --agent bias --robustness nowhere.json", "nowhere.json"),
    ("play --dataset {folder} --agent bias --user 99", "99"),
    ("report --results {folder}", "holds no results"),
]


@pytest.mark.parametrize(("words", "told"), MISTAKES, ids=[words.partition(" --dataset")[0] for words, _ in MISTAKES])
def test_mistakes_are_told_in_one_line(
    words: str,
    told: str,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        run(monkeypatch, *words.format(folder=folder).split())
    assert ended.value.code == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("personagym: ")
    assert told in line


def test_where_a_mistake_came_from_is_told_on_demand(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DEBUG, "1")
    with pytest.raises(ValueError, match="holds no results"):
        run(monkeypatch, "report", "--results", str(folder))
