"""Publishing copies from `runs/` what is published already or named, and nothing that is broken."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, whose tables are not filled."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    spec = importlib.util.spec_from_file_location("publish", BENCHMARKS / "publish.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "publish", module)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module.docs_tables, "main", lambda: print("tables filled"))
    return module


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    runs, results = tmp_path / "runs", tmp_path / "results"
    for place in (runs, results):
        place.mkdir()
    for name in ("growth.json", "kernels.json"):
        (runs / name).write_text('{"made": "again"}')
    (runs / "plot.svg").write_text("<svg/>")
    for name in ("growth.json", "engine.json", "plot.svg"):
        (results / name).write_text("{}")
    return {"runs": runs, "results": results}


def test_what_is_published_is_published_again(
    script: ModuleType, folders: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    script.main(script.Args(**folders))
    texts = {path.name: path.read_text() for path in folders["results"].iterdir()}
    assert texts == {"growth.json": '{"made": "again"}', "engine.json": "{}", "plot.svg": "<svg/>"}
    assert capsys.readouterr().out.endswith("tables filled\n")


def test_something_new_is_published_by_name(script: ModuleType, folders: dict[str, Path]) -> None:
    script.main(script.Args(files=("kernels.json",), **folders))
    assert (folders["results"] / "kernels.json").is_file()
    assert (folders["results"] / "growth.json").read_text() == "{}"


def test_what_is_missing_or_broken_is_refused_before_anything_is_copied(
    script: ModuleType, folders: dict[str, Path]
) -> None:
    with pytest.raises(ValueError, match=r"lacks engine\.json"):
        script.main(script.Args(files=("engine.json", "growth.json"), **folders))
    (folders["runs"] / "kernels.json").write_text('{"half')
    with pytest.raises(ValueError, match=r"kernels\.json is no JSON"):
        script.main(script.Args(files=("growth.json", "kernels.json"), **folders))
    assert (folders["results"] / "growth.json").read_text() == "{}"
    for path in folders["runs"].iterdir():
        path.unlink()
    with pytest.raises(ValueError, match=r"holds no result that is published: expected any of engine\.json"):
        script.main(script.Args(**folders))


def test_nothing_else_writes_the_published_results() -> None:
    """By default, commands and scripts write to `runs/`."""
    root = BENCHMARKS.parent
    writers = [*BENCHMARKS.rglob("*.py"), *(root / "examples").glob("*.py")]
    readers = {"docs_hooks.py", "docs_tables.py", "publish.py"}
    for path in writers:
        if path.name not in readers:
            text = path.read_text()
            assert "benchmarks/results" not in text, path
            assert '"results"' not in text, path
    commands = [line for line in (root / "Makefile").read_text().splitlines() if line.startswith("\t")]
    assert not any("benchmarks/results" in line for line in commands)
