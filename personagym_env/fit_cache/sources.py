"""The sources that a result depends on, as a hash: of whole packages, or of modules with all that they import."""

import ast
import functools
import sys
from hashlib import sha256
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_LIBRARIES = ("numpy", "scipy", "scikit-learn")
_DISTRIBUTIONS = {"sklearn": "scikit-learn", "PIL": "pillow"}
"""Import name to the name that a library is installed by, where they differ by more than a dash."""
_OURS = "personagym_"
_KEEPING = __name__.rpartition(".")[0]
"""Keeps results, and decides none of them."""


@functools.cache
def sources_of(*packages: str) -> str:
    """Hash of the sources of packages, and of the versions of the libraries that compute."""
    digest = sha256(repr([version(library) for library in _LIBRARIES]).encode())
    for package in packages:
        found = import_module(package)
        places = [Path(place) for place in getattr(found, "__path__", [])]
        sources = [path for place in places for path in sorted(place.rglob("*.py"))]
        for path in sources or [Path(str(found.__file__))]:
            digest.update(path.read_bytes())
    return digest.hexdigest()


@functools.cache
def imported_sources(*modules: str, apart: tuple[str, ...] = ()) -> str:
    """Hash of the sources of modules and of all that they import, through others too, and of the libraries among them.

    Imports inside functions count; what is imported by a name that the program makes up is not seen. Of a package that
    is imported for one of its modules, this module counts and not `__init__`.

    Args:
        *modules: of this project, by full name.
        apart: modules and packages that are not followed, and whose own sources do not count.

    Raises:
        ValueError: there is no such module.
    """
    if missing := [module for module in (*modules, *apart) if _file_of(module) is None]:
        raise ValueError(f"expected modules of this project, got {', '.join(missing)}")
    sources: dict[str, bytes] = {}
    libraries: set[str] = set()
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        if module in sources or any(f"{module}.".startswith(f"{one}.") for one in (*apart, _KEEPING)):
            continue
        path = _file_of(module)
        if path is None:
            libraries.add(module.partition(".")[0])
            continue
        sources[module] = path.read_bytes()
        waiting += _imports(sources[module])
    told = [(_version(library), library) for library in sorted(libraries - set(sys.stdlib_module_names))]
    digest = sha256(repr(told).encode())
    for module in sorted(sources):
        digest.update(module.encode() + sha256(sources[module]).digest())
    return digest.hexdigest()


def _file_of(module: str) -> Path | None:
    """Where a module of this project stands; None for others."""
    package, *parts = module.split(".")
    if not package.startswith(_OURS):
        return None
    base = Path(str(import_module(package).__file__)).parent.joinpath(*parts)
    candidates = (base.with_suffix(".py"), base / "__init__.py")
    return next((path for path in candidates if path.is_file()), None)


@functools.cache
def _imports(source: bytes) -> list[str]:
    """Full names of the modules that a source imports; names of a module's content stand for the module."""
    found: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            found += [name if _file_of(name) else node.module for name in names]
    return found


def _version(library: str) -> str | None:
    """None where it is not installed, or has none."""
    try:
        return version(_DISTRIBUTIONS.get(library, library))
    except PackageNotFoundError:
        return None
