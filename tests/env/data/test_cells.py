"""Frames of any type that pandas, Parquet and people make: read as they are meant, or refused with row and column."""

import datetime
import uuid
import warnings
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from personagym_env.conformance.dataset import check_dataset
from personagym_env.data.readers.frame import read_frame
from personagym_env.data.readers.table import DataError, DataWarning
from personagym_env.data.tables import Catalogue

IDS = ["1", "2", "3"]
LOG = pd.DataFrame({"user_id": IDS, "item_id": IDS, "rating": [1, 2, 3]})
WANTED = [{"Drama", "War"}, {"Drama"}, set()]


def catalogue_of(genres: object) -> Catalogue:
    items = pd.DataFrame({"item_id": IDS})
    items["genres"] = genres
    dataset = read_frame(LOG, items)
    check_dataset(dataset)
    return dataset.catalogue


def genres_of(catalogue: Catalogue) -> list[set[str]]:
    return [{catalogue.genre_names[g] for g in np.flatnonzero(row)} for row in catalogue.genres]


def column(*cells: object) -> "pd.Series[object]":
    """A column that holds the cells as they are."""
    array = np.empty(len(cells), object)
    for row, cell in enumerate(cells):
        array[row] = cell
    return pd.Series(array, dtype=object)


@pytest.mark.parametrize(
    "genres",
    [
        column(["Drama", "War"], ["Drama"], []),
        column(("Drama", "War"), ("Drama",), ()),
        column({"War", "Drama"}, {"Drama"}, set()),
        column(frozenset({"War", "Drama"}), frozenset({"Drama"}), frozenset()),
        column(np.array(["Drama", "War"]), np.array(["Drama"]), np.array([], object)),
        column(np.array(["Drama", "War"], object), np.array(["Drama"], object), np.array([])),
        column(np.array(["Drama", "War"], "S"), np.array(["Drama"]), None),
        column(pd.Series(["Drama", "War"]), pd.Series(["Drama"]), pd.Series([], dtype=object)),
        column(pd.array(["Drama", "War"], dtype="string"), pd.array(["Drama"], dtype="string"), pd.NA),
        column(pd.Index(["Drama", "War"]), pd.Index(["Drama"]), pd.Index([])),
        column(["Drama", "War"], ["Drama"], None),
        column(["Drama", "War"], ["Drama"], float("nan")),
        column(["Drama", "War"], ["Drama"], pd.NA),
        column(["Drama", None, "War"], ["Drama", float("nan")], [None]),
        column(["Drama", "", "War"], [" Drama "], [""]),
        column(["War", "Drama", "Drama"], ["Drama", "Drama"], ["(no genres listed)"]),
        column("Drama|War", "Drama", ""),
        column("Drama|War", ["Drama"], ()),
        column(b"Drama|War", b"Drama", b""),
        column([b"Drama", b"War"], [b"Drama"], []),
        pd.Series(["Drama|War", "Drama", None], dtype="string"),
        pd.Series(["Drama|War", "Drama", None], dtype="category"),
        pd.Series(["Drama|War", "Drama", "(no genres listed)"]),
    ],
)
def test_genres_in_any_form_are_the_same_genres(genres: "pd.Series[object]") -> None:
    assert genres_of(catalogue_of(genres)) == WANTED


NAMES = st.text(st.characters(exclude_categories=["Cs", "C"]), min_size=1).filter(str.strip)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(NAMES), min_size=3, max_size=3), st.sampled_from([list, tuple, set, np.array]))
def test_a_genre_of_a_list_may_hold_any_separator(lists: list[list[str]], kind: type) -> None:
    found = genres_of(catalogue_of(column(*(kind(names) if names else [] for names in lists))))
    written = [{name.replace("\xa0", " ").strip() for name in names} for names in lists]
    assert found == [names - {"", "(no genres listed)"} for names in written]


def test_genres_that_are_numbers_are_named_by_them() -> None:
    found = catalogue_of(column([18, 27], np.array([18.0]), Decimal("27.0")))
    assert genres_of(found) == [{"18", "27"}, {"18"}, {"27"}]


@pytest.mark.parametrize(
    "cell",
    [
        {"Drama": 1},
        [["Drama"]],
        [{"name": "Drama"}],
        [("Drama", "War")],
        np.array([["Drama", "War"]]),
        (["Drama"],),
        b"\xff\xfe",
        [b"\xff"],
        "\ud800",
        ["War", "Dra\0ma"],
        bytearray(b"Drama"),
    ],
)
@pytest.mark.parametrize("row", [0, 2])
def test_genres_that_are_no_names_point_at_their_row(cell: object, row: int) -> None:
    cells: list[object] = [["Drama"], ["War"], ["Drama"]]
    cells[row] = cell
    with pytest.raises(DataError, match=rf"frame 'items', line {row}, column 'genres': ") as caught:
        catalogue_of(column(*cells))
    assert (caught.value.line, caught.value.column) == (row, "genres")


@pytest.mark.parametrize(
    "ids",
    [
        pd.Series([1, 2, 3]),
        pd.Series([1, 2, 3], dtype="int8"),
        pd.Series([1, 2, 3], dtype="uint64"),
        pd.Series([1, 2, 3], dtype="Int64"),
        pd.Series([1, 2, 3], dtype="UInt8"),
        pd.Series([1.0, 2.0, 3.0]),
        pd.Series([1.0, 2.0, 3.0], dtype="float16"),
        pd.Series([1.0, 2.0, 3.0], dtype="Float64"),
        pd.Series(IDS),
        pd.Series(IDS, dtype="string"),
        pd.Series(IDS, dtype="category"),
        pd.Series([1, 2, 3], dtype="category"),
        pd.Series(IDS, dtype=object),
        column(1, 2, 3),
        column(1.0, np.float32(2), 3),
        column(np.int64(1), np.uint8(2), np.float64(3)),
        column(b"1", b"2", b"3"),
        column(np.bytes_(b"1"), np.str_("2"), "3"),
        column(Decimal(1), Decimal("2.00"), Decimal("3e0")),
        column(1, "2", 3.0),
        column(np.array(1), np.array("2"), np.array(b"3")),
    ],
)
def test_ids_of_any_type_are_the_same_ids(ids: "pd.Series[object]") -> None:
    frame = LOG.assign(user_id=ids, item_id=ids)
    dataset = read_frame(frame, pd.DataFrame({"item_id": IDS}), pd.DataFrame({"user_id": [1, 2, 3]}))
    assert dataset.users.ids == dataset.catalogue.ids == tuple(IDS)
    assert dataset.fingerprint() == read_frame(LOG).fingerprint()


UUID = uuid.UUID(int=5)


@pytest.mark.parametrize(
    ("ids", "texts"),
    [
        (column(True, False, True), ("False", "True")),
        (column(UUID, UUID, "x"), (str(UUID), "x")),
        (column(datetime.date(2020, 1, 5), "x", "y"), ("2020-01-05", "x", "y")),
        (column(1.5, 2.5, 2.5), ("1.5", "2.5")),
        (column(Decimal("0.10"), "x", "x"), ("0.10", "x")),
        (column(10**400, "x", "x"), ("1" + "0" * 400, "x")),
        (column(Fraction(1, 2), "x", "x"), ("1/2", "x")),
        (column(2**63, 2**64, -1), tuple(sorted((str(2**63), str(2**64), "-1")))),
        (pd.Series([2**53 + 1, 2**53, 2**53 + 2]), tuple(str(2**53 + more) for more in (0, 1, 2))),
        (column("9" * 5000, "10", "9"), ("9", "10", "9" * 5000)),
        (column("a b", "a  b", "ab"), ("a  b", "a b", "ab")),
    ],
)
def test_other_ids_are_the_text_that_they_print_as(ids: "pd.Series[object]", texts: tuple[str, ...]) -> None:
    assert read_frame(LOG.assign(user_id=ids)).users.ids == texts


@pytest.mark.parametrize(
    ("ids", "row", "message"),
    [
        (column("a", None, "c"), 1, "expected an id"),
        (column("a", "b", float("nan")), 2, "expected an id"),
        (column(pd.NA, "b", "c"), 0, "expected an id"),
        (column("a", pd.NaT, "c"), 1, "expected an id"),
        (column("a", "  ", "c"), 1, "expected an id"),
        (pd.Series([1, None, 3], dtype="Int64"), 1, "expected an id"),
        (pd.Series(["a", "b", None], dtype="category"), 2, "expected an id"),
        (pd.Series(["a", "b", None], dtype="string"), 2, "expected an id"),
        (column(["a"], "b", "c"), 0, "expected one value, got the list"),
        (column("a", ("b",), "c"), 1, "expected one value, got the tuple"),
        (column("a", "b", np.array(["c"])), 2, "expected one value, got the ndarray"),
        (column("a", {"b": 1}, "c"), 1, "got the dict"),
        (column("a", b"\xff", "c"), 1, "utf-8"),
        (column("a", "\udc80", "c"), 1, "expected text, got the character"),
        (column("a", "b", "c\0"), 2, "expected text, got the character"),
        (pd.Series([1.0, float(2**53), 3.0]), 1, "leaves out whole numbers"),
        (pd.Series([1.0, 2.0, 1e300]), 2, "leaves out whole numbers"),
        (pd.Series([float(2**24), 2.0, 3.0], dtype="float32"), 0, "leaves out whole numbers"),
        (pd.Series([1.0, 2.0, 4096.0], dtype="float16"), 2, "leaves out whole numbers"),
        (column("a", float("inf"), "c"), -1, ""),
    ],
)
@pytest.mark.parametrize("role", ["user_id", "item_id"])
def test_ids_that_are_none_point_at_their_row(role: str, ids: "pd.Series[object]", row: int, message: str) -> None:
    frame = LOG.assign(**{role: ids})
    if row < 0:
        assert "inf" in (*read_frame(frame).users.ids, *read_frame(frame).catalogue.ids)
        return
    with pytest.raises(DataError, match=message) as caught:
        read_frame(frame)
    assert (caught.value.line, caught.value.column) == (row, role)


@pytest.mark.parametrize(
    ("ids", "row"),
    [
        (column(1, "1", 2), 1),
        (column("1", 2, 1.0), 2),
        (column(Decimal(1), 2, "1"), 2),
        (column(np.int8(7), np.str_("7"), "x"), 1),
    ],
)
def test_a_number_and_a_text_that_are_one_id_are_told(ids: "pd.Series[object]", row: int) -> None:
    with pytest.warns(DataWarning, match=rf"line {row}, column 'user_id': ids of two types"):
        dataset = read_frame(LOG.assign(user_id=ids))
    assert len(dataset.users) == 2


@pytest.mark.parametrize("padded", [" b", "b ", "b\t", "\u00a0b", " b ", "b\n"])
def test_white_space_around_ids_is_dropped_with_a_note(padded: str) -> None:
    with pytest.warns(
        DataWarning, match="line 1, column 'user_id': white space around ids is dropped, first around 'b'"
    ):
        dataset = read_frame(LOG.assign(user_id=["b", padded, "c"]), users=pd.DataFrame({"user_id": ["b", "c"]}))
    assert dataset.users.ids == ("b", "c")


RATINGS = [1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    "ratings",
    [
        *(
            pd.Series(RATINGS, dtype=kind)
            for kind in ("int8", "uint16", "float16", "float32", "Int64", "Float32", "object")
        ),
        pd.Series(["1", "2.0", " 3"]),
        pd.Series(["1", "2", "3"], dtype="string"),
        pd.Series(["1", "2", "3"], dtype="category"),
        pd.Series(RATINGS).astype("category"),
        column(Decimal("1.0"), Decimal(2), Decimal(3)),
        column(1, "2", 3.0),
        column(np.int8(1), np.float32(2), np.str_("3")),
    ],
)
def test_ratings_of_any_type_are_the_same_ratings(ratings: "pd.Series[object]") -> None:
    assert read_frame(LOG.assign(rating=ratings)).fingerprint() == read_frame(LOG).fingerprint()


@pytest.mark.parametrize(
    ("ratings", "row"),
    [
        (column(1, None, 3), 1),
        (column(1, 2, pd.NA), 2),
        (column("good", 2, 3), 0),
        (column(1, "4,5", 3), 1),
        (column(1, [2], 3), 1),
        (column(1, True, 3), 1),
        (column(1, 2 + 1j, 3), 1),
        (pd.Series([True, False, True]), 0),
        (pd.Series([1, 2, 3], dtype="complex128"), 0),
        (pd.Series([1.0, float("inf"), 3.0]), 1),
        (pd.Series([1.0, 2.0, float("-inf")]), 2),
        (pd.Series(pd.to_datetime([1, 2, 3], unit="D")), 0),
        (pd.Series(pd.to_timedelta([1, 2, 3], unit="D")), 0),
        (pd.Series([1, None, 3], dtype="Int64"), 1),
        (pd.Series([1, 2, None], dtype="category"), 2),
        (column(1, "", 3), 1),
        (column(1, "0x2", 3), 1),
        (column(1, "★★", 3), 1),
        (column(1, b"x", 3), 1),
        (column(1, "1e999", 3), 1),
    ],
)
def test_ratings_that_are_none_point_at_their_row(ratings: "pd.Series[object]", row: int) -> None:
    with pytest.raises(DataError, match="expected a rating, got") as caught:
        read_frame(LOG.assign(rating=ratings))
    assert (caught.value.line, caught.value.column) == (row, "rating")


def test_arrow_types_are_read_as_pandas_own() -> None:
    pyarrow = pytest.importorskip("pyarrow")

    def typed(values: list[object], kind: object) -> "pd.Series[object]":
        return pd.Series(values, dtype=pd.ArrowDtype(kind))

    moments = pd.to_datetime([1_122_700_000, 1_122_700_060, 1_122_700_120], unit="s")
    ratings = pd.DataFrame(
        {
            "user_id": typed([1, 2, 3], pyarrow.int64()),
            "item_id": typed(list(IDS), pyarrow.large_string()),
            "rating": typed([1.0, 2.0, 3.0], pyarrow.float32()),
            "timestamp": typed(list(moments), pyarrow.timestamp("us")),
        }
    )
    genres = typed([["Drama", "War"], ["Drama"], None], pyarrow.list_(pyarrow.string()))
    items = pd.DataFrame({"item_id": typed([b"1", b"2", b"3"], pyarrow.binary()), "genres": genres})
    users = pd.DataFrame({"user_id": IDS, "age": typed([30, None, 5], pyarrow.int8())})
    dataset = read_frame(ratings, items, users)
    assert dataset.fingerprint() == read_frame(LOG.assign(timestamp=moments)).fingerprint()
    assert genres_of(dataset.catalogue) == WANTED
    assert dataset.users.attributes == {"age": ("30", "", "5")}


NESTED = st.lists(st.text() | st.none() | st.lists(st.text(), max_size=1), max_size=3)
CELLS = (
    *(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(), st.decimals(), NESTED),
    *(st.dictionaries(st.text(), st.text(), max_size=1), st.datetimes(), st.fractions(), st.complex_numbers()),
    *(st.just(10**5000), st.just(float("nan")), st.just(pd.NaT), st.just(pd.NA), st.just(object())),
)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.one_of(CELLS), min_size=3, max_size=3),
    st.sampled_from(["user_id", "item_id", "rating", "title", "genres", "year", "age", "timestamp"]),
)
def test_any_cell_is_read_or_refused_with_its_column(cells: list[object], name: str) -> None:
    tables = {"ratings": LOG.copy(), "items": pd.DataFrame({"item_id": IDS}), "users": pd.DataFrame({"user_id": IDS})}
    home = {"title": "items", "genres": "items", "year": "items", "age": "users"}.get(name, "ratings")
    tables[home][name] = column(*cells)
    faults = []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DataWarning)
            check_dataset(read_frame(tables["ratings"], tables["items"], tables["users"]))
    except DataError as error:
        faults.append(error.column)
    assert faults in ([], [name])


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ([0, 0, 9.3e-81], "expected at least two distinct ratings"),
        ([0, 0, 3.4028235000000003e38], "expected a rating of at most 3.4e\\+38"),
    ],
)
def test_ratings_that_32_bits_do_not_hold_are_refused(cells: list[float], message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read_frame(LOG.assign(rating=cells))
    assert caught.value.column == "rating"
