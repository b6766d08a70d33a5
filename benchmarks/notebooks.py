"""Runs the notebooks of the documentation: `python benchmarks/notebooks.py` stores what their cells print in them.

Cells are run one after the other in a fresh namespace and an empty folder, as Jupyter would run them; what a cell shows
it prints. `benchmarks/docs_hooks.py` renders notebooks into the documentation, with what they printed.
"""

import io
import json
import os
import tempfile
from contextlib import chdir, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from personagym_benchmarks.console import mistakes_in_one_line
from personagym_env.files import write_atomically

NOTEBOOKS = Path(__file__).parent.parent / "docs" / "notebooks"


@dataclass(frozen=True)
class Args:
    """Which notebooks to run."""

    names: tyro.conf.Positional[tuple[str, ...]] = ()
    """Without suffix; all if none is given."""


def code_of(cell: dict[str, Any]) -> str:
    """The source of a cell as text."""
    source = cell["source"]
    return source if isinstance(source, str) else "".join(source)


def run_notebook(notebook: dict[str, Any], name: str) -> None:
    """Run all code cells, and put what they print in the place of what they printed before.

    Raises:
        Exception: whatever a cell raises.
    """
    namespace: dict[str, Any] = {"__name__": "__main__"}
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        number = 0
        for cell in notebook["cells"]:
            if cell["cell_type"] != "code":
                continue
            number += 1
            printed = io.StringIO()
            with redirect_stdout(printed):
                exec(compile(code_of(cell), f"{name}, cell {number}", "exec"), namespace)
            text = printed.getvalue().replace(os.path.realpath(folder), "")
            output = {"output_type": "stream", "name": "stdout", "text": text.splitlines(keepends=True)}
            cell["execution_count"], cell["outputs"] = number, [output] if text else []


def main(args: Args) -> None:
    """Run them and write them.

    Raises:
        ValueError: there is no such notebook.
    """
    found = {path.stem: path for path in sorted(NOTEBOOKS.glob("*.ipynb"))}
    if unknown := sorted(set(args.names) - set(found)):
        raise ValueError(f"no notebook {', '.join(unknown)}: expected some of {', '.join(found)}")
    for name in args.names or found:
        notebook = json.loads(found[name].read_text(encoding="utf-8"))
        run_notebook(notebook, name)
        write_atomically(found[name], json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")
        print(found[name].name)


if __name__ == "__main__":
    with mistakes_in_one_line("notebooks"):
        main(tyro.cli(Args, description=__doc__))
