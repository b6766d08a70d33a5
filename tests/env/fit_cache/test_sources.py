"""Sources as a hash: a module counts with all that it imports, and nothing else does."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from personagym_env.fit_cache import sources
from personagym_env.fit_cache.sources import imported_sources, sources_of

FILES = {
    "__init__": "from personagym_planted.unused import nothing\n",
    "fit": "import numpy\nfrom personagym_planted.model import fit\n",
    "model": "def fit():\n    from personagym_planted import lately, unused_name\n    return lately.value\n",
    "lately": "value = 1\n",
    "aside": "from personagym_planted.fit import fit\n",
    "unused": "nothing = None\n",
}


@pytest.fixture
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package in which `fit` imports `model`, and this, inside a function, `lately`."""
    folder = tmp_path / "personagym_planted"
    folder.mkdir()
    for name, text in FILES.items():
        (folder / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    yield folder
    sys.modules.pop("personagym_planted", None)


def told(*modules: str, apart: tuple[str, ...] = ()) -> str:
    sources.imported_sources.cache_clear()
    return imported_sources(
        *(f"personagym_planted.{module}" for module in modules),
        apart=tuple(f"personagym_planted.{module}" for module in apart),
    )


@pytest.mark.parametrize("edited", ["fit", "model", "lately", "__init__"])
def test_what_is_imported_counts(planted: Path, edited: str) -> None:
    before = told("fit")
    (planted / f"{edited}.py").write_text(FILES[edited] + "# edited\n")
    assert told("fit") != before
    (planted / f"{edited}.py").write_text(FILES[edited])
    assert told("fit") == before


def test_what_is_not_imported_does_not(planted: Path) -> None:
    before = told("fit"), told("model", apart=("lately",))
    (planted / "aside.py").write_text("anything = 1\n")
    (planted / "other.py").write_text("anything = 1\n")
    assert told("fit") == before[0]
    (planted / "lately.py").write_text("value = 2\n")
    assert told("fit") != before[0]
    assert told("model", apart=("lately",)) == before[1]


def test_libraries_count_by_their_versions(planted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = told("fit"), told("model")
    monkeypatch.setattr(sources, "version", lambda library: "99")
    assert told("fit") != before[0]
    assert told("model") == before[1]


def test_modules_that_are_not_there_are_named(planted: Path) -> None:
    with pytest.raises(ValueError, match=r"expected modules of this project, got personagym_planted\.nowhere"):
        told("fit", apart=("nowhere",))
    with pytest.raises(ValueError, match="got numpy"):
        imported_sources("numpy")


def test_sources_of_packages_are_told_apart() -> None:
    assert sources_of("personagym_env.fit_cache") != sources_of("personagym_env.data")
    assert sources_of("personagym_env.data") == sources_of("personagym_env.data")
