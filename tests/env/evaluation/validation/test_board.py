"""A validation knows its own floors, tells good from bad simulators, and survives a file."""

import io
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from personagym_env.data.splits import Split, temporal_split
from personagym_env.data.tables import Catalogue, Interactions
from personagym_env.evaluation.reporting.terminal import rich_table
from personagym_env.evaluation.validation.aspects import ASPECTS, Ruler
from personagym_env.evaluation.validation.board import (
    HALVES,
    PRECEDING,
    Simulated,
    Validation,
    session_budget,
    validate,
)
from personagym_env.evaluation.validation.session_log import SessionLog, held_out_sessions
from personagym_env.evaluation.validation.tables import validation_tables

USERS, ITEMS, GENRES = 40, 60, 3


def _lives(seed: int, law: list[float], *, timed: bool = True) -> Interactions:
    """Users who rate by one law, in sessions of about five rows."""
    rng = np.random.default_rng(seed)
    items = np.argsort(rng.random((USERS, ITEMS)) - np.linspace(0.5, 0, ITEMS), axis=1)[:, :40]
    pauses = np.where(rng.random(items.size) < 0.2, 86_400, 5)
    return Interactions.from_columns(
        np.repeat(np.arange(USERS), 40),
        items.ravel(),
        rng.choice([1.0, 2.0, 3.0], items.size, p=law),
        np.cumsum(pauses) if timed else None,
        n_users=USERS,
        n_items=ITEMS,
        scale=(1.0, 2.0, 3.0),
    )


CATALOGUE = Catalogue(
    tuple(map(str, range(ITEMS))),
    ("film",) * ITEMS,
    np.zeros(ITEMS, np.int64),
    tuple(f"g{genre}" for genre in range(GENRES)),
    np.eye(GENRES, dtype=np.bool_)[np.arange(ITEMS) % GENRES],
)
REAL, OTHER = [0.2, 0.3, 0.5], [0.6, 0.3, 0.1]


def _validate(split: Split, simulated: list[Simulated], budget: np.ndarray) -> Validation:
    return validate(
        split,
        Ruler(split.train, CATALOGUE),
        simulated,
        budget,
        np.random.default_rng(0),
        dataset="made up",
        resamples=100,
        assumptions=("everything",),
        setting={"seed": 0},
        environment={},
    )


def _like(split: Split, name: str) -> Simulated:
    return Simulated(name, "users", held_out_sessions(split), "another draw")


@pytest.fixture(scope="module")
def split() -> Split:
    return temporal_split(_lives(0, REAL), 0.5)


@pytest.fixture(scope="module")
def result(split: Split) -> Validation:
    same, worse = (temporal_split(_lives(1, law), 0.5) for law in (REAL, OTHER))
    simulated = [_like(split, "copy"), _like(same, "same law"), _like(worse, "other law")]
    return _validate(split, simulated, session_budget(split))


def test_a_copy_of_the_held_out_log_has_no_distance(result: Validation) -> None:
    assert {board.name for board in result.aspects} == set(ASPECTS)
    for board in result.aspects:
        row = board.row("copy")
        expected = (0, np.nan, np.nan) if board.aspect.biased else (0, 0, 0)
        assert all(gap == pytest.approx(expected, nan_ok=True) for gap in row.distances.values())
        assert row.level == pytest.approx(board.level, nan_ok=True)
        assert row.difference.value == 0


def test_floors_stand_between_the_copy_and_another_law(result: Validation) -> None:
    stars = next(board for board in result.aspects if board.name == "stars")
    gaps = {row.source: row.distances["ks"] for row in stars.rows}
    assert gaps["other law"].value == pytest.approx(0.4, abs=0.06)
    assert gaps["other law"].low > max(gaps[one].high for one in (HALVES, PRECEDING, "same law"))
    assert stars.row("other law").difference.value == pytest.approx(1.5 - 2.3, abs=0.12)
    assert 0 < gaps[HALVES].value < 0.1


def test_sources_are_described(result: Validation) -> None:
    assert [source.kind for source in result.sources] == ["halves", "preceding", "users", "users", "users"]
    assert result.users == USERS
    assert result.rows == USERS * 20
    assert all(source.rows == result.rows for source in result.sources)


def test_only_users_who_take_part_count(split: Split) -> None:
    budget = session_budget(split, np.array([3, 5, 8, 13, 21]))
    part = budget > 0
    one = Simulated("copy", "users", held_out_sessions(split).of_users(part), "")
    found = _validate(split, [one], budget)
    assert (found.users, found.rows) == (5, 100)


def test_without_timestamps_sessions_are_left_out() -> None:
    split = temporal_split(_lives(0, REAL, timed=False), 0.5)
    log = SessionLog(split.test, np.ones(len(split.test), np.int64), np.zeros(len(split.test), np.bool_))
    found = _validate(split, [Simulated("copy", "users", log, "")], session_budget(split))
    assert [board.name for board in found.aspects] == ["stars", "popularity", "concentration", "user entropy"]
    assert found.sources[1].sessions is None


def test_a_file_and_back(result: Validation, tmp_path: Path) -> None:
    result.save(tmp_path / "validation.json")
    again = Validation.load(tmp_path / "validation.json")
    assert json.dumps(asdict(again)) == json.dumps(asdict(result))  # NaN is not equal to itself, its text is


def test_an_unknown_aspect_is_refused(result: Validation, tmp_path: Path) -> None:
    result.save(tmp_path / "validation.json")
    text = (tmp_path / "validation.json").read_text(encoding="utf-8").replace('"name": "stars"', '"name": "moons"')
    (tmp_path / "validation.json").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match="no aspect 'moons'"):
        Validation.load(tmp_path / "validation.json")


def test_tables_hold_every_source_and_figure(result: Validation) -> None:
    console = Console(width=220, record=True, file=io.StringIO())
    for table in validation_tables(result):
        console.print(rich_table(table))
    text = console.export_text()
    for name in (HALVES, PRECEDING, "copy", "other law", *(aspect.title for aspect in ASPECTS.values())):
        assert name in text
    assert "nan" not in text


def test_bad_requests(split: Split) -> None:
    budget = session_budget(split)
    with pytest.raises(ValueError, match="distinct names"):
        _validate(split, [_like(split, "a"), _like(split, "a")], budget)
    with pytest.raises(ValueError, match="'a' has other numbers of rows per user"):
        _validate(split, [_like(split, "a")], session_budget(split, np.array([1])))
    with pytest.raises(ValueError, match="who take part have none"):
        session_budget(split, np.zeros(0, np.int64))
