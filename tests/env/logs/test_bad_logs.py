"""Each thing that can be wrong with a log is one error that names file and row."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from fixtures.small_logs import Collected
from personagym_env.logs.parts import part_bytes, part_path
from personagym_env.logs.schema import schema
from personagym_env.logs.sessions import open_log


def _columns(collected: Collected) -> dict[str, Any]:
    """The columns of part 0, as they were written."""
    part = open_log(collected.folder).parts[0]
    columns = {name: values.copy() for name, values in part.read(schema(collected.header).names).items()}
    for name in ("next_history_items", "next_history_ratings"):
        columns["length"] = np.array([len(one) for one in columns[name]])
        columns[name] = np.concatenate(columns[name])
    return columns


def _row_of(columns: dict[str, Any], step: int, clicked: bool = False) -> int:
    wanted = (columns["step"] == step) & ((columns["click_place"] >= 0) | (not clicked))
    return int(np.flatnonzero(wanted)[1])


def _again(columns: dict[str, Any]) -> int:
    """The first row of an episode which is made to show its user the slate that an earlier one began with."""
    openings = np.flatnonzero(columns["step"] == 0)
    for row in openings:
        if len(before := openings[(columns["user"][openings] == columns["user"][row]) & (openings < row)]):
            for name in ("slate", "propensity", "prefix", "marginal"):
                columns[name][row] = columns[name][before[0]]
            return int(row)
    raise AssertionError("no user has two episodes")


def _row_beside(columns: dict[str, Any]) -> int:
    """The first row of an episode whose user was shown another first item at the start of another one."""
    openings = np.flatnonzero(columns["step"] == 0)
    for row in openings:
        same = openings[columns["user"][openings] == columns["user"][row]]
        if len(np.unique(columns["slate"][same, 0])) > 1:
            return int(row)
    raise AssertionError("no user was shown two first items")


def _spoilt(columns: dict[str, Any], what: str) -> int:
    """Spoil one thing; gives the row that an error should name."""
    row = _row_of(columns, 1, clicked=True)
    if what == "unknown item":
        columns["slate"][row, 1] = 80
    elif what == "repeated item":
        columns["slate"][row, 2] = columns["slate"][row, 0]
    elif what == "unknown user":
        columns["user"][row] = -1
    elif what == "shuffled":
        for name in ("episode", "step"):
            columns[name][[row, row - 1]] = columns[name][[row - 1, row]]
        row -= 1
    elif what == "lost row":
        columns["step"][row:] += (columns["episode"][row:] == columns["episode"][row]).astype(np.int32)
    elif what == "no end":
        last = int(np.flatnonzero(columns["terminated"])[0])
        columns["terminated"][last], row = False, last
    elif what == "early end":
        row = _row_of(columns, 0)
        while columns["terminated"][row] or columns["truncated"][row]:
            row += 1
        columns["truncated"][row] = True
    elif what == "reward":
        columns["reward"][row] = 1.5
    elif what == "reward NaN":
        columns["reward"][row] = np.nan
    elif what == "rating":
        columns["rating"][row] = 2.5
    elif what == "place":
        columns["click_place"][row] = 3
    elif what == "propensity 0":
        columns["propensity"][row] = 0
    elif what == "propensity above 1":
        columns["marginal"][row, 1] = 1.01
    elif what == "propensity NaN":
        columns["prefix"][row, 0] = np.nan
    elif what == "rising prefix":
        columns["prefix"][row, 1] = min(2 * columns["prefix"][row, 0], 1)
    elif what == "joint":
        columns["propensity"][row] *= 0.9
    elif what == "first marginal":
        columns["marginal"][row, 0] *= 0.9
    elif what == "two propensities":
        row = _again(columns)
        for name in ("prefix", "marginal"):
            columns[name][row, 0] *= 0.99
    elif what == "too much":
        opening = columns["step"] == 0
        columns["prefix"][opening, 0] = columns["marginal"][opening, 0] = 0.9
        row = _row_beside(columns)
    elif what == "small marginal":
        columns["marginal"][row, 2] = columns["prefix"][row, 2] / 2
    return row


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("unknown item", r"expected item ids in 0..79, got \[\d+, 80, \d+\]"),
        ("repeated item", "expected distinct items in a slate"),
        ("unknown user", "expected a user id in 0..11, got -1"),
        ("shuffled", r"expected steps that count from 0 in each episode \(rows shuffled or lost\?\), got 1"),
        ("lost row", r"expected steps that count from 0 in each episode \(rows shuffled or lost\?\)"),
        ("no end", "expected the last decision of an episode to be terminated or truncated, got False"),
        ("early end", "expected no decisions after the end of an episode"),
        ("reward", "expected a reward in 0..1, got 1.5"),
        ("reward NaN", "expected a reward in 0..1, got nan"),
        ("rating", "expected a rating of .* with a click, and 0 without, got 2.5"),
        ("place", "expected a place in -1..2, got 3"),
        ("propensity 0", r"expected `propensity` above 0 and at most 1, got \[0.0\]"),
        ("propensity above 1", "expected `marginal` above 0 and at most 1"),
        ("propensity NaN", "expected `prefix` above 0 and at most 1"),
        ("rising prefix", "expected prefix propensities that fall from place to place"),
        ("joint", "expected the last prefix propensity to be that of the slate"),
        ("first marginal", "expected equal prefix and marginal at the first place"),
        ("two propensities", "expected one propensity wherever a user is shown the same items at the first place, got"),
        ("too much", r"expected propensities of a user's items at the first place that sum to at most 1, got 1\.8"),
        ("small marginal", "expected marginals of at least the prefix that they contain"),
    ],
)
def test_one_wrong_row_is_named(collected: Collected, tmp_path: Path, what: str, message: str) -> None:
    columns = _columns(collected)
    row = _spoilt(columns, what)
    path = part_path(tmp_path, 0)
    path.write_bytes(part_bytes(collected.header, columns))
    with pytest.raises(ValueError, match=re.escape(f"{path}, row {row}: ") + message):
        open_log(tmp_path).read()


def test_a_truncated_file_is_named(collected: Collected, tmp_path: Path) -> None:
    whole = part_path(collected.folder, 0).read_bytes()
    path = part_path(tmp_path, 0)
    for size in (len(whole) // 2, len(whole) - 3, 0):
        path.write_bytes(whole[:size])
        with pytest.raises(ValueError, match=re.escape(f"{path} is truncated or no Parquet file")):
            open_log(tmp_path)


def test_a_missing_part_and_a_foreign_part_are_named(collected: Collected, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no log in"):
        open_log(tmp_path)
    path = part_path(tmp_path, 1)
    path.write_bytes(part_path(collected.folder, 1).read_bytes())
    with pytest.raises(ValueError, match=r"part-000000.parquet is missing, and later parts are there"):
        open_log(tmp_path)
    pq.write_table(pq.read_table(path).replace_schema_metadata(None), part_path(tmp_path, 0))
    with pytest.raises(ValueError, match="has no header of PersonaGym"):
        open_log(tmp_path)


def test_an_older_format_is_refused(collected: Collected, tmp_path: Path) -> None:
    table = pq.read_table(part_path(collected.folder, 0))
    header = table.schema.metadata[b"personagym"].replace(b'"format": 1', b'"format": 0')
    pq.write_table(table.replace_schema_metadata({b"personagym": header}), part_path(tmp_path, 0))
    with pytest.raises(ValueError, match="the log has format 0, this version reads format 1"):
        open_log(tmp_path)
