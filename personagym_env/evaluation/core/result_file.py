"""Results on disk: JSON that is written whole or not at all, and read back only if it is what it should be."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from cattrs import ClassValidationError, ForbiddenExtraKeysError, transform_error
from cattrs.preconf.json import make_converter
from cattrs.v import format_exception

from personagym_env.benchmark import Benchmark
from personagym_env.files import write_atomically

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a study found, in plain values, and what one has to know to find it again.

    A study's own result is a frozen dataclass that inherits from this one; from its annotations it is written and read.
    """

    KIND: ClassVar[str]
    """What people call the result."""
    FORMAT: ClassVar[int]
    """Version of the layout, raised whenever older files can no longer be read."""
    COMMAND: ClassVar[str]
    """What a reader types to make the file again."""

    setting: Mapping[str, Any]
    """Seeds, sizes, data fingerprint and what else was chosen."""
    environment: Mapping[str, Any]
    """From `environment_snapshot`."""
    benchmarks: Mapping[str, Benchmark] = field(default_factory=dict)
    """What it was measured in, by name of the data set; empty where nobody wrote it down."""

    @property
    def benchmark_words(self) -> str:
        """What it was measured in, for people."""
        return "; ".join(map(str, self.benchmarks.values())) or "unknown, so nobody can tell what it may stand beside"

    def save(self, path: Path) -> None:
        """Write JSON; it has no NaN, for which null stands."""
        raw = {"kind": self.KIND, "format": self.FORMAT} | _CONVERTER.unstructure(self)
        write_atomically(path, json.dumps(raw, indent=1, ensure_ascii=False, allow_nan=False) + "\n")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            ValueError: the file is no such result, of another format, or lacks something.
        """
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"{path} is no {cls.KIND}: expected JSON, {error}") from error
        kind, version = (raw.pop(key, None) for key in ("kind", "format")) if isinstance(raw, dict) else (None, None)
        if kind not in (None, cls.KIND) or version is None:
            raise ValueError(f"{path} is no {cls.KIND}: its kind is {kind!r}, and its format {version!r}")
        if version != cls.FORMAT:
            raise ValueError(
                f"{path} has format {version}, and a {cls.KIND} of format {cls.FORMAT} is expected: make it again with "
                f"`{cls.COMMAND}`"
            )
        try:
            return _CONVERTER.structure(raw, cls)
        except ClassValidationError as error:
            raise ValueError(f"{path} is no {cls.KIND}: {faults(error)}") from None  # a chain of them would be long


def recorded(settings: "DataclassInstance") -> dict[str, Any]:
    """The settings of a run as its result records them: all but places on this machine."""
    return {name: value for name, value in asdict(settings).items() if not isinstance(value, Path)}


def faults(error: ClassValidationError) -> str:
    """What is wrong with data that became no dataclass: the first fault with its place, and how many more."""
    first, *others = transform_error(error, format_exception=_told)
    return first + (f" (and {len(others)} faults more)" if others else "")


def _told(error: BaseException, kind: type | None) -> str:
    """A fault for people: in its own words, if these are words."""
    return format_exception(error, kind) if isinstance(error, KeyError | ForbiddenExtraKeysError) else str(error)


def _number(value: Any, _: type[float]) -> float:
    """A number of JSON; null stands for NaN."""
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"expected a number, got {value!r}")
    return float(value)


def _exactly(value: Any, kind: type) -> Any:
    """A value that is of its kind already, where the converter would make one."""
    if type(value) is not kind:
        raise TypeError(f"expected {kind.__name__}, got {value!r}")
    return value


_CONVERTER = make_converter(forbid_extra_keys=True)
_CONVERTER.register_unstructure_hook(float, lambda value: None if math.isnan(value) else value)
_CONVERTER.register_structure_hook(float, _number)
for _kind in (bool, int, str):
    _CONVERTER.register_structure_hook(_kind, _exactly)
