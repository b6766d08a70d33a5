"""Part files of a log: Parquet, written whole or not at all, the same bytes for the same decisions."""

import re
from pathlib import Path
from typing import Any

import numpy as np

from personagym_env.logs.episodes import Columns
from personagym_env.logs.schema import HEADER_KEY, LogHeader, pyarrow_module, schema

_NAME = re.compile(r"part-(\d{6})\.parquet")
_ROW_GROUP = 1 << 16


def part_path(folder: Path, number: int) -> Path:
    """Where part `number` stands."""
    return folder / f"part-{number:06d}.parquet"


def part_paths(folder: Path) -> list[Path]:
    """The parts of a log, in order.

    Raises:
        FileNotFoundError: there is none.
        ValueError: one is missing between others.
    """
    found = sorted(path for path in folder.glob("part-*.parquet") if _NAME.fullmatch(path.name))
    if not found:
        raise FileNotFoundError(f"no log in {folder}: expected files part-000000.parquet and so on")
    for number, path in enumerate(found):
        if path != part_path(folder, number):
            raise ValueError(f"{part_path(folder, number)} is missing, and later parts are there")
    return found


def part_bytes(header: LogHeader, columns: Columns) -> bytes:
    """The file of a part, from the columns of `play_part`, whose episodes have their numbers in the log."""
    pa, pq = pyarrow_module(), pyarrow_module("pyarrow.parquet")
    layout = schema(header)
    ends = np.append(0, np.cumsum(columns["length"]))
    arrays = []
    for field in layout:
        values = columns[field.name]
        if pa.types.is_fixed_size_list(field.type):
            flat = pa.array(np.ascontiguousarray(values).reshape(-1), field.type.value_type)
            arrays.append(pa.FixedSizeListArray.from_arrays(flat, type=field.type))
        elif pa.types.is_list(field.type):
            arrays.append(pa.ListArray.from_arrays(pa.array(ends, pa.int32()), pa.array(values, field.type.value_type)))
        else:
            arrays.append(pa.array(values, field.type))
    table = pa.Table.from_arrays(arrays, schema=layout)
    repeated = ["user", "episode", "rating", "reward", "next_history_items.list.element", "slate.list.element"]
    sink = pa.BufferOutputStream()
    pq.write_table(
        table,
        sink,
        row_group_size=_ROW_GROUP,
        compression="zstd",
        compression_level=1,
        use_dictionary=repeated,
        write_statistics=["episode", "step"],
    )
    return bytes(sink.getvalue())


def open_part(path: Path) -> Any:
    """A part as a `pyarrow.parquet.ParquetFile`.

    Raises:
        ValueError: the file is truncated or no Parquet file.
    """
    pa, pq = pyarrow_module(), pyarrow_module("pyarrow.parquet")
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowInvalid, pa.ArrowIOError, EOFError) as error:
        raise ValueError(f"{path} is truncated or no Parquet file: {error}") from error


def read_header(path: Path) -> LogHeader:
    """The header of a part.

    Raises:
        ValueError: the file is damaged, or was not written by this package.
    """
    with open_part(path) as file:
        metadata = file.schema_arrow.metadata or {}
    if HEADER_KEY not in metadata:
        raise ValueError(f"{path} has no header of PersonaGym: read a log from elsewhere with load_log")
    try:
        return LogHeader.from_json(metadata[HEADER_KEY])
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
