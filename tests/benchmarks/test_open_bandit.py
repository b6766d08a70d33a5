"""Logs of the Open Bandit Dataset's format are read, and each is asked about the other."""

from pathlib import Path

import numpy as np
import pytest

from personagym_benchmarks.off_policy.open_bandit import OpenBanditBoard, read_bandit_log, run_open_bandit

ITEMS = 4
HEADER = ",timestamp,item_id,position,click,propensity_score"


def write_log(folder: Path, policy: str, chances: np.ndarray, rows: int = 6_000) -> None:
    """Items 0..3 at places 1 and 2; item i is clicked with probability i / 4."""
    rng = np.random.default_rng(len(policy))
    items, places = rng.choice(ITEMS, rows, p=chances), rng.integers(1, 3, rows)
    clicks = rng.random(rows) < items / ITEMS
    lines = [
        f"{row},2019-11-24,{item},{place},{int(click)},{chances[item]}"
        for row, (item, place, click) in enumerate(zip(items, places, clicks, strict=True))
    ]
    path = folder / policy / "all" / "all.csv"
    path.parent.mkdir(parents=True)
    path.write_text("\n".join([HEADER, *lines]) + "\n")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_log(tmp_path, "random", np.full(ITEMS, 0.25))
    write_log(tmp_path, "bts", np.array([0.1, 0.2, 0.3, 0.4]))
    return tmp_path


def test_estimates_come_near_what_was_earned(folder: Path) -> None:
    board = run_open_bandit(folder, ("all",), 200, 0)
    truths = {"bts": 0.5, "random": 0.375}
    assert [(one.logged_by, one.asked_about) for one in board.directions] == [("random", "bts"), ("bts", "random")]
    for one in board.directions:
        truth = truths[one.asked_about]
        assert one.earned.value == pytest.approx(truth, abs=0.03)
        for name in ("IPS", "SNIPS"):
            assert one.estimates[name].value.value == pytest.approx(truth, abs=0.03)
            assert one.estimates[name].warning == ""
    board.save(folder / "board.json")
    assert OpenBanditBoard.load(folder / "board.json").directions == board.directions


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("propensity_score", "score", "lacks the columns propensity_score"),
        (",0.25\n", ",0\n", r"row 0: expected a propensity in \(0, 1\]"),
        (",0.25\n", ",much\n", "row 0: expected numbers"),
    ],
)
def test_a_bad_file_is_named(folder: Path, old: str, new: str, message: str) -> None:
    path = folder / "random" / "all" / "all.csv"
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(ValueError, match=message):
        read_bandit_log(path)


def test_a_missing_file_says_where_the_data_are(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="obp's source archive"):
        read_bandit_log(tmp_path / "all.csv")
