"""A scale that rests on a rating which is none, perhaps, is told, with the row; a scale that stands is not."""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from personagym_env.data.readers.atomic import read_atomic
from personagym_env.data.readers.frame import read_frame
from personagym_env.data.readers.movielens_csv import read_movielens_csv
from personagym_env.data.readers.table import DataError, DataWarning
from personagym_env.data.tables import Dataset


def frame(ratings: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"user_id": range(len(ratings)), "item_id": 7, "rating": ratings})


def usual(low: float, high: float, step: float, rows: int) -> list[float]:
    """Ratings of a whole scale in turn."""
    grid = np.arange(low, high + step / 2, step)
    return [float(grid[row % len(grid)]) for row in range(rows)]


FIVE = usual(1, 5, 1, 100)
HALVES = usual(0.5, 5, 0.5, 200)
TEN = usual(1, 10, 1, 200)


@pytest.mark.parametrize(
    ("ratings", "odd"),
    [
        *((FIVE, odd) for odd in (0.0, -1.0, 6.0, 7.0, 10.0, 50.0, 99.0, 4.5, 2.5, 0.5, 5.5, 3.25)),
        *((HALVES, odd) for odd in (0.0, -1.0, 5.5, 10.0, 4.75, 0.25)),
        *((TEN, odd) for odd in (0.0, -1.0, 11.0, 7.5, 99.0)),
        ([1.0, 2, 3, 4, 5], 0.0),
        (usual(1, 3, 1, 60), 0.0),
    ],
)
@pytest.mark.parametrize("row", [0, 3, -1])
def test_one_odd_rating_is_told_with_its_row(ratings: list[float], odd: float, row: int) -> None:
    place = row % (len(ratings) + 1)
    mixed = [*ratings[:place], odd, *ratings[place:]]
    with pytest.warns(DataWarning, match=rf"line {place}, column 'rating': the rating {odd:g}, which 1 of") as told:
        log = read_frame(frame(mixed)).interactions
    assert len(told) == 1
    assert log.scale[0] == min(mixed)
    assert log.scale[-1] == max(mixed)


@pytest.mark.parametrize("count", [1, 20, 60])
@pytest.mark.parametrize("mark", [-1.0, 99.0])
def test_marks_that_no_scale_has_are_told_however_many_there_are(mark: float, count: int) -> None:
    with pytest.warns(DataWarning, match=f"the rating {mark:g}, which {count} of"):
        read_frame(frame(FIVE + [mark] * count))


@pytest.mark.parametrize(
    "ratings",
    [
        *(FIVE, HALVES, TEN, usual(0, 5, 1, 100), usual(0, 10, 1, 100), usual(-10, 10, 1, 100), usual(0, 1, 0.1, 50)),
        *([1.0, 2.0], [0.0, 1.0], [-1.0, 1.0], [-1.0, 0.0, 1.0], [1.0, 5.0], [0.5, 1.0, 5.0], [1.0, 2.0, 4.0, 5.0]),
        [0.0] * 30 + FIVE,
        [*FIVE, *[1.0] * 200],
        [5.0] * 60 + [4.0] * 30 + [3.0] * 15 + [2.0] * 8 + [1.0] * 4,
        [1.0, *([3.0, 4.0, 5.0] * 5)],
        [0.0, 20.0, 40.0, 60.0, 80.0, 100.0] * 5,
    ],
)
def test_scales_that_stand_are_read_without_a_note(ratings: list[float]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_frame(frame(ratings))
        read_frame(frame([*FIVE, 0.0]), scale=(0, 1, 2, 3, 4, 5))


@settings(max_examples=60, deadline=None)
@given(st.integers(3, 12), st.integers(3, 20), st.randoms(use_true_random=False))
def test_zero_among_any_scale_from_one_is_told(most: int, each: int, random: object) -> None:
    ratings = [float(value) for value in range(1, most + 1)] * each
    random.shuffle(ratings)  # type: ignore[attr-defined]
    row = random.randrange(len(ratings))  # type: ignore[attr-defined]
    with pytest.warns(DataWarning, match=rf"line {row}, column 'rating': the rating 0, which 1 of"):
        read_frame(frame([*ratings[:row], 0.0, *ratings[row:]]))


def test_files_tell_the_line(tmp_path: Path) -> None:
    rows = [f"{user},7,{rating:g}" for user, rating in enumerate([*FIVE, 0.0])]
    (tmp_path / "ratings.csv").write_text("\n".join(["userId,movieId,rating", *rows]))
    with pytest.warns(DataWarning, match="ratings.csv, line 102, column 'rating': the rating 0"):
        read_movielens_csv(tmp_path)
    tabs = [row.replace(",", "\t") for row in rows]
    (tmp_path / "a.inter").write_text("\n".join(["user_id:token\titem_id:token\trating:float", *tabs]))
    with pytest.warns(DataWarning, match="a.inter, line 102, column 'rating': the rating 0"):
        read_atomic(tmp_path / "a")


def both_formats(folder: Path, rows: list[tuple[object, ...]]) -> list[Dataset]:
    """The rows without times as `ratings.csv` and as `.inter`."""
    for name, head, separator in (
        ("ratings.csv", "userId,movieId,rating", ","),
        ("a.inter", "user_id:token\titem_id:token\trating:float", "\t"),
    ):
        (folder / name).write_text("\n".join([head, *(separator.join(map(str, row)) for row in rows)]))
    return [read_movielens_csv(folder), read_atomic(folder / "a")]


def test_times_may_be_missing_in_every_format(tmp_path: Path) -> None:
    csv, atomic = both_formats(tmp_path, [(1, 1, 5), (1, 2, 4), (2, 1, 1)])
    assert csv.interactions.timestamps is None
    assert csv.interactions.fingerprint() == atomic.interactions.fingerprint()


@pytest.mark.parametrize("rating", [0, 1, 3.5, -2, 100])
def test_a_log_of_one_rating_asks_for_the_scale(rating: float) -> None:
    with pytest.raises(DataError, match=r'at least two distinct ratings, got .*give `scale`, or "scale" in personagym'):
        read_frame(frame([rating] * 5))
    assert read_frame(frame([rating] * 5), scale=(rating, rating + 1)).interactions.scale == (rating, rating + 1)
