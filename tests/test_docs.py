"""The README and the documentation: snippets run, commands work, tables are those of the results."""

import importlib.util
import json
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
import tyro

from personagym_benchmarks.cli import COMMANDS

ROOT = Path(__file__).parents[1]
README_LINES = 160
"""Longest README."""


def load_docs_tables() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_tables", ROOT / "benchmarks" / "docs_tables.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def blocks(page: Path, language: str) -> list[str]:
    """The code blocks of a page in one language."""
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


def commands(page: Path) -> list[str]:
    """The lines of a page's console blocks."""
    return [line for block in blocks(page, "console") for line in block.splitlines() if line.strip()]


docs_tables = load_docs_tables()
PAGES = docs_tables.pages()
README = ROOT / "README.md"
RUN = [command for command in commands(README) if command.startswith("personagym")]
PARSED = sorted({command for page in PAGES for command in commands(page) if command.startswith("personagym")})


SNIPPETS = {page.stem: blocks(page, "python") for page in PAGES if blocks(page, "python")}
RUN_SNIPPETS = """
import json, sys, traceback
failed = {}
for page, snippets in json.load(sys.stdin).items():
    try:
        for snippet in snippets:
            exec(snippet, {"__name__": "__main__"})
    except BaseException:
        failed[page] = traceback.format_exc()
print()
print(json.dumps(failed))
"""


@pytest.fixture(scope="module")
def failed() -> dict[str, str]:
    """Page to what its snippet that failed said; all run in one process, each in a namespace of its own."""
    done = subprocess.run(
        [sys.executable, "-c", RUN_SNIPPETS],
        input=json.dumps(SNIPPETS),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("page", SNIPPETS)
def test_snippets_run(page: str, failed: dict[str, str]) -> None:
    assert page not in failed, failed[page]


@pytest.mark.parametrize("command", PARSED)
def test_commands_are_understood(command: str) -> None:
    """Every command of every page has the options that it names; `--help` ends the process well."""
    words = shlex.split(command)[1:]
    if "--help" in words:
        with pytest.raises(SystemExit) as ended:
            tyro.extras.subcommand_cli_from_dict(COMMANDS, args=words)
        assert ended.value.code == 0
    else:
        assert isinstance(tyro.extras.subcommand_cli_from_dict(COMMANDS, args=words), COMMANDS[words[0]])  # type: ignore[arg-type]


SMALLER = {
    "train": ["--base", "small", "--training.epochs", "1", "--width", "64"],
    "leaderboard": ["--floors", "bias", "--users", "10", "--resamples", "100"],
}
"""Options behind those of a command, in whose place they are."""


@pytest.mark.parametrize("command", RUN)
def test_commands_of_the_readme_work(command: str, tmp_path: Path) -> None:
    words = shlex.split(command)
    if "path/to/folder" in words:
        write_log(tmp_path / "log")
        here = {"path/to/folder": str(tmp_path / "log"), "my-users": str(tmp_path / "my-users")}
        words = [here.get(word, word) for word in words] + ["--run", str(tmp_path / "run")]
    words += SMALLER.get(words[1], [])
    program = Path(sys.executable).parent / words[0]
    done = subprocess.run([str(program), *words[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert "my-users" not in command or (tmp_path / "my-users" / "manifest.json").exists()


def test_every_other_command_exists() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for command in {command for page in PAGES for command in commands(page)} - set(PARSED):
        program, *words = shlex.split(command)
        if program == "make":
            done = subprocess.run(["make", *words, "--dry-run"], cwd=ROOT, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
        elif program == "python":  # what examples do is tested in tests/test_examples.py
            assert (ROOT / words[0]).is_file(), command
        else:
            assert program == "pip", f"a page names a command that nothing checks: {command}"
            named = {extra for part in re.findall(r"\[(.*)\]", command) for extra in part.split(",")}
            assert named <= set(extras)


def write_log(folder: Path) -> None:
    """A small log in RecBole's format."""
    folder.mkdir(parents=True)
    rows = [
        f"u{user}\ti{(user * 7 + j * 3) % 50}\t{1 + (user + j * j) % 5}\t{j}" for user in range(30) for j in range(15)
    ]
    text = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n" + "\n".join(rows) + "\n"
    (folder / f"{folder.name}.inter").write_text(text)


def test_tables_are_those_of_the_results() -> None:
    made = docs_tables.tables()
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        assert docs_tables.fill(text, made) == text, f"{page.name}: run `make publish-results`"


def test_every_table_that_results_give_stands_on_a_page() -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert [name for name in docs_tables.tables() if f"<!-- {name} -->" not in text] == []


def test_a_marker_without_results_is_named() -> None:
    with pytest.raises(ValueError, match="no results give a table 'unknown'"):
        docs_tables.fill("<!-- unknown -->\n<!-- /unknown -->", {})
    with pytest.raises(ValueError, match="'known' has no end"):
        docs_tables.fill("<!-- known -->\n", {"known": "|"})


def test_the_readme_is_short() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) <= README_LINES
