"""A table as it comes from outside, and the error that points at a place in it."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from personagym_env.data.tables import IntArray
from personagym_env.text import one_line


class DataError(ValueError):
    """Data from outside is not what was expected; the message names the place, what was expected and what came.

    Attributes:
        source: file (or name of the frame) at fault.
        line: line of the file, counted from 1, or None where the fault is no single line's.
        column: name of the column, or None.
    """

    def __init__(self, source: str, message: str, *, line: int | None = None, column: str | None = None) -> None:
        super().__init__(f"{_place(source, line, column)}: {message}")
        self.source, self.line, self.column = source, line, column


class DataWarning(UserWarning):
    """Data from outside was read as something that its source does not say; the message names the place and what."""


def _place(source: str, line: int | None, column: str | None) -> str:
    return (
        one_line(source) + (f", line {line}" if line is not None else "") + (f", column {column!r}" if column else "")
    )


def as_text(value: object) -> str:
    """What a value prints as; Python prints no number of more than some thousand digits."""
    try:
        return str(value)
    except ValueError:
        return f"a number of type {type(value).__name__} with too many digits"


@dataclass(frozen=True, eq=False)
class Table:
    """Named columns of one source: numbers where numbers were asked for, else categories of text."""

    frame: pd.DataFrame
    source: str
    """File or frame that error messages name."""
    line_of: Callable[[int], int]
    """Row of `frame` to line of the source; slow, for error messages alone."""

    def __len__(self) -> int:
        return len(self.frame)

    def error(self, message: str, *, row: int | None = None, column: str | None = None) -> DataError:
        """The error that points at a row, counted from 0, and a column."""
        return DataError(self.source, message, line=None if row is None else self.line_of(row), column=column)

    def note(self, message: str, *, row: int | None = None, column: str | None = None) -> None:
        """Warn of how something was read, with the row, counted from 0, and the column that it was read from."""
        place = _place(self.source, None if row is None else self.line_of(row), column)
        warnings.warn(f"{place}: {message}", DataWarning, stacklevel=2)

    def codes(self, column: str) -> tuple[IntArray, list[str]]:
        """The (n,) position of each row's text in the list of distinct texts, and that list."""
        series = self.frame[column]
        if not isinstance(series.dtype, pd.CategoricalDtype):
            raise self.error("expected a column of text, got the column of numbers", column=column)
        return series.cat.codes.to_numpy().astype(np.int64), [str(text) for text in series.cat.categories]

    def text(self, column: str) -> npt.NDArray[np.object_]:
        """The (n,) texts of a column."""
        codes, texts = self.codes(column)
        return np.asarray(texts, object)[codes] if texts else np.zeros(0, object)

    def numbers(self, column: str, expected: str) -> npt.NDArray[Any]:
        """The (n,) values of a column that must hold finite numbers, as integers where all of them are.

        Raises:
            DataError: names the first row whose value is no finite number, and that value.
        """
        series = self.frame[column]
        real = pd.api.types.is_numeric_dtype(series.dtype) and not pd.api.types.is_complex_dtype(series.dtype)
        if real and not pd.api.types.is_bool_dtype(series.dtype):
            missing = series.isna().any()
            values = series.to_numpy(np.float64, na_value=np.nan) if missing else series.to_numpy()
        else:
            values = pd.to_numeric(np.array([as_text(value) for value in series], object), errors="coerce")
        finite = np.isfinite(values.astype(np.float64))
        if not finite.all():
            row = int(np.argmin(finite))
            raise self.error(f"expected {expected}, got {as_text(series.iloc[row])!r}", row=row, column=column)
        return values
