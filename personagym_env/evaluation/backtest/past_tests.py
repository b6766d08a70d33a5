"""Past A/B tests on disk: two recommenders or two sets of slates, and what real people made of them.

JSON holds a list of tests, or an object whose `tests` is one; CSV has a header with the same names. An arm is a word
that `find_recommender` takes, or `slates:` and the path, beside the file, of a CSV with columns `user_id` and `item_id`
of what was shown.
"""

import csv
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from personagym_env.data.tables import Dataset, IntArray

Outcome = Literal["rating", "clicks", "worth", "shown"]
"""What was measured: mean rating of what was taken; how often something was; both together; mean rating of what was
shown to people who had to rate it."""
QUANTITIES: Mapping[Outcome, str] = {"rating": "expected", "clicks": "odds", "worth": "odds_worth", "shown": "shown"}
"""Outcome to what simulated users are asked, a key of `reporting.figures.ASKED`."""
SLATES = "slates:"
"""Before the path of what was shown."""
_NUMBERS = ("difference", "low", "high")
_WRITTEN = (str, int, float)
"""What entries of JSON are; of CSV all are text."""
LEAST_USERS = 30
"""Whom slates are shown to at least, so that an interval over users means something."""


@dataclass(frozen=True)
class PastTest:
    """One finished A/B test."""

    name: str
    a: str
    """An arm: a recommender's word, or `slates:` and a path."""
    b: str
    outcome: Outcome
    difference: float
    """Real outcome of a less that of b."""
    low: float = math.nan
    """Lower end of its 95 % interval; NaN where nobody knows."""
    high: float = math.nan

    def __post_init__(self) -> None:
        if self.outcome not in get_args(Outcome):
            raise ValueError(f"test {self.name!r}: outcome is one of {', '.join(QUANTITIES)}, got {self.outcome!r}")
        if not self.a or not self.b or self.a == self.b:
            raise ValueError(f"test {self.name!r} needs two different arms, got {self.a!r} and {self.b!r}")
        if not math.isfinite(self.difference):
            raise ValueError(f"test {self.name!r}: difference must be a number, got {self.difference}")
        if math.isnan(self.low) != math.isnan(self.high) or self.low > self.difference or self.high < self.difference:
            raise ValueError(
                f"test {self.name!r}: low and high are the ends of an interval around {self.difference:g}, or neither "
                f"is given, got {self.low:g} and {self.high:g}"
            )

    @property
    def clear(self) -> bool:
        """Whether somebody won beyond chance; where no interval is known, whoever is ahead."""
        return self.difference != 0 if math.isnan(self.low) else self.low > 0 or self.high < 0


def read_past_tests(path: Path) -> list[PastTest]:
    """Tests of a JSON or CSV file.

    Raises:
        FileNotFoundError: there is no file.
        ValueError: it is neither, has no tests, or a test lacks something; says which and what was expected.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no file {path} of past tests")
    text = _text(path)
    if path.suffix == ".csv":
        rows: Any = list(csv.DictReader(text.splitlines()))
    else:
        try:
            rows = json.loads(text)
        except ValueError as error:
            raise ValueError(f"{path} is no JSON, and no .csv either: {error}") from error
        rows = rows.get("tests") if isinstance(rows, dict) else rows
    if not isinstance(rows, list) or not rows:
        raise ValueError(f"{path}: expected a list of tests, in JSON perhaps under the key 'tests', and found none")
    tests = [_test(path, at, row) for at, row in enumerate(rows, start=1)]
    names = [test.name for test in tests]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ValueError(f"{path}: tests need distinct names, got {twice[0]!r} twice")
    return tests


def _test(path: Path, at: int, row: Any) -> PastTest:
    known = [entry.name for entry in fields(PastTest)]
    if not isinstance(row, dict) or set(row) - set(known):
        told = sorted(map(str, row)) if isinstance(row, dict) else row
        raise ValueError(f"{path}, test {at}: expected {', '.join(known)}, got {told!r}")
    given = {name: value for name, value in row.items() if value not in (None, "")}
    if missing := [name for name in known[:5] if name not in given]:
        raise ValueError(f"{path}, test {at} lacks {', '.join(missing)}")
    if wrong := [name for name, value in given.items() if not isinstance(value, _WRITTEN) or isinstance(value, bool)]:
        raise ValueError(f"{path}, test {at}: {wrong[0]} must be text or a number, got {given[wrong[0]]!r}")
    try:
        numbers = {name: float(given.pop(name)) for name in _NUMBERS if name in given}
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}, test {at}: {', '.join(_NUMBERS)} are numbers: {error}") from error
    return PastTest(**{name: str(value) for name, value in given.items()}, **numbers)  # type: ignore[arg-type]


def read_slates(path: Path, dataset: Dataset) -> tuple[IntArray, IntArray]:
    """Internal users (p,) and items (p,) of what was shown.

    Raises:
        FileNotFoundError: there is no file.
        ValueError: a column is missing, users or items are not those of the data set, or users are too few.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no file {path} of slates")
    rows = list(csv.DictReader(_text(path).splitlines()))
    if not rows or not {"user_id", "item_id"} <= set(rows[0]):
        told = ", ".join(map(str, rows[0])) if rows else "no rows"
        raise ValueError(f"{path}: expected rows under the columns user_id and item_id, got {told}")
    found = []
    for column, ids in (("user_id", dataset.users.ids), ("item_id", dataset.catalogue.ids)):
        place = {name: at for at, name in enumerate(ids)}
        if strange := [row[column] for row in rows if row[column] not in place]:
            many = f"{len(strange)} of {len(rows)} rows"
            raise ValueError(f"{path}: {dataset.name!r} has no {column} {strange[0]!r} ({many})")
        found.append(np.array([place[row[column]] for row in rows], np.int64))
    users, items = found
    if (shown := len(np.unique(users))) < LEAST_USERS:
        raise ValueError(f"{path}: expected what at least {LEAST_USERS} users were shown, got {shown}")
    return users, items


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: expected text in UTF-8, and byte {error.start} is none") from error
