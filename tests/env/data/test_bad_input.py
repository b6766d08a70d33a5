"""Every kind of bad input: one error that names file, line and column, or a drop that is counted."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from personagym_env.data.readers.atomic import read_atomic
from personagym_env.data.readers.delimited import read_delimited
from personagym_env.data.readers.frame import read_frame
from personagym_env.data.readers.movielens_1m import read_movielens_1m
from personagym_env.data.readers.movielens_100k import read_movielens_100k
from personagym_env.data.readers.movielens_csv import read_movielens_csv
from personagym_env.data.readers.table import DataError

INTER = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n1\t1\t1\t10\n2\t2\t2\t20\n2\t1\t3\t30\n"
ITEM = "item_id:token\tmovie_title:token_seq\n1\tOne\n2\tTwo\n"
USER = "user_id:token\tage:token\n1\t20\n2\t30\n"


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    """A small good set of atomic files."""
    for suffix, content in (("inter", INTER), ("item", ITEM), ("user", USER)):
        (tmp_path / f"films.{suffix}").write_text(content, encoding="utf-8")
    return tmp_path / "films"


def change(prefix: Path, suffix: str, old: str, new: str) -> None:
    path = prefix.with_name(f"films.{suffix}")
    content = path.read_text(encoding="utf-8")
    assert old in content
    path.write_text(content.replace(old, new), encoding="utf-8")


@pytest.mark.parametrize(
    ("suffix", "old", "new", "line", "column", "message"),
    [
        ("inter", "rating:float", "stars:float", None, None, r"'rating' for the ratings, which are required.*'stars'"),
        ("inter", "user_id:token", "who:token", None, None, "expected a column 'user_id'"),
        ("item", "item_id:token", "id:token", None, None, "expected a column 'item_id'"),
        ("inter", "user_id:token", "item_id:token", 1, None, "distinct column names"),
        ("inter", "2\t2\t2\t20", "2\t2\tnan\t20", 3, "rating", "expected a rating, got 'nan'"),
        ("inter", "2\t2\t2\t20", "2\t2\t\t20", 3, "rating", "expected a rating, got ''"),
        ("inter", "2\t2\t2\t20", "2\t2\tinf\t20", 3, "rating", "expected a rating, got 'inf'"),
        ("inter", "2\t2\t2\t20", "2\t2\tfine\t20", 3, "rating", "expected a rating, got 'fine'"),
        ("inter", "2\t2\t2\t20", "2\t2\t2\tMonday", 3, "timestamp", "expected whole seconds since 1970, got 'Monday'"),
        ("inter", "2\t2\t2\t20", "2\t2\t2\t20.5", 3, "timestamp", "expected whole seconds since 1970, got 20.5"),
        ("inter", "2\t2\t2\t20", "2\t2\t2\t", 3, "timestamp", "expected whole seconds since 1970, got ''"),
        ("inter", "2\t2\t2\t20", "2\t2\t2\t99999999999999999999", 3, "timestamp", "expected whole seconds"),
        ("inter", "2\t2\t2\t20", "2\t9\t2\t20", 3, "item_id", r"films\.item has, got '9'; unknown='drop'"),
        ("inter", "2\t2\t2\t20", "7\t2\t2\t20", 3, "user_id", r"films\.user has, got '7'; unknown='drop'"),
        ("inter", "2\t2\t2\t20", "\t2\t2\t20", 3, "user_id", "expected an id, got an empty field"),
        ("inter", "2\t2\t2\t20", "2\t \t2\t20", 3, "item_id", "expected an id, got an empty field"),
        ("user", "2\t30", "\t30", 3, "user_id", "expected an id, got an empty field"),
        ("inter", "2\t2\t2\t20", "2\t2\t2", 3, None, r"expected 4 fields parted by '\\t', got 3$"),
        ("inter", "2\t2\t2\t20", "2\t2\t2\t20\t", 3, None, r"expected 4 fields parted by '\\t', got 5$"),
        ("inter", "1\t1\t1\t10", "1\t1\t1\t10\t5\t6", 2, None, r"expected 4 fields parted by '\\t', got 6$"),
        ("inter", "2\t2\t2\t20", "", 3, None, r"expected 4 fields parted by '\\t', got 1$"),
        ("inter", "2\t1\t3\t30\n", "2\t1", 4, None, "got 2; it is the last line, so the file seems to be cut off"),
        ("inter", "2\t2\t2\t20", "2\t2\r2\t2\t20", 3, None, "lone carriage return"),
        ("item", "2\tTwo", "1\tTwo", 3, "item_id", r"got '1' again with other content \(first in line 2\)"),
        ("item", "2\tTwo", "2\tTw\0o", 3, None, "NUL byte"),
        ("item", "2\tTwo\n", '2\t"Two', 3, None, "expected the quoted field to end; the file seems to be cut off"),
        ("item", "1\tOne", '1\t"One', 2, None, "expected the quoted field to end"),
        ("item", "1\tOne\n2\tTwo", '1\t"On\ne"\n2', 4, None, "got 1; it is the last line"),
    ],
)
def test_errors_name_file_line_and_column(
    prefix: Path, suffix: str, old: str, new: str, line: int | None, column: str | None, message: str
) -> None:
    change(prefix, suffix, old, new)
    with pytest.raises(DataError, match=message) as caught:
        read_atomic(prefix)
    assert (caught.value.line, caught.value.column) == (line, column)
    assert caught.value.source == str(prefix.with_name(f"films.{suffix}"))
    assert str(caught.value).startswith(caught.value.source + ("" if line is None else f", line {line}"))


@pytest.mark.parametrize("content", ["", "\n\n", "user_id:token\titem_id:token\trating:float\n"])
def test_empty_files_are_an_error(prefix: Path, content: str) -> None:
    prefix.with_name("films.inter").write_text(content)
    with pytest.raises(DataError, match=r"empty file|rows below the header"):
        read_atomic(prefix)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nothing\.inter: expected a file here"):
        read_atomic(tmp_path / "nothing")


def test_broken_utf_8_names_line_and_byte(prefix: Path) -> None:
    prefix.with_name("films.item").write_bytes(ITEM.replace("Two", "Caf\xe9").encode("latin-1"))
    with pytest.raises(DataError, match="expected UTF-8 text, got byte 0xe9") as caught:
        read_atomic(prefix)
    assert caught.value.line == 3


def test_control_bytes_in_latin_1_name_the_line(tmp_path: Path) -> None:
    (tmp_path / "ratings.dat").write_text("1::1::1::1\n1::2::2::2\n")
    (tmp_path / "movies.dat").write_bytes(b"1::One::War\n2::Caf\x83\xe9::War\n")
    with pytest.raises(DataError, match="expected latin-1 text, got the control byte 0x83") as caught:
        read_movielens_1m(tmp_path)
    assert caught.value.line == 2


def test_lines_are_counted_through_quoted_line_breaks(tmp_path: Path) -> None:
    (tmp_path / "ratings.csv").write_text('userId,movieId,rating,timestamp\n"a\nb\nc",1,1,1\nd,1,2,2\ne,1,x,3\n')
    with pytest.raises(DataError, match="got 'x'") as caught:
        read_movielens_csv(tmp_path)
    assert (caught.value.line, caught.value.column) == (6, "rating")


@pytest.mark.parametrize("block", [1, 7, 64, 1 << 24])
def test_the_field_count_does_not_depend_on_its_blocks(
    block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("personagym_env.data.readers.delimited._BLOCK", block)
    path = tmp_path / "rows"
    path.write_text("1|2\n" * 50)
    assert len(read_delimited(path, separator="|", names=("a", "b"))) == 50
    path.write_text("1|2\n" * 40 + "1|2|3\n" + "1\n" + "1|2\n" * 9)  # as many separators as 51 good lines have
    with pytest.raises(DataError, match="got 3") as caught:
        read_delimited(path, separator="|", names=("a", "b"))
    assert caught.value.line == 41


def test_pieces_of_a_long_file_are_joined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("personagym_env.data.readers.delimited._ROWS", 3)
    path = tmp_path / "rows"
    path.write_text("".join(f"u{j % 4}|{j}\n" for j in range(10)))
    table = read_delimited(path, separator="|", names=("a", "b"), numbers=("b",))
    assert table.text("a").tolist() == [f"u{j % 4}" for j in range(10)]
    assert table.numbers("b", "a number").tolist() == list(range(10))
    path.write_text(path.read_text().replace("u3|7", "u3|seven"))
    with pytest.raises(DataError, match="line 8, column 'b': expected a number, got 'seven'"):
        read_delimited(path, separator="|", names=("a", "b"), numbers=("b",)).numbers("b", "a number")


def test_exact_duplicates_keep_the_first_and_are_counted(prefix: Path) -> None:
    change(prefix, "inter", "2\t2\t2\t20\n", "2\t2\t2\t20\n" * 3)
    change(prefix, "item", "1\tOne\n", "1\tOne\n1\tOne\n")
    change(prefix, "user", "2\t30\n", "2\t30\n2\t30\n2\t30\n")
    dataset = read_atomic(prefix)
    assert dataset.dropped == {"duplicate rows": 2, "duplicate item rows": 1, "duplicate user rows": 2}
    assert len(dataset.interactions) == 3
    assert dataset.catalogue.titles == ("One", "Two")


def test_errors_after_dropped_duplicates_name_the_right_line(prefix: Path) -> None:
    change(prefix, "item", "1\tOne\n2\tTwo\n", "1\tOne\n1\tOne\n2\tTwo\n2\tThree\n")
    with pytest.raises(DataError, match="first in line 4") as caught:
        read_atomic(prefix)
    assert caught.value.line == 5


def test_a_repeated_pair_keeps_the_last_rating_by_time(prefix: Path) -> None:
    change(prefix, "inter", "2\t2\t2\t20\n", "2\t2\t2\t20\n2\t2\t1\t40\n2\t2\t3\t5\n")
    dataset = read_atomic(prefix)
    log = dataset.interactions
    assert dataset.dropped == {"earlier ratings of a pair": 2}
    assert log.ratings[(log.users == 1) & (log.items == 1)].tolist() == [1]


def test_without_time_a_repeated_pair_keeps_the_last_in_the_source() -> None:
    frame = pd.DataFrame({"user_id": [1, 1, 1, 2], "item_id": [1, 1, 1, 1], "rating": [3, 1, 2, 1]})
    dataset = read_frame(frame)
    assert dataset.interactions.ratings.tolist() == [2, 1]
    assert dataset.dropped == {"earlier ratings of a pair": 2}


def test_users_without_ratings_are_dropped_and_counted(prefix: Path) -> None:
    change(prefix, "user", "2\t30\n", "2\t30\n0\t40\n5\t50\n")
    dataset = read_atomic(prefix)
    assert dataset.dropped == {"users without ratings": 2}
    assert dataset.users.ids == ("1", "2")
    assert dataset.users.attributes == {"age": ("20", "30")}


def test_items_without_ratings_stay(prefix: Path) -> None:
    change(prefix, "item", "2\tTwo\n", "2\tTwo\n3\tThree\n")
    dataset = read_atomic(prefix)
    assert dataset.catalogue.titles == ("One", "Two", "Three")
    assert dataset.dropped == {}


def test_unknown_items_and_users_are_dropped_on_demand(prefix: Path) -> None:
    change(prefix, "inter", "2\t2\t2\t20\n", "2\t2\t2\t20\n2\t9\t2\t20\n8\t1\t2\t20\n8\t9\t2\t20\n")
    dataset = read_atomic(prefix, unknown="drop")
    assert dataset.dropped == {"rows of unknown items": 2, "rows of unknown users": 1}
    assert len(dataset.interactions) == 3
    with pytest.raises(ValueError, match="'error' or 'drop', got 'ignore'"):
        read_atomic(prefix, unknown="ignore")  # type: ignore[arg-type]


def test_nothing_left_is_an_error(prefix: Path) -> None:
    prefix.with_name("films.item").write_text("item_id:token\n7\n")
    with pytest.raises(DataError, match="at least one usable row"):
        read_atomic(prefix, unknown="drop")


def ratings_frame(*ratings: float) -> pd.DataFrame:
    return pd.DataFrame({"user_id": range(len(ratings)), "item_id": 0, "rating": ratings})


@pytest.mark.parametrize(
    ("ratings", "scale"),
    [
        ((1, 2, 4, 5), (1, 2, 3, 4, 5)),
        ((0.5, 1, 5), tuple(half / 2 for half in range(1, 11))),
        ((0, 1), (0, 1)),
        ((-10, 10), (-10, 10)),
        (tuple(np.float32(tenth / 10) for tenth in range(11)), tuple(tenth / 10 for tenth in range(11))),
    ],
)
def test_the_scale_is_the_even_grid_of_the_ratings(ratings: tuple[float, ...], scale: tuple[float, ...]) -> None:
    log = read_frame(ratings_frame(*ratings)).interactions
    assert log.scale == scale
    np.testing.assert_allclose(log.ratings, ratings, rtol=1e-6)


@pytest.mark.parametrize("ratings", [(1, 2, 3.5), (0, 0.001, 5), (3, 3, 3)])
def test_ratings_on_no_grid_ask_for_the_scale(ratings: tuple[float, ...]) -> None:
    with pytest.raises(DataError, match=r"frame 'ratings'.*column 'rating'.*give `scale`"):
        read_frame(ratings_frame(*ratings))
    assert read_frame(ratings_frame(*ratings), scale=(0, 0.001, 1, 2, 3, 3.5, 5)).interactions.scale[-1] == 5


@pytest.mark.parametrize("bad", [0.0, 6.0, 2.5, 4.9])
def test_ratings_outside_the_scale_name_the_row(bad: float) -> None:
    with pytest.raises(DataError, match=r"line 2, column 'rating': expected a rating of the scale") as caught:
        read_frame(ratings_frame(1, 5, bad), scale=(1, 2, 3, 4, 5))
    assert caught.value.line == 2


@pytest.mark.parametrize("scale", [(1,), (2, 1), (1, 1), (1, float("nan")), ()])
def test_impossible_scales_are_refused(scale: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="ascending finite numbers"):
        read_frame(ratings_frame(1, 1), scale=scale)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda frame: frame.assign(rating=[1, None, 3]), "line 1, column 'rating': expected a rating, got 'nan'"),
        (lambda frame: frame.assign(rating=pd.array([1, None, 3], "Int64")), "line 1, column 'rating'"),
        (lambda frame: frame.assign(user_id=["a", None, "c"]), "line 1, column 'user_id': expected an id"),
        (lambda frame: frame.assign(timestamp=pd.to_datetime(["2000-01-01", None, "2000-01-02"])), "'timestamp'"),
        (lambda frame: frame.assign(rating=[True, False, True]), "expected a rating, got 'True'"),
        (lambda frame: frame.drop(columns="rating"), "ratings, which are required"),
        (lambda frame: frame.iloc[:0], "expected rows, got none"),
        (lambda frame: frame.assign(**{"rating:float": 1}), "distinct column names"),
    ],
)
def test_bad_frames_name_frame_row_and_column(edit: Callable[[pd.DataFrame], pd.DataFrame], message: str) -> None:
    with pytest.raises(DataError, match=rf"frame 'ratings'.*{message}"):
        read_frame(edit(ratings_frame(1, 2, 3)))


def test_bad_flags_and_codes_of_movielens_are_errors(tmp_path: Path) -> None:
    (tmp_path / "u.data").write_text("1\t1\t1\t1\n1\t2\t2\t2\n")
    flags = "|".join(["0"] * 18)
    (tmp_path / "u.item").write_text(f"1|One|||u|{flags}|1\n2|Two|||u|{flags}|2\n")
    with pytest.raises(DataError, match="line 2, column 'Western': expected 0 or 1, got '2'"):
        read_movielens_100k(tmp_path)
    (tmp_path / "u.item").write_text(f"1|One|||u|{flags}|1\n2|Two|||u|{flags}\n")
    with pytest.raises(DataError, match=r"expected 24 fields parted by '\|', got 23; it is the last line"):
        read_movielens_100k(tmp_path)
    (tmp_path / "ratings.dat").write_text("1::1::1::1\n1::2::2::2\n")
    (tmp_path / "users.dat").write_text("1::M::25::21::0\n")
    with pytest.raises(DataError, match="line 1, column 'occupation': expected one of the codes"):
        read_movielens_1m(tmp_path)
    (tmp_path / "ratings.dat").write_text("1::1::1::1\n1::2::2\t::2\n")
    with pytest.raises(DataError, match="line 2: expected fields parted by '::', got a tab"):
        read_movielens_1m(tmp_path)
