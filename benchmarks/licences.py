"""Writes the licences of all dependencies: `python benchmarks/licences.py` makes `docs/licences.md`.

It reads the metadata of the packages that are pinned in `constraints.txt`, in an environment that has them all.
"""

import re
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import NamedTuple

from personagym_env.evaluation.reporting.markdown import markdown
from personagym_env.evaluation.reporting.table import Cell, Row, Table, name_column, words_column
from personagym_env.files import write_atomically

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "licences.md"
READ = {"axe-playwright-python": "MIT", "torchrl": "MIT"}
"""Licences of packages whose metadata names none, as their licence files say."""
_LONGEST = 60
"""Characters of what is a name; more is the text of a licence."""
_HEAD = """# Licences

PersonaGym itself is under the MIT licence. It copies no code of what it depends on; these are the packages that the
results were measured with, as `constraints.txt` pins them, with the licence that each names
(`python benchmarks/licences.py`). `pip-audit -r constraints.txt --no-deps` looks these versions up in the databases of
known faults, where the network reaches them. Where it did not, the ten that read what others wrote or listen to a port
were looked up by name in the index on 28 November 2026: fastapi (released in November 2026), h11 (April 2025), httpx
(December 2024), Jinja2 (March 2025), pyarrow (November 2026), safetensors (June 2026), starlette (October 2026), torch
(July 2026), transformers (November 2026) and uvicorn (September 2026). None is withdrawn, all but torch and
transformers are the latest release, and the index names no known fault of any latest release; of the pinned torch and
transformers it told nothing.

"""


class Pinned(NamedTuple):
    """A package at a version."""

    name: str
    version: str


def pinned() -> list[Pinned]:
    """What `constraints.txt` pins."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return [Pinned(*line.split("==")) for line in lines if line and not line.startswith("#")]


def licence_of(package: str) -> str:
    """The licence that an installed package names.

    Raises:
        PackageNotFoundError: it is not installed.
        ValueError: it names none.
    """
    found = metadata(package)
    expression, named = ("".join(found.get_all(key, [])[:1]) for key in ("License-Expression", "License"))
    named = named.strip().split("\n")[0]
    classified = [line.split(" :: ")[-1] for line in found.get_all("Classifier", []) if line.startswith("License ::")]
    ways = [
        expression,
        " or ".join(name for name in classified if name != "DFSG approved"),
        named if re.search(r"[A-Za-z]", named) and len(named) <= _LONGEST and named != "UNKNOWN" else "",
        READ.get(package, ""),
    ]
    licence = next(filter(None, ways), None)
    if licence is None:
        raise ValueError(f"{package} names no licence: read it and add it to READ in {Path(__file__).name}")
    return licence


def page() -> str:
    """The page.

    Raises:
        ValueError: a package is missing, or names no licence.
    """
    rows = []
    for package, version in pinned():
        try:
            rows.append(Row((Cell(package), Cell(version), Cell(licence_of(package)))))
        except PackageNotFoundError as error:
            raise ValueError(f"{package} is not installed here: install what constraints.txt names first") from error
    columns = name_column("package"), words_column("version", "version"), words_column("licence", "licence")
    return _HEAD + markdown(Table.plain("Licences", columns, iter(rows))) + "\n"


if __name__ == "__main__":
    write_atomically(PAGE, page())
