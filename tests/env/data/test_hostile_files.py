"""Files as they really arrive, through every reader: read as they are meant, or one error that names the place."""

import gzip
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from personagym_env.conformance.dataset import check_dataset
from personagym_env.data.readers.table import DataError, DataWarning
from personagym_env.data.sources import load_dataset
from personagym_env.data.tables import Dataset

ROWS = [("1", "1", "5", "1122700000"), ("1", "2", "4", "1122700060"), ("2", "1", "1", "1122700120")]
FORMATS = {
    "atomic": ("films.inter", "\t", "user_id:token\titem_id:token\trating:float\ttimestamp:float"),
    "csv": ("ratings.csv", ",", "userId,movieId,rating,timestamp"),
    "100k": ("u.data", "\t", None),
    "1m": ("ratings.dat", "::", None),
}


def text_of(form: str, rows: list[tuple[str, ...]], end: str = "\n") -> str:
    _, separator, head = FORMATS[form]
    return "".join(line + end for line in [*([head] if head else []), *(separator.join(row) for row in rows)])


@pytest.fixture
def read(tmp_path: Path) -> Callable[[str, str | bytes], Dataset]:
    """Reads the content of a log in a format."""

    def load(form: str, content: str | bytes) -> Dataset:
        place = tmp_path / FORMATS[form][0]
        place.write_bytes(content.encode() if isinstance(content, str) else content)
        return load_dataset(tmp_path)

    return load


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("tail", ["", "\n", "\n\n\n", "\r\n\r\n"])
def test_line_ends_and_byte_order_marks_change_nothing(
    read: Callable[..., Dataset], form: str, mark: str, end: str, tail: str
) -> None:
    dataset = read(form, mark + text_of(form, ROWS, end) + tail)
    check_dataset(dataset)
    assert dataset.users.ids == ("1", "2")
    assert dataset.interactions.fingerprint() == read(form, text_of(form, ROWS)).interactions.fingerprint()


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty file"),
        (b"\n\n", "empty file"),
        (b"\xef\xbb\xbf", "empty file"),
        (b"\xef\xbb\xbf\r\n", "empty file"),
        (b" ", "expected"),
        (b"\x00" * 8, "NUL"),
        ("1\t1\t5\n".encode("utf-16"), "expected"),
        ("1\t1\t5\n".encode("utf-16-le"), "expected"),
        (b"\x89PNG\r\n\x1a\n", "expected"),
        (gzip.compress(b"1\t1\t5\n", mtime=0), "gzip archive: unpack it"),
        (b"PK\x03\x04" + b"rest", "zip archive: unpack it"),
        (b"PAR1....", "Parquet"),
        (b"SQLite format 3", "expected"),
        (b"<!DOCTYPE html><html>", "expected"),
        (b'{"user": 1}', "expected"),
        (b'"', "expected"),
        (b'"a\n"b', "expected"),
        (b"\r", "empty file"),
        (b"a\rb\rc", "expected"),
        (b"1,2;3|4::5\t6", "expected"),
        (b"\xff\xff\xff\xff", "expected"),
        ("caf\xe9".encode("latin-1"), "expected"),
    ],
)
def test_files_that_are_no_log_are_refused(
    read: Callable[..., Dataset], form: str, content: bytes, message: str
) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read(form, content)
    assert FORMATS[form][0] in str(caught.value)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(
    ("rating", "words"),
    [
        (bad, "expected a rating")
        for bad in ("", " ", "nan", "inf", "-inf", "1e999", "4,5", "five", "0x5", "1_0", "--1")
    ],
)
def test_ratings_that_are_none_name_their_line(
    read: Callable[..., Dataset], form: str, rating: str, words: str
) -> None:
    rows = [ROWS[0], ("1", "2", f'"{rating}"' if form == "csv" else rating, "1122700060"), ROWS[2]]
    with pytest.raises(DataError, match="expected a rating") as caught:
        read(form, text_of(form, rows))
    assert caught.value.line == 2 + (FORMATS[form][2] is not None)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("value", ["6", "0", "-1", "4.5", "5.0001e0", "1e5"])
def test_ratings_outside_a_given_scale_name_their_line(
    read: Callable[..., Dataset], form: str, value: str, tmp_path: Path
) -> None:
    (tmp_path / "personagym.json").write_text('{"scale": [1, 2, 3, 4, 5]}')
    rows = [*ROWS, ("3", "1", value, "1122700180")]
    if value == "5.0001e0":
        assert read(form, text_of(form, rows)).interactions.ratings.max() == 5
        return
    with pytest.raises(DataError, match="expected a rating of the scale") as caught:
        read(form, text_of(form, rows))
    assert caught.value.line == 4 + (FORMATS[form][2] is not None)


ID = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"], exclude_characters='",:\t'), min_size=1, max_size=8
)


@pytest.mark.parametrize("form", FORMATS)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ids=st.lists(ID.filter(lambda text: text == text.strip()), min_size=2, max_size=6, unique=True))
def test_any_ids_are_kept_as_they_are(read: Callable[..., Dataset], form: str, ids: list[str]) -> None:
    rows = [
        (user, item, "15"[(a + b) % 2], str(1_122_700_000 + 7 * a + b))
        for a, user in enumerate(ids)
        for b, item in enumerate(ids)
    ]
    dataset = read(form, text_of(form, rows))
    check_dataset(dataset)
    assert set(dataset.users.ids) == set(dataset.catalogue.ids) == set(ids)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(
    "huge", ["9" * 30, "9" * 5000, "0" * 40 + "1", "-5", "1e3", "007", "١٢", "NaN", "None", "TRUE"]
)
def test_ids_are_text_whatever_they_look_like(read: Callable[..., Dataset], form: str, huge: str) -> None:
    rows = [*ROWS, (huge, huge, "5", "1122700180")]
    dataset = read(form, text_of(form, rows))
    assert huge in dataset.users.ids
    assert huge in dataset.catalogue.ids


def test_ids_that_are_numbers_are_in_order_of_value(read: Callable[..., Dataset]) -> None:
    rows = [
        (user, "1", "15"[place % 2], str(1_122_700_000 + place))
        for place, user in enumerate(["10", "9", "0", "010", "9" * 20, "00"])
    ]
    assert read("100k", text_of("100k", rows)).users.ids == ("0", "00", "9", "010", "10", "9" * 20)


@pytest.mark.parametrize("form", ["atomic", "csv"])
def test_space_around_fields_of_a_file_is_no_part_of_an_id(read: Callable[..., Dataset], form: str) -> None:
    _, separator, head = FORMATS[form]
    text = "\n".join([head or "", *((separator + " ").join(row) for row in ROWS)])
    with pytest.warns(DataWarning, match="white space around ids is dropped"):
        dataset = read(form, text)
    assert dataset.catalogue.ids == ("1", "2")


TITLES = (
    'He said ""stop""',
    "Comma, the",
    "two\nlines",
    "two\r\nlines",
    "tab\there",
    "semi;colon",
    "pipe|pipe",
    "a::b",
    "'single'",
    "=cmd|' /C calc'!A0",
    "\x1b[31mred",
    "NA",
    "",
    " ",
    "é" * 100,
    "x" * 100_000,
    "x, " * 60_000,
    "\u202eevil",
    "٣",
    "nan",
    "#comment",
)


@pytest.mark.parametrize("title", TITLES, ids=lambda title: ascii(title)[:20])
@pytest.mark.parametrize("form", ["csv", "atomic"])
def test_quoted_titles_hold_anything(read: Callable[..., Dataset], form: str, title: str, tmp_path: Path) -> None:
    head = {"csv": "movieId,title,genres\n", "atomic": "item_id:token\tmovie_title:token_seq\tclass:token_seq\n"}[form]
    separator = FORMATS[form][1]
    name = {"csv": "movies.csv", "atomic": "films.item"}[form]
    rows = [("1", f'"{title}"', "War"), ("2", "Plain", "War")]
    (tmp_path / name).write_bytes((head + "".join(separator.join(row) + "\n" for row in rows)).encode())
    dataset = read(form, text_of(form, ROWS))
    assert dataset.catalogue.titles == (title.replace('""', '"') if title.strip() else "1", "Plain")


@pytest.mark.parametrize("name", ["ratings.csv.gz", "ml-small.zip", "films.inter.gz"])
def test_packed_logs_are_named(name: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / name, "w") as archive:
        archive.writestr("ratings.csv", "x")
    with pytest.raises(ValueError, match=f"{name}.*unpack"):
        load_dataset(tmp_path)
