"""Columns of a frame as text: whatever a cell may hold becomes text, or an error that names its row."""

import re
from collections.abc import Hashable, Mapping
from decimal import Decimal
from numbers import Number
from typing import Any

import numpy as np
import pandas as pd

from personagym_env.data.readers.table import Table

_UNWRITABLE = re.compile("[\0\ud800-\udfff]")
"""What no text file holds: NUL and halves of a surrogate pair."""
_EXACT = {2: 2**11, 4: 2**24, 8: 2**53}
"""Bytes of a float to the whole numbers from which on it leaves some out."""


def read_text(given: Table, column: str, joint: str | None) -> "pd.Series[Any]":
    """A column as categories of text.

    Missing values are empty. Whole numbers have no decimal point: missing values and joins make floats of them.

    Args:
        given: the frame as it came.
        column: which one.
        joint: what follows each part of a list, tuple, set or array; None for a column of ids, which cannot be lists.

    Raises:
        DataError: names the first row whose cell is no text, number, date or list of these.
    """
    series = given.frame[column]
    if isinstance(series.dtype, pd.CategoricalDtype):
        codes, values = series.cat.codes.to_numpy(), list(series.cat.categories)
    elif pd.api.types.is_numeric_dtype(series.dtype) or isinstance(series.dtype, pd.StringDtype):
        codes, distinct = pd.factorize(series)
        values = list(distinct)
    else:
        codes, values = np.arange(len(series)), list(series)
    if joint is None:
        _check_exact(given, series, column)
    texts = [_text_at(given, column, codes, place, value, joint) for place, value in enumerate(values)]
    if joint is None and series.dtype == object:
        _tell_mixed(given, column, series, texts)
    distinct_texts, position = np.unique(np.asarray([*texts, ""], object), return_inverse=True)
    return pd.Series(distinct_texts[position[codes]]).astype("category")


def _text_at(given: Table, column: str, codes: Any, place: int, value: object, joint: str | None) -> str:
    try:
        text = _text(value, joint)
    except (TypeError, ValueError, ArithmeticError) as error:
        raise given.error(_words(error), row=int(np.argmax(codes == place)), column=column) from error
    if strange := _UNWRITABLE.search(text):
        message = f"expected text, got the character {strange[0]!r}"
        raise given.error(message, row=int(np.argmax(codes == place)), column=column)
    return text


def _words(error: Exception) -> str:
    return f"expected a number, got one that is none ({error})" if isinstance(error, ArithmeticError) else str(error)


def _text(value: object, joint: str | None) -> str:
    """The text of a cell.

    Raises:
        TypeError: it is nothing that a cell may hold.
        ValueError: it cannot be written as text: bytes that are not UTF-8, a number of thousands of digits.
        ArithmeticError: a decimal that signals that it is no number.
    """
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value.item()
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode()
    if _is_list(value):
        if joint is None:
            raise TypeError(f"expected one value, got the {type(value).__name__} {value!r:.60}")
        parts = [_text(part, None) for part in value]  # type: ignore[attr-defined]
        ordered = sorted(parts) if isinstance(value, set | frozenset) else parts
        return "".join(part + joint for part in ordered if part).removesuffix("|")
    if isinstance(value, Mapping) or not isinstance(value, Hashable):
        raise TypeError(
            f"expected text, a number, a date or a list of these, got the {type(value).__name__} {value!r:.60}"
        )
    if pd.isna(value):  # type: ignore[call-overload]
        return ""
    return _number(value) if isinstance(value, Number) and not isinstance(value, bool) else str(value)


def _is_list(value: object) -> bool:
    kinds = (list, tuple, set, frozenset, np.ndarray, pd.Series, pd.Index, pd.api.extensions.ExtensionArray)
    return isinstance(value, kinds)


def _number(value: Any) -> str:
    if isinstance(value, Decimal | float | np.floating) and np.isfinite(float(value)) and value == int(value):
        return str(int(value))
    return str(value)


def _check_exact(given: Table, series: "pd.Series[Any]", column: str) -> None:
    """Refuse ids that lost digits when they became floats, as whole numbers do beside missing values."""
    if not pd.api.types.is_float_dtype(series.dtype):
        return
    values = series.to_numpy(np.float64, na_value=np.nan)
    lost = np.abs(values) >= _EXACT.get(getattr(series.dtype, "itemsize", 8), 2**53)
    if lost.any():
        row = int(np.argmax(lost))
        message = f"expected ids, got the number {values[row]:.0f} as {series.dtype}, which leaves out whole numbers"
        raise given.error(f"{message} of that size: keep ids as integers or text", row=row, column=column)


def _tell_mixed(given: Table, column: str, series: "pd.Series[Any]", texts: list[str]) -> None:
    """Note where one text comes from cells of two types, such as 1 and "1"."""
    kind: dict[str, type] = {}
    for row, (value, text) in enumerate(zip(series, texts, strict=True)):
        now = Number if isinstance(value, Number) else type(value)
        if kind.setdefault(text, now) is not now:
            given.note(f"ids of two types are taken for one: the number and the text {text!r}", row=row, column=column)
            return
