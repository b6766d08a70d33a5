"""Results on disk: JSON that is written whole or not at all, and read back only if it is what it should be."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from personagym_env.evaluation.core.statistics import Interval
from personagym_env.files import write_atomically

Result = TypeVar("Result")


def write_result(path: Path, layout: int, result: Any) -> None:
    """Write a dataclass, as of this version of its layout; JSON has no NaN, and null stands for it."""
    raw = _without_nan({"format": layout} | asdict(result))
    write_atomically(path, json.dumps(raw, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def read_result(path: Path, layout: int, what: str, make: Callable[[dict[str, Any]], Result]) -> Result:
    """Read what `write_result` wrote.

    Args:
        path: of the file.
        layout: the version that is expected.
        what: it should be, for people.
        make: from JSON's fields, without the version.

    Raises:
        ValueError: the file is no such thing, or of another version.
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        found = raw.pop("format", None)
        if found != layout:
            raise ValueError(f"format {found}, expected {layout}")
        return make(raw)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path.name} is no {what}: {error}") from error


def read_interval(raw: Sequence[float | None]) -> Interval:
    """An estimate, as JSON has it."""
    value, low, high = (math.nan if number is None else float(number) for number in raw)
    return Interval(value, low, high)


def read_intervals(raw: Mapping[str, Sequence[float | None]]) -> dict[str, Interval]:
    """Estimates by name, as JSON has them."""
    return {name: read_interval(entry) for name, entry in raw.items()}


def _without_nan(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_nan(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(entry) for entry in value]
    return None if isinstance(value, float) and math.isnan(value) else value
