"""The notebooks of the documentation run from the first cell to the last, and say something."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))


def load_notebooks() -> ModuleType:
    spec = importlib.util.spec_from_file_location("notebooks", ROOT / "benchmarks" / "notebooks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


notebooks = load_notebooks()


def printed(notebook: dict[str, list[dict[str, list[dict[str, object]]]]]) -> list[bool]:
    """Of each cell, whether it printed something."""
    return [bool(cell.get("outputs")) for cell in notebook["cells"]]


@pytest.mark.slow
@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_notebooks_run(path: Path) -> None:
    stored = json.loads(path.read_text(encoding="utf-8"))
    again = json.loads(path.read_text(encoding="utf-8"))
    notebooks.run_notebook(again, path.stem)
    assert printed(again) == printed(stored), f"{path.name}: run `make notebooks`"


def test_a_cell_that_fails_is_named_and_others_see_what_it_left() -> None:
    cells = [{"cell_type": "code", "source": source} for source in ("x = 2", "print(x)", ["1 /", " 0"])]
    with pytest.raises(ZeroDivisionError) as error:
        notebooks.run_notebook({"cells": cells}, "some")
    assert "some, cell 3" in str(error.traceback[-1].path)
    assert cells[1]["outputs"][0]["text"] == ["2\n"]  # type: ignore[index]


def test_there_are_three_and_they_hold_outputs() -> None:
    assert [path.stem for path in PAGES] == ["meet_a_user", "train_offline_judge_deploy", "which_is_better"]
    assert all(any(printed(json.loads(path.read_text(encoding="utf-8")))) for path in PAGES)
