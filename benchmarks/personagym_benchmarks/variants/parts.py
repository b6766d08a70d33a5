"""What a variant's figures depend on, and where they are kept: a study that was cut off goes on with the next one."""

import hashlib
import json
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from personagym_agents.variants import Variant
from personagym_agents.variants import __name__ as agents_room
from personagym_benchmarks.variants import __name__ as benchmarks_room
from personagym_benchmarks.variants.board import VariantPart

KEY = "key"
"""What a part's `setting` is compared by."""


def measuring_module(variant: Variant) -> str | None:
    """The module that has the variant's own measurements; None where there is none."""
    name = f"{benchmarks_room}.{variant.name.replace('-', '_')}"
    return name if find_spec(name) is not None else None


def key_of(told: object, variant: Variant | None) -> str:
    """Hash of all that decides a part: what is told, and the sources of the variant and of its measurements."""
    digest = hashlib.sha256(json.dumps([told, variant and variant.name], sort_keys=True, default=str).encode())
    if variant is not None:
        modules = [variant.entry_point.partition(":")[0], measuring_module(variant)]
        for name in sorted({found for module in modules if module is not None for found in _room_of(module)}):
            digest.update(Path(str(sys.modules[name].__file__)).read_bytes())
    return digest.hexdigest()


def _room_of(name: str) -> set[str]:
    """The module and what it imports, at whatever remove, from the rooms of the variants."""
    found, waiting = set[str](), [name]
    while waiting:
        module = waiting.pop()
        if module not in found and module.rpartition(".")[0] in (agents_room, benchmarks_room):
            found.add(module)
            waiting += _imported(import_module(module))
    return found


def _imported(module: ModuleType) -> Iterator[str]:
    for value in vars(module).values():
        yield value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None) or ""


def file_of(folder: Path, key: str) -> Path:
    """Where a finished part is kept."""
    return folder / "variants" / f"{key[:16]}.json"


def read_part(folder: Path, key: str) -> VariantPart | None:
    """What a run before this one found; None if none finished it, or the file is no such result."""
    try:
        found = VariantPart.load(file_of(folder, key))
    except (OSError, ValueError):
        return None
    return found if found.setting.get(KEY) == key else None
