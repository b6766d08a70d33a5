"""The README and the documentation: snippets run, commands exist, tables are those of the results, pages build."""

import importlib.util
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
import tyro

from personagym_benchmarks import cli

ROOT = Path(__file__).parents[1]
README_LINES = 160
"""Longest README."""


def _tables() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_tables", ROOT / "benchmarks" / "docs_tables.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def blocks(page: Path, language: str) -> list[str]:
    """The code blocks of a page in one language."""
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


docs_tables = _tables()
PAGES = docs_tables.pages()
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
COMMANDS = sorted(
    {line for page in PAGES for block in blocks(page, "console") for line in block.splitlines() if line.strip()}
)
RUN = [line for block in blocks(ROOT / "README.md", "console") for line in block.splitlines() if line.strip()]


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=lambda page: page.stem)
def test_snippets_run(page: Path) -> None:
    """All of a page in one process, one after the other, each beginning with nothing."""
    program = "\n".join(f"exec({snippet!r}, {{'__name__': '__main__'}})" for snippet in blocks(page, "python"))
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_exist(command: str) -> None:
    words = shlex.split(command)
    if words[0] == "make":
        done = subprocess.run([*words, "--dry-run"], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    elif words[0] == "pip":
        wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
        for extra in re.findall(r"\[(.*)\]", command):
            assert set(extra.split(",")) <= set(wanted)
    elif words[0] == "personagym" and "--help" not in words:
        assert tyro.extras.subcommand_cli_from_dict(cli.COMMANDS, args=words[1:]) is not None
    elif words[0] == "personagym":
        assert words[1] in cli.COMMANDS
    else:
        pytest.fail(f"a page names a command that nothing checks: {command}")
