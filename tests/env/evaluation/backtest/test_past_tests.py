"""Files of past tests: both formats say the same, and what is wrong is named."""

import json
import math
from pathlib import Path

import pytest

from personagym_env.evaluation.backtest.past_tests import PastTest, read_past_tests, read_slates

ROW = {"name": "one", "a": "ease", "b": "popular", "outcome": "rating", "difference": 0.1, "low": -0.1, "high": 0.3}


def write(path: Path, *rows: object) -> Path:
    path.write_text(json.dumps({"tests": rows}))
    return path


def test_json_and_csv_say_the_same(tmp_path: Path) -> None:
    table = tmp_path / "tests.csv"
    table.write_text(
        "name,a,b,outcome,difference,low,high\none,ease,popular,rating,0.1,-0.1,0.3\ntwo,a,b,clicks,-1,,\n"
    )
    first, second = read_past_tests(table)
    assert [first] == read_past_tests(write(tmp_path / "tests.json", ROW))
    assert not first.clear
    assert math.isnan(second.low)
    assert second.clear  # without an interval, whoever is ahead


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"outcome": "money"}, "test 'one': outcome is one of rating, clicks, worth, shown, got 'money'"),
        ({"b": "ease"}, "needs two different arms"),
        ({"difference": "much"}, "test 1: difference, low, high are numbers"),
        ({"difference": None}, "test 1 lacks difference"),
        ({"low": 0.2}, r"ends of an interval around 0\.1, or neither"),
        ({"high": None}, "or neither is given"),
        ({"users": 3}, "test 1: expected name, a, b, outcome, difference, low, high, got"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, changed: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read_past_tests(write(tmp_path / "tests.json", ROW | changed))


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="of past tests"):
        read_past_tests(tmp_path / "none.json")
    with pytest.raises(ValueError, match="found none"):
        read_past_tests(write(tmp_path / "tests.json"))
    with pytest.raises(ValueError, match="distinct names, got 'one' twice"):
        read_past_tests(write(tmp_path / "tests.json", ROW, ROW))
    (tmp_path / "tests.json").write_text("name,a")
    with pytest.raises(ValueError, match=r"is no JSON, and no \.csv either"):
        read_past_tests(tmp_path / "tests.json")


def test_slates_are_of_the_data_set(tmp_path: Path, dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("personagym_env.evaluation.backtest.past_tests.LEAST_USERS", 1)
    path = tmp_path / "slates.csv"
    users, items = dataset.users.ids, dataset.catalogue.ids
    path.write_text(f"user_id,item_id\n{users[2]},{items[5]}\n{users[2]},{items[1]}\n")
    found = read_slates(path, dataset)
    assert [column.tolist() for column in found] == [[2, 2], [5, 1]]
    path.write_text(f"user_id,item_id\n{users[2]},nothing\n")
    with pytest.raises(ValueError, match=r"has no item_id 'nothing' \(1 of 1 rows\)"):
        read_slates(path, dataset)
    path.write_text("user,item\n1,2\n")
    with pytest.raises(ValueError, match="under the columns user_id and item_id, got user, item"):
        read_slates(path, dataset)


def test_slates_of_few_users_are_refused(tmp_path: Path, dataset) -> None:
    path = tmp_path / "slates.csv"
    path.write_text(f"user_id,item_id\n{dataset.users.ids[2]},{dataset.catalogue.ids[5]}\n")
    with pytest.raises(ValueError, match="at least 30 users were shown, got 1"):
        read_slates(path, dataset)


@pytest.mark.parametrize(
    ("difference", "why"), [("true", "must be text or a number, got True"), ('"much"', "are numbers")]
)
def test_entries_are_text_or_numbers(tmp_path: Path, difference: str, why: str) -> None:
    path = tmp_path / "tests.json"
    path.write_text(f'[{{"name": "x", "a": "ease", "b": "popular", "outcome": "clicks", "difference": {difference}}}]')
    with pytest.raises(ValueError, match=why):
        read_past_tests(path)


def test_other_encodings_are_named(tmp_path: Path) -> None:
    path = tmp_path / "tests.csv"
    path.write_bytes(b"name,a\n\xff")
    with pytest.raises(ValueError, match=r"tests\.csv: expected text in UTF-8, and byte 7"):
        read_past_tests(path)


def test_a_test_that_chance_decided_is_not_clear() -> None:
    assert PastTest("one", "a", "b", "rating", 0.2, 0.1, 0.3).clear
    assert not PastTest("one", "a", "b", "rating", 0.0).clear
