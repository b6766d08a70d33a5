"""Every snippet of the README runs, every command works, and every table is the one that the results give."""

import importlib.util
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
COMMANDS = [
    line
    for block in re.findall(r"```console\n(.*?)```", README, re.DOTALL)
    for line in block.splitlines()
    if line.strip()
]


@pytest.mark.parametrize("snippet", SNIPPETS, ids=lambda text: text.splitlines()[-1][:40])
def test_snippets_run(snippet: str) -> None:
    done = subprocess.run([sys.executable, "-c", snippet], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def run(command: list[str]) -> str:
    script = Path(sys.executable).parent / command[0]
    program = [sys.executable] if command[0] == "python" else [str(script)]
    done = subprocess.run([*program, *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_work(command: str, tmp_path: Path) -> None:
    words = shlex.split(command)
    if words[0] == "make":
        done = subprocess.run([*words, "--dry-run"], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    elif words[0] == "pip":
        wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
        for extra in re.findall(r"\[(.*)\]", command):
            assert set(extra.split(",")) <= set(wanted)
    elif "path/to/folder" in words:
        folder = ROOT / "runs" / "readme-data"
        write_log(folder)
        here = {"path/to/folder": str(folder), "my-users": str(tmp_path / "my-users")}
        run([here.get(word, word) for word in words] + ["--epochs", "1", "--run", str(tmp_path / "run")])
        assert (tmp_path / "my-users" / "manifest.json").exists()
    else:
        assert run(words).strip()


def write_log(folder: Path) -> None:
    """A small log in RecBole's format."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [
        f"u{user}\ti{(user * 7 + j * 3) % 50}\t{1 + (user + j * j) % 5}\t{j}" for user in range(30) for j in range(15)
    ]
    text = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n" + "\n".join(rows) + "\n"
    (folder / f"{folder.name}.inter").write_text(text)


def test_tables_are_those_of_the_results() -> None:
    spec = importlib.util.spec_from_file_location("readme", ROOT / "benchmarks" / "docs_tables.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.fill(README) == README, "run `python benchmarks/docs_tables.py`"
