"""The conformance suite passes what is right and names what is broken."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from personagym_env.conformance.dataset import check_dataset
from personagym_env.data.tables import Catalogue, Dataset, Interactions, Users


def good() -> Dataset:
    catalogue = Catalogue(("x", "y"), ("X", "Y"), np.array([0, 1995]), ("War",), np.array([[True], [False]]))
    log = Interactions.from_columns(
        np.array([0, 0, 1]),
        np.array([0, 1, 1]),
        np.array([1.0, 2, 2]),
        np.array([1, 2, 3]),
        n_users=2,
        n_items=2,
        scale=(1, 2),
    )
    return Dataset("good", catalogue, Users(("a", "b"), {"age": ("30", "")}), log, {"duplicate rows": 1})


def with_catalogue(**changes: object) -> Dataset:
    return dataclasses.replace(good(), catalogue=dataclasses.replace(good().catalogue, **changes))  # type: ignore[arg-type]


def with_log(**changes: object) -> Dataset:
    return dataclasses.replace(good(), interactions=dataclasses.replace(good().interactions, **changes))  # type: ignore[arg-type]


def test_a_good_data_set_passes() -> None:
    check_dataset(good())
    check_dataset(with_log(timestamps=None))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: "ml-100k", "expected a Dataset"),
        (lambda: dataclasses.replace(good(), name=""), "name must not be empty"),
        (lambda: with_catalogue(ids=("x", "x")), r"catalogue\.ids must be distinct"),
        (lambda: with_catalogue(ids=("x", 2)), r"catalogue\.ids must be text, got 2"),
        (lambda: with_catalogue(titles=("X", " ")), r"catalogue\.titles must not be empty"),
        (lambda: with_catalogue(years=np.array([-1, 1])), "0 where unknown, got -1"),
        (lambda: with_catalogue(years=np.array([0.0, 1.0])), "must be integers"),
        (lambda: with_catalogue(genres=np.array([[1], [0]])), "must be bool"),
        (lambda: with_catalogue(genre_names=("B", "A"), genres=np.ones((2, 2), np.bool_)), "must be sorted"),
        (lambda: dataclasses.replace(good(), users=Users(("a", "a"))), r"users\.ids must be distinct"),
        (lambda: dataclasses.replace(good(), users=Users(("a", "b"), {"age": (1, "2")})), "'age'.* got 1"),  # type: ignore[dict-item]
        (lambda: dataclasses.replace(good(), dropped={"rows": 0}), "above 0 or left out"),
        (lambda: with_log(ratings=np.array([1.0, 2, 2])), "must be float32, got float64"),
        (lambda: with_log(items=np.array([0, 1, 1], np.int32)), "items must be int64, got int32"),
        (lambda: with_log(users=np.array([0, 0, 0])), "user .1. has none"),
        (lambda: with_log(items=np.array([0, 0, 1])), "1 rows repeat a pair"),
        (lambda: with_log(timestamps=np.array([2, 1, 3])), "row 1 is not"),
        (lambda: with_log(scale=(2.0, 1.0)), "must ascend"),
        (lambda: with_log(scale=(1.0,), ratings=np.ones(3, np.float32)), "at least two ratings"),
    ],
)
def test_broken_promises_are_named(make: Callable[[], Dataset], message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_dataset(make())
