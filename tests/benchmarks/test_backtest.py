"""A back-test from the command line: tests made from a log, replayed from their file."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from personagym_benchmarks.cli import main
from personagym_env.evaluation.backtest.board import Backtest, backtest_tables
from personagym_env.evaluation.reporting.markdown import markdown
from personagym_recommenders import REGISTRY


def write_log(place: Path, users: int) -> Path:
    """Users with fifty of sixty items, late ones the better ones."""
    place.mkdir()
    rng = np.random.default_rng(0)
    rows = ["user_id:token\titem_id:token\trating:float\ttimestamp:float"]
    for user in range(users):
        for item in rng.choice(60, 50, replace=False):
            rating = int(np.clip(round(1 + 4 * item / 60 + rng.normal(0, 0.7)), 1, 5))
            rows.append(f"u{user}\ti{item}\t{rating}\t{rng.integers(10**6)}")
    (place / "log.inter").write_text("\n".join(rows) + "\n")
    return place


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_log(tmp_path_factory.mktemp("backtest") / "log", 80)


def backtest(log: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, *words: str) -> Backtest:
    output = folder / "backtest.json"
    arguments = [*words, "--dataset", str(log), "--agent", "bias", "--resamples", "100", "--output", str(output)]
    monkeypatch.setattr(sys, "argv", ["personagym", "backtest", *arguments])
    main()
    return Backtest.load(output)


def test_tests_of_a_log_are_made_and_replayed(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    few = {name: REGISTRY[name] for name in ("random", "popular", "best-rated", "worst-rated")}
    for module in ("registry", "loading"):
        monkeypatch.setattr(f"personagym_recommenders.{module}.REGISTRY", few)
    made = backtest(log, tmp_path, monkeypatch, "--made", "12")
    assert "past tests replayed with bias users" in capsys.readouterr().out
    assert [one.test.outcome for one in made.tests].count("rating") == 6
    named = [one for one in made.tests if one.test.outcome == "rating" and one.named and one.winner]
    assert named
    assert all(one.named == one.winner for one in named)  # items differ in quality, which a bias model learns
    assert all(0 <= one.corrected <= 1 for one in made.tests)
    assert all("nan" not in markdown(table) for table in backtest_tables(made))
    file = tmp_path / "backtest" / "past-tests.json"
    again = backtest(log, tmp_path, monkeypatch, str(file))
    assert {one.test.name for one in again.tests} == {one.test.name for one in made.tests}


def test_recommenders_are_arms_by_their_words(log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "tests.json"
    test = {"name": "one", "a": "best-rated", "b": "worst-rated", "outcome": "rating", "difference": 1.0}
    file.write_text(json.dumps([test]))
    (only,) = backtest(log, tmp_path, monkeypatch, str(file)).tests
    assert only.named == only.winner == "best-rated"
    assert np.isnan(only.corrected)
    file.write_text(json.dumps([test | {"a": "slates:none.csv"}]))
    with pytest.raises(SystemExit):
        backtest(log, tmp_path, monkeypatch, str(file))


def test_too_few_users_are_told_in_one_line(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    few = write_log(tmp_path / "log", 40)
    file = tmp_path / "tests.json"
    test = {"name": "one", "a": "best-rated", "b": "worst-rated", "outcome": "rating", "difference": 1.0}
    file.write_text(json.dumps([test]))
    for place, words, expected in (
        (few, (), "need at least 30 users with held-out rows in each half of the users, got closed pool: "),
        (log, (str(file), "--places", "25"), "'best-rated' has 25 items to list for 0 users of 'log'"),
    ):
        with pytest.raises(SystemExit):
            backtest(place, tmp_path, monkeypatch, *words)
        (line,) = capsys.readouterr().err.splitlines()
        assert expected in line
