"""Times in any unit that logs are kept in: the same seconds, with a note, or an error that names the row."""

import datetime
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from personagym_env.data.readers.atomic import read_atomic
from personagym_env.data.readers.frame import read_frame
from personagym_env.data.readers.movielens_1m import read_movielens_1m
from personagym_env.data.readers.movielens_100k import read_movielens_100k
from personagym_env.data.readers.movielens_csv import read_movielens_csv
from personagym_env.data.readers.table import DataError, DataWarning
from personagym_env.data.tables import Dataset, Interactions

BEGIN = 1_122_700_000
"""In July 2005, not at midnight."""
SECONDS = [BEGIN, BEGIN + 61, BEGIN + 7, BEGIN + 86_400, BEGIN + 3, BEGIN + 900_001]
ROWS = [("a", "x", 1), ("a", "y", 2), ("b", "x", 3), ("b", "y", 4), ("c", "x", 5), ("c", "y", 1)]


def iso(form: str) -> Callable[[int], str]:
    return lambda seconds: datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime(form)


def in_zone(hours: int, minutes: int = 0) -> Callable[[int], str]:
    zone = datetime.timezone(datetime.timedelta(hours=hours, minutes=minutes))
    return lambda seconds: datetime.datetime.fromtimestamp(seconds, zone).isoformat()


WRITTEN: dict[str, Callable[[int], object]] = {
    "milliseconds": lambda s: s * 1000 + 999,
    "whole milliseconds": lambda s: s * 1000,
    "microseconds": lambda s: s * 10**6 + 1,
    "nanoseconds": lambda s: s * 10**9 + 5,
    "milliseconds with a point": lambda s: f"{s * 1000 + 5}.0",
    "milliseconds and more": lambda s: f"{s * 1000}.75",
    "ISO": iso("%Y-%m-%dT%H:%M:%S"),
    "ISO with a space": iso("%Y-%m-%d %H:%M:%S"),
    "ISO in UTC": iso("%Y-%m-%dT%H:%M:%SZ"),
    "ISO and UTC": iso("%Y-%m-%d %H:%M:%S UTC"),
    "ISO with milliseconds": iso("%Y-%m-%dT%H:%M:%S.123Z"),
    "ISO with microseconds": iso("%Y-%m-%d %H:%M:%S.123456"),
    "ISO east of Greenwich": in_zone(5, 30),
    "ISO west of Greenwich": in_zone(-8),
    "ISO with a bare offset": iso("%Y-%m-%dT%H:%M:%S+00"),
    "ISO with an offset without colon": iso("%Y-%m-%dT%H:%M:%S+0000"),
    "digits of a date": iso("%Y%m%d%H%M%S"),
}
PLAIN: dict[str, Callable[[int], object]] = {
    "seconds": int,
    "seconds with a point": lambda s: f"{s}.0",
    "seconds in scientific notation": lambda s: f"{s / 1e9:.9f}e9",
}


def as_frame(_: Path, times: list[object]) -> Dataset:
    return read_frame(pd.DataFrame(ROWS, columns=["user_id", "item_id", "rating"]).assign(timestamp=times))


def from_file(name: str, head: str, separator: str, read: Callable[[Path], Dataset]) -> Callable[..., Dataset]:
    def make(folder: Path, times: list[object]) -> Dataset:
        lines = [separator.join(map(str, (*row, time))) for row, time in zip(ROWS, times, strict=True)]
        (folder / name).write_text(head + "\n".join(lines) + "\n")
        return read(folder)

    return make


READERS: dict[str, Callable[[Path, list[object]], Dataset]] = {
    "frame": as_frame,
    "atomic": from_file(
        "a.inter", "user_id:token\titem_id:token\trating:float\ttimestamp:float\n", "\t", lambda f: read_atomic(f / "a")
    ),
    "csv": from_file("ratings.csv", "userId,movieId,rating,timestamp\n", ",", read_movielens_csv),
    "100k": from_file("u.data", "", "\t", read_movielens_100k),
    "1m": from_file("ratings.dat", "", "::", read_movielens_1m),
}


def times_of(dataset: Dataset) -> list[int]:
    """In the order of `ROWS`."""
    log = dataset.interactions
    assert log.timestamps is not None
    place = {
        (dataset.users.ids[u], dataset.catalogue.ids[i]): n
        for n, (u, i) in enumerate(zip(log.users, log.items, strict=True))
    }
    return [int(log.timestamps[place[user, item]]) for user, item, _ in ROWS]


@pytest.mark.parametrize("form", WRITTEN)
@pytest.mark.parametrize("reader", READERS)
def test_every_reader_gives_the_seconds_of_every_form_with_a_note(reader: str, form: str, tmp_path: Path) -> None:
    with pytest.warns(DataWarning, match=r"column 'timestamp'.*read as"):
        dataset = READERS[reader](tmp_path, [WRITTEN[form](s) for s in SECONDS])
    assert times_of(dataset) == SECONDS


@pytest.mark.parametrize("form", PLAIN)
@pytest.mark.parametrize("reader", READERS)
def test_seconds_are_read_without_a_note(reader: str, form: str, tmp_path: Path) -> None:
    assert times_of(READERS[reader](tmp_path, [PLAIN[form](s) for s in SECONDS])) == SECONDS


@settings(max_examples=60, deadline=None)
@given(
    seconds=st.lists(st.integers(788_918_400, 4_102_444_799), min_size=6, max_size=6, unique=True),
    unit=st.sampled_from([10**3, 10**6, 10**9]),
)
def test_any_moment_from_1995_on_is_found_from_its_digits(seconds: list[int], unit: int) -> None:
    with pytest.warns(DataWarning, match="seconds since 1970 and kept in seconds"):
        found = times_of(as_frame(Path(), [s * unit + unit // 2 for s in seconds]))
    assert found == seconds


def moments(unit: str, zone: str | None = None) -> "pd.Series[pd.Timestamp]":
    series = pd.Series(pd.to_datetime(SECONDS, unit="s")).astype(f"datetime64[{unit}]")
    return series if zone is None else series.dt.tz_localize("UTC").dt.tz_convert(zone)


@pytest.mark.parametrize(
    "times",
    [
        *(moments(unit) for unit in ("s", "ms", "us", "ns")),
        *(moments("ns", zone) for zone in ("UTC", "Asia/Kolkata", "America/New_York", "+03:00")),
        pd.Series(SECONDS, dtype="Int64"),
        pd.Series(SECONDS, dtype="uint64"),
        pd.Series(SECONDS, dtype="float64"),
        pd.Series(SECONDS, dtype="uint32"),
        pd.Series([Decimal(s) for s in SECONDS]),
        pd.Series(SECONDS, dtype=object),
        pd.Series(map(str, SECONDS), dtype="string"),
        pd.Series(map(str, SECONDS)).astype("category"),
        pd.Series(SECONDS).astype("category"),
    ],
    ids=lambda series: str(series.dtype),
)
def test_frames_hold_moments_and_seconds_in_any_type(times: "pd.Series[int]") -> None:
    frame = pd.DataFrame(ROWS, columns=["user_id", "item_id", "rating"])
    assert times_of(read_frame(frame.assign(timestamp=times))) == SECONDS


@pytest.mark.parametrize(
    "make",
    [
        lambda s: datetime.datetime.fromtimestamp(s, datetime.UTC),
        lambda s: datetime.datetime.fromtimestamp(s, datetime.UTC).replace(tzinfo=None),
        lambda s: pd.Timestamp(s, unit="s"),
        lambda s: pd.Timestamp(s, unit="s", tz="Asia/Tokyo"),
        lambda s: np.datetime64(s, "s"),
    ],
)
def test_frames_hold_moments_as_objects(make: Callable[[int], object]) -> None:
    times = pd.Series([make(s) for s in SECONDS], dtype=object)
    frame = pd.DataFrame(ROWS, columns=["user_id", "item_id", "rating"], dtype=object)
    assert times_of(read_frame(frame.assign(timestamp=times))) == SECONDS


@pytest.mark.parametrize("reader", READERS)
def test_dates_alone_are_read_with_a_note_that_they_are_whole_days(reader: str, tmp_path: Path) -> None:
    with pytest.warns(DataWarning) as told:
        dataset = READERS[reader](tmp_path, [iso("%Y-%m-%d")(s) for s in SECONDS])
    assert times_of(dataset) == [s // 86_400 * 86_400 for s in SECONDS]
    assert sum("whole days" in str(note.message) for note in told) == 1


@pytest.mark.parametrize("value", [BEGIN, BEGIN * 1000, "2005-07-30", "2005-07-30T01:02:03Z", 20050730, 0, 7])
@pytest.mark.parametrize("reader", READERS)
def test_equal_times_are_no_times(reader: str, value: object, tmp_path: Path) -> None:
    with pytest.warns(DataWarning) as told:
        dataset = READERS[reader](tmp_path, [value] * len(ROWS))
    assert dataset.interactions.timestamps is None
    assert any("all 6 times are equal" in str(note.message) for note in told)


@pytest.mark.parametrize(
    ("change", "row", "message"),
    [
        ({2: BEGIN * 1000}, 2, "as milliseconds would look"),
        ({4: BEGIN * 10**9}, 4, "as nanoseconds would look"),
        ({1: 0}, 1, "mark an unknown time"),
        ({5: -1}, 5, "mark an unknown time"),
        ({0: -BEGIN}, 0, "mark an unknown time"),
        ({3: BEGIN + 0.5}, 3, "whole seconds"),
        ({1: ""}, 1, "whole seconds"),
        ({2: "soon"}, 2, "whole seconds"),
        ({2: "2005-07-30"}, 2, "whole seconds"),
        ({4: "nan"}, 4, "whole seconds"),
        ({4: "inf"}, 4, "whole seconds"),
        ({5: "1e300"}, 5, "nanoseconds would look"),
    ],
)
@pytest.mark.parametrize("reader", READERS)
def test_one_strange_time_names_its_row(
    reader: str, change: dict[int, object], row: int, message: str, tmp_path: Path
) -> None:
    first = {"frame": 0, "atomic": 2, "csv": 2}.get(reader, 1)
    with pytest.raises(DataError, match=message) as caught:
        READERS[reader](tmp_path, [change.get(place, s) for place, s in enumerate(SECONDS)])
    assert (caught.value.line, caught.value.column) == (first + row, "timestamp")


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ([f"0{day}/07/2005" for day in range(1, 7)], "whole seconds"),
        ([f"2005-07-0{day}T0{day}:00:00" for day in range(1, 6)] + ["2005-07-06T01:00:00Z"], "expected a time zone"),
        (["2005-02-30"] * 5 + ["2005-02-01"], "ISO 8601"),
        (["2005-07-30T25:00:00", *(["2005-07-30T01:00:00"] * 5)], "ISO 8601"),
        (["2005-07", *(["2005-07-30"] * 5)], "ISO 8601"),
        ([s // 60 for s in SECONDS[::-1]], "looks like minutes: multiply them by 60"),
        ([s // 3600 for s in SECONDS], "looks like hours: multiply them by 3600"),
        ([s // 86_400 for s in SECONDS], "looks like days: multiply them by 86400"),
        ([2004, 2005, 2005, 2006, 2007, 2010], "looks like years"),
        ([638_000_000_000_000_000 + s for s in SECONDS], "as nanoseconds is no moment"),  # ticks of .NET in 2022
        ([13_300_000_000_000_000 + s for s in SECONDS], "as microseconds is no moment"),  # since 1601
        ([5_000_000_000 + s for s in SECONDS], "whole seconds"),
        ([True] * 6, "whole seconds"),
        ([s + 1j for s in SECONDS], "whole seconds"),
        (np.array(SECONDS, np.float32), "full precision"),
        (pd.to_datetime([*SECONDS[:2], None, *SECONDS[3:]], unit="s"), "line 2, column 'timestamp': expected a moment"),
        ([pd.Timestamp(s, unit="s") if s != SECONDS[4] else pd.NaT for s in SECONDS], "line 4"),
        ([None, *SECONDS[1:]], "line 0"),
        (pd.array([*SECONDS[:3], None, *SECONDS[4:]], "Int64"), "line 3"),
        ([b"then", *SECONDS[1:]], "line 0"),
        ([*SECONDS[:5], 12_345], "mark an unknown time"),
        ([[s] for s in SECONDS], "whole seconds"),
    ],
)
def test_times_that_could_be_anything_are_refused(times: list[object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        as_frame(Path(), times)


@pytest.mark.parametrize("unit", [10**3, 10**6, 10**9])
def test_a_log_that_is_built_by_hand_must_have_seconds(unit: int) -> None:
    with pytest.raises(ValueError, match="must be seconds since 1970"):
        Interactions.from_columns(
            np.arange(2), np.zeros(2, int), np.ones(2), BEGIN * unit + np.arange(2), n_users=2, n_items=1, scale=(1, 2)
        )


def test_small_numbers_are_seconds_of_an_own_clock() -> None:
    assert times_of(as_frame(Path(), [0, 60, -30, 86_400 * 90, 5, 7])) == [0, 60, -30, 86_400 * 90, 5, 7]
