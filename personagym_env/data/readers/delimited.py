"""Delimited text files, read whole and fast; lines are counted and looked up only for error messages."""

import csv
import io
import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from pandas.api.types import union_categoricals

from personagym_env.data.readers.table import DataError, Table
from personagym_env.text import listed

_Quoting = Literal[0, 3]

_BLOCK = 1 << 24
"""Bytes that are searched for separators at a time; bounds the memory of the field count."""
_OTHER_KINDS = {
    b"\x1f\x8b": "a gzip archive: unpack it",
    b"PK\x03\x04": "a zip archive: unpack it, or save a workbook as CSV",
    b"PAR1": "a Parquet file: read it with pandas and give its frame to `read_frame`",
    b"\xff\xfe": "UTF-16: save it as UTF-8",
    b"\xfe\xff": "UTF-16: save it as UTF-8",
}
"""First bytes of files of other kinds, and what to do about them."""
_ROWS = 1 << 20
"""Rows that are parsed at a time."""


def read_delimited(
    path: Path,
    *,
    separator: str,
    names: Sequence[str] | None = None,
    numbers: Collection[str] = (),
    encoding: Literal["utf-8", "latin-1"] = "utf-8",
    quoted: bool = True,
) -> Table:
    r"""Read a delimited text file and check that every line has the right number of fields.

    Args:
        path: the file.
        separator: what parts the fields; more than one character is allowed in files without quotes.
        names: the columns of a file without header; by default the first line names them. A type that follows a
            name after a colon, as in RecBole's `user_id:token`, is not part of the name.
        numbers: columns to parse as numbers, where the file has them.
        encoding: files that are said to be latin-1 are read as UTF-8 if they are valid UTF-8, since copies are often
            converted.
        quoted: whether a field that begins with `"` ends at the next lone `"`, as in CSV.

    Raises:
        DataError: no such file, empty, broken encoding, or a line with too few or too many fields.
    """
    data = _read_bytes(path)
    codec = _check_encoding(data, path, encoding)
    if len(separator) > 1:
        data, separator = _with_short_separator(data, separator, path)
    quoting: _Quoting = 0 if quoted else 3  # csv.QUOTE_MINIMAL, csv.QUOTE_NONE
    header = names is None
    columns = _header(data, separator, codec, quoting, path) if names is None else list(names)
    if header and b"\n" not in data:
        raise DataError(str(path), "expected rows below the header, got none")
    _check_fields(data, separator, len(columns), codec, quoting, path)
    has_quotes = quoted and b'"' in data

    def line_of(row: int) -> int:
        if not has_quotes:
            return row + 1 + header
        starts = (line for line, _ in _records(_read_bytes(path), separator, codec, quoting))
        return next(line for index, line in enumerate(starts) if index == row + header)

    text = [name for name in columns if name not in numbers]
    try:
        # Text is read in pieces and coded piece by piece, which bounds the memory that strings take. Pandas could read
        # categories itself, but makes numbers of them where it can, and "02139" would become 2139.
        chunks = pd.read_csv(
            io.BytesIO(data),
            sep=separator,
            header=None,
            names=columns,
            skiprows=int(header),
            dtype=dict.fromkeys(text, "str"),
            keep_default_na=False,
            quoting=quoting,
            encoding=codec,
            skip_blank_lines=False,
            low_memory=False,
            chunksize=_ROWS,
        )
        segments = [chunk.astype(dict.fromkeys(text, "category")) for chunk in chunks]
    except pd.errors.ParserError as error:  # with the fields counted, only a quote that never ends is left
        *_, (line, _) = _records(data, separator, codec, quoting)
        message = "expected the quoted field to end; the file seems to be cut off"
        raise DataError(str(path), message, line=line) from error
    frame = {name: _joined([segment[name] for segment in segments], name in numbers) for name in columns}
    return Table(pd.DataFrame(frame), str(path), line_of)


def _joined(segments: "list[pd.Series[Any]]", is_number: bool) -> "pd.Series[Any]":
    if is_number:
        return pd.concat(segments, ignore_index=True)
    return pd.Series(union_categoricals(segments))


def _read_bytes(path: Path) -> bytes:
    if not path.is_file():
        raise DataError(os.fspath(path), "expected a file here, and there is none")
    data = path.read_bytes()
    if kind := next((kind for mark, kind in _OTHER_KINDS.items() if data.startswith(mark)), None):
        raise DataError(str(path), f"expected a table of text, got {kind}")
    data = data.removeprefix(b"\xef\xbb\xbf").rstrip(b"\r\n")
    if not data:
        raise DataError(str(path), "expected a table, got an empty file")
    return data


def _check_encoding(data: bytes, path: Path, encoding: str) -> str:
    if (nul := data.find(b"\0")) >= 0:
        raise DataError(str(path), "expected text, got a NUL byte", line=data.count(b"\n", 0, nul) + 1)
    if data.isascii():
        return "utf-8"
    try:
        data.decode()
    except UnicodeDecodeError as error:
        if encoding == "utf-8":
            line = data.count(b"\n", 0, error.start) + 1
            message = f"expected UTF-8 text, got byte 0x{data[error.start]:02x}"
            raise DataError(str(path), message, line=line) from error
    else:
        return "utf-8"
    # Latin-1 gives every byte a meaning, but 0x80-0x9f are control characters that no title holds.
    for number, line_bytes in enumerate(data.split(b"\n"), start=1):
        if strange := next((byte for byte in line_bytes if 0x80 <= byte <= 0x9F), None):
            raise DataError(str(path), f"expected latin-1 text, got the control byte 0x{strange:02x}", line=number)
    return "latin-1"


def _with_short_separator(data: bytes, separator: str, path: Path) -> tuple[bytes, str]:
    """Put tabs in place of a long separator, because only parsers of one-character separators are fast."""
    if (tab := data.find(b"\t")) >= 0:
        message = f"expected fields parted by {separator!r}, got a tab"
        raise DataError(str(path), message, line=data.count(b"\n", 0, tab) + 1)
    return data.replace(separator.encode(), b"\t"), "\t"


def _records(data: bytes, separator: str, codec: str, quoting: _Quoting) -> Iterator[tuple[int, list[str]]]:
    """The line on which each record begins, and its fields; a slow, exact reading."""
    csv.field_size_limit(max(csv.field_size_limit(), len(data)))  # a title may have more than the module's 131,072
    reader = csv.reader(io.StringIO(data.decode(codec), newline=""), delimiter=separator, quoting=quoting)
    start = 1
    for record in reader:
        yield start, record
        start = reader.line_num + 1


def _header(data: bytes, separator: str, codec: str, quoting: _Quoting, path: Path) -> list[str]:
    names = [
        field.split(":")[0].strip() for field in next(_records(data.split(b"\n", 1)[0], separator, codec, quoting))[1]
    ]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled or "" in names:
        message = f"expected a header of distinct column names parted by {separator!r}, got {listed(names)}"
        raise DataError(str(path), message, line=1)
    return names


def _check_fields(data: bytes, separator: str, expected: int, codec: str, quoting: _Quoting, path: Path) -> None:
    if quoting == 0 and b'"' in data:
        bad = _bad_quoted_line(data, separator, expected, codec, path)
    else:
        if data.count(b"\r") != data.count(b"\r\n"):
            lone = data.replace(b"\r\n", b"\n\n").find(b"\r")
            line = data.count(b"\n", 0, lone) + 1
            raise DataError(str(path), "expected lines that end in a line feed, got a lone carriage return", line=line)
        bad = _bad_plain_line(data, separator, expected)
    if bad is None:
        return
    line, fields = bad
    at_end = fields < expected and line > data.count(b"\n")
    hint = "; it is the last line, so the file seems to be cut off" if at_end else ""
    message = f"expected {expected} fields parted by {separator!r}, got {fields}{hint}"
    raise DataError(str(path), message, line=line)


def _bad_quoted_line(data: bytes, separator: str, expected: int, codec: str, path: Path) -> tuple[int, int] | None:
    start = 1
    try:
        for start, record in _records(data, separator, codec, 0):
            if len(record) != expected:
                return start, len(record)
    except csv.Error as error:
        raise DataError(str(path), f"expected delimited text, got {error}", line=start) from error
    return None


def _bad_plain_line(data: bytes, separator: str, expected: int) -> tuple[int, int] | None:
    """First line with a wrong number of fields, and that number; counts separators without a loop over lines."""
    begin, lines = 0, 0
    while begin < len(data):
        end = len(data)
        if end - begin > _BLOCK:
            end = (data.find(b"\n", begin + _BLOCK) + 1) or end
        block = np.frombuffer(data, np.uint8, end - begin, begin)
        breaks = np.flatnonzero(block == ord("\n"))
        if not len(breaks) or breaks[-1] != len(block) - 1:
            breaks = np.append(breaks, len(block))
        separators = np.flatnonzero(block == ord(separator))
        fields = np.diff(np.searchsorted(separators, breaks), prepend=0) + 1
        if (fields != expected).any():
            row = int(np.argmax(fields != expected))
            return lines + row + 1, int(fields[row])
        begin, lines = end, lines + len(breaks)
    return None
