"""Times of a log as seconds since 1970, whatever they were written in: what was converted is told, a guess is refused.

A log whose times are off by a factor looks like a log: sessions have one step each, or one session has them all. So
the unit is read off the values, and values that fit no unit, or several, are an error that says how to mend it.
"""

import re
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from personagym_env.data.readers.table import Table, as_text
from personagym_env.data.tables import LATEST_TIME, BoolArray, IntArray

_EXPECTED = "whole seconds since 1970"
_HINT = "milliseconds, microseconds, nanoseconds and ISO 8601 dates are read too"
_UNITS = (("seconds", 1), ("milliseconds", 10**3), ("microseconds", 10**6), ("nanoseconds", 10**9))
_UNIT_BOUNDS = (1e11, 1e14, 1e17)
"""Between the units: from 1995 to 2100 seconds have 9 or 10 digits, and each finer unit has three more."""
_EARLIEST = 788_918_400
"""1995: no log of ratings that is kept with times is older, so a finer unit must lead to later moments."""
_COARSE = (("years", (1995, 2101)), ("days", 86_400), ("hours", 3_600), ("minutes", 60))
"""What counts from 1970 in such units lies in a narrow band of small numbers."""
_CALENDAR = ((8, "%Y%m%d"), (14, "%Y%m%d%H%M%S"))
"""Digits of dates that are written as one number, and their format."""
_ISO = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?P<zone> ?(?:Z|UTC|[+-]\d\d(?::?\d\d)?))?)?")
_KNOWN_FROM = 100_000_000
"""Seconds (1973): a log most of whose times lie beyond counts from 1970, and a smaller one marks an unknown time."""


def read_times(log: Table, column: str) -> IntArray | None:
    """The (n,) times of a log in seconds since 1970; None, with a note, where all are equal and so tell nothing.

    Raises:
        DataError: names the first row whose time is missing, or is no time of the unit that the others are in.
    """
    series = log.frame[column].infer_objects()
    if pd.api.types.is_datetime64_any_dtype(series.dtype):
        seconds = _of_moments(series, log, column)
    elif (texts := _texts(series)) is not None and _are_dates(texts):
        seconds = _of_texts(texts, log, column)
    else:
        seconds = _of_numbers(log.numbers(column, _EXPECTED), log, column)
    if len(seconds) > 1 and (seconds == seconds[0]).all():
        log.note(f"all {len(seconds):,} times are equal, so the log is read as one without times", column=column)
        return None
    if not (seconds % 86_400).any() and len(np.unique(seconds)) < len(seconds):
        log.note("times are whole days: rows of a day stand in the order of the source", column=column)
    return seconds


def _texts(series: "pd.Series[Any]") -> "pd.Series[Any] | None":
    """The column as text; None if it holds numbers."""
    return (
        None
        if pd.api.types.is_numeric_dtype(series.dtype)
        else pd.Series([as_text(value) for value in series], dtype=object)
    )


def _are_dates(texts: "pd.Series[Any]") -> bool:
    """Whether more of the texts look like dates than like numbers."""
    looks = texts.str.match(r"\s*\d{4}-\d\d")
    return bool(looks.sum() > np.isfinite(pd.to_numeric(texts, errors="coerce")).sum())


def _of_moments(series: "pd.Series[Any]", log: Table, column: str) -> IntArray:
    if series.isna().any():
        row = int(np.argmax(series.isna()))
        raise log.error(f"expected a moment, got {series.iloc[row]!s}", row=row, column=column)
    return _seconds(pd.DatetimeIndex(pd.to_datetime(series, utc=True)))


def _seconds(moments: pd.DatetimeIndex) -> IntArray:
    return moments.tz_localize(None).to_numpy().astype("datetime64[s]").astype(np.int64)


def _of_texts(texts: "pd.Series[Any]", log: Table, column: str) -> IntArray:
    codes, distinct = pd.factorize(texts.str.strip())
    matches = [_ISO.fullmatch(text) for text in distinct]
    written = [re.sub(r" ?UTC$", "Z", text).replace(",", ".") for text in distinct]
    moments = pd.DatetimeIndex(pd.to_datetime(pd.Index(written), format="ISO8601", utc=True, errors="coerce"))
    bad = moments.isna() | np.array([match is None for match in matches])
    if bad.any():
        row = int(np.argmax(bad[codes]))
        message = (
            f"expected dates as ISO 8601 writes them, such as 2005-07-30 or 2005-07-30T21:15:00Z, got {texts[row]!r}"
        )
        raise log.error(message, row=row, column=column)
    zoned = np.array([match is not None and match["zone"] is not None for match in matches])
    if zoned.any() and not zoned.all():
        row = int(np.argmin(zoned[codes]))
        raise log.error(f"expected a time zone as in other rows, got {texts[row]!r}", row=row, column=column)
    log.note(f"text is read as {'dates with time zones' if zoned.any() else 'dates in UTC'}", column=column)
    return _seconds(moments)[codes]


def _of_numbers(values: npt.NDArray[Any], log: Table, column: str) -> IntArray:
    if (seconds := _of_calendar(values, log, column)) is not None:
        return seconds
    if values.dtype.kind == "f" and values.dtype.itemsize < 8 and np.abs(values).max() > 2**24:
        raise log.error(f"expected times of full precision, got {values.dtype}, which rounds them", column=column)
    _check_marks(values, log, column)
    unit = np.searchsorted(_UNIT_BOUNDS, np.abs(values.astype(np.float64)), side="right")
    usual = int(np.bincount(unit).argmax())
    if (unit != usual).any():
        row = int(np.argmax(unit != usual))
        message = (
            f"expected {_name(usual) if usual else 'whole seconds'} since 1970 as most rows have, got {values[row]}"
        )
        raise log.error(f"{message}, as {_name(int(unit[row]))} would look", row=row, column=column)
    return _whole_seconds(values, log, column) if usual == 0 else _of_unit(values, usual, log, column)


def _name(unit: int) -> str:
    return _UNITS[unit][0]


def _check_marks(values: npt.NDArray[Any], log: Table, column: str) -> None:
    """Refuse 0, negative and small numbers among present-day times: marks of an unknown time, not moments."""
    marks = values < _KNOWN_FROM
    if marks.any() and np.median(values) > _KNOWN_FROM:
        row = int(np.argmax(marks))
        message = f"expected {_EXPECTED}, got {values[row]}, which seems to mark an unknown time among later ones"
        raise log.error(f"{message}: leave out such rows, or the column", row=row, column=column)


def _whole_seconds(values: npt.NDArray[Any], log: Table, column: str) -> IntArray:
    good: BoolArray = np.asarray((values == np.floor(values)) & (values < LATEST_TIME))
    if not good.all():
        row = int(np.argmin(good))
        raise log.error(f"expected {_EXPECTED}, got {values[row]}; {_HINT}", row=row, column=column)
    for name, unit in _COARSE:
        low, high = unit if isinstance(unit, tuple) else (_EARLIEST / unit, LATEST_TIME / unit)
        if len(values) > 1 and values.min() >= low and values.max() < high and values.min() < values.max():
            message = f"expected {_EXPECTED}, got {values.min()} to {values.max()}, which looks like {name}"
            remedy = "give dates" if name == "years" else f"multiply them by {unit}"
            raise log.error(f"{message}: {remedy}, or subtract the first if they are seconds", column=column)
    return values.astype(np.int64)


def _of_unit(values: npt.NDArray[Any], unit: int, log: Table, column: str) -> IntArray:
    name, per_second = _UNITS[unit]
    whole = values // per_second
    strange = (whole < _EARLIEST) | (whole >= LATEST_TIME)
    if strange.any():
        row = int(np.argmax(strange))
        message = f"expected {_EXPECTED}, got {values[row]}, which as {name} is no moment from 1995 to 2100"
        raise log.error(f"{message}; {_HINT}", row=row, column=column)
    seconds = whole.astype(np.int64)
    first, last = (np.datetime64(int(moment), "s") for moment in (seconds.min(), seconds.max()))
    log.note(f"times are read as {name} since 1970 and kept in seconds: {first} to {last}", column=column)
    return seconds


def _of_calendar(values: npt.NDArray[Any], log: Table, column: str) -> IntArray | None:
    """Seconds of dates such as 20050730; None if the numbers are something else."""
    for digits, form in _CALENDAR:
        if len(values) and values.min() >= 19 * 10 ** (digits - 2) and values.max() < 21 * 10 ** (digits - 2):
            distinct, codes = np.unique(values, return_inverse=True)
            texts = pd.Index([f"{value:.0f}" for value in distinct])
            moments = pd.DatetimeIndex(pd.to_datetime(texts, format=form, utc=True, errors="coerce"))
            if not moments.isna().any() and (distinct == np.floor(distinct)).all():
                log.note(f"numbers of {digits} digits are read as dates, year first, in UTC", column=column)
                return _seconds(moments)[codes]
    return None
