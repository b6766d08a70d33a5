"""One user never stops a leaderboard: who knows too much or rated too little is left out, counted, and shown as "–"."""

import importlib
import re
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np
import pytest
import tyro

from personagym_benchmarks.cli.leaderboard import LeaderboardCommand
from personagym_env.data.splits import temporal_split
from personagym_env.data.tables import Catalogue, Dataset, Interactions, Users
from personagym_env.evaluation.leaderboard.board import Leaderboard
from personagym_env.run_context import RunContext


class Case(NamedTuple):
    """A log, told by how many items each user rated."""

    n_items: int
    counts: list[int]
    train_share: float = 0.8


def _crowd(n_items: int, usual: int, *extremes: int, users: int = 15, train_share: float = 0.8) -> Case:
    return Case(n_items, [usual] * users + list(extremes), train_share)


CASES = (
    _crowd(80, 30),  # nobody has ten held-out rows
    _crowd(100, 100),  # everybody rated everything
    _crowd(40, 38, train_share=0.6),
    _crowd(80, 60, 80),
    _crowd(80, 60, 79),
    _crowd(80, 60, 78, 79, 80),
    _crowd(80, 60, 1),
    _crowd(80, 60, 2, 3),
    _crowd(80, 60, 1, 80),
    _crowd(80, 5, 80),
    _crowd(80, 5, 80, users=3),
    _crowd(30, 12, 30, 29, 28),
    _crowd(30, 25),
    _crowd(24, 15, 24, train_share=0.9),
    _crowd(24, 20, 24, train_share=0.6),
    _crowd(60, 50, 60, train_share=0.5),
    _crowd(60, 50, 60, 60, 60, 60, train_share=0.99),
    _crowd(14, 4, 14),
    _crowd(15, 3, 15, 15, 14, users=4),
    _crowd(200, 10, 200),
    _crowd(200, 60, 199, 198, 3, 1),
    _crowd(50, 49, users=5, train_share=0.7),
)


def make_data(case: Case) -> Dataset:
    rng = np.random.default_rng(len(case.counts) + case.n_items)
    users = np.repeat(np.arange(len(case.counts)), case.counts)
    items = np.concatenate([rng.permutation(case.n_items)[:count] for count in case.counts])
    log = Interactions.from_columns(
        users,
        items,
        rng.integers(1, 6, len(users)).astype(float),
        1_500_000_000 + 60 * np.arange(len(users)),
        n_users=len(case.counts),
        n_items=case.n_items,
        scale=(1, 2, 3, 4, 5),
    )
    titles = tuple(f"Film {item}" for item in range(case.n_items))
    genres = np.arange(case.n_items)[:, None] % 2 == np.arange(2)
    catalogue = Catalogue(titles, titles, np.full(case.n_items, 1990), ("even", "odd"), genres)
    return Dataset("extreme", catalogue, Users(tuple(f"u{user}" for user in range(len(case.counts)))), log)


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return importlib.import_module("personagym_benchmarks.leaderboard.study")


def arguments(case: Case, *given: str) -> LeaderboardCommand:
    few = ("--agent", "bias", "--contestants", "random", "popular", "--floors", "mf", "--resamples", "10")
    return tyro.cli(
        LeaderboardCommand, args=[*few, "--train-share", str(case.train_share), "--shortlist", "20", *given]
    )


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_leaderboard_leaves_out_and_counts(script: ModuleType, case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    data = make_data(case)
    monkeypatch.setattr(script, "load_dataset", lambda name: data)
    board = script.run(arguments(case).settings, RunContext())
    counts = np.array(case.counts)
    split = temporal_split(data.interactions, case.train_share)
    room = case.n_items - split.train.counts
    told = board.setting["left out"]
    assert told.get("sessions", "0").split()[0] == str((room < 10).sum())
    assert told.get("lists of 10", "0").split()[0] == str(((room < 10) & (split.test.counts > 0)).sum())
    assert int(told.get("choices", "0").split()[0]) >= ((counts == case.n_items) & (split.test.counts > 0)).sum()
    pools = bool((split.test.counts >= 10).any())
    for row in board.rows:
        assert np.isfinite(row.simulated["return"].value)
        assert np.isfinite(row.real.value) == pools
    assert not board.agreements or pools
    if (split.test.counts >= 10).mean() > 0.5:
        assert board.agreements, "every resample of the users has some whose picks are rated"


@pytest.mark.parametrize(
    ("case", "line"),
    [
        (_crowd(80, 30), r"\bpopular .* – "),  # real value, in the ranking
        (_crowd(40, 40, train_share=0.6), r"\bmf .* – "),  # AUC, in the users' fidelity
    ],
    ids=["no pools", "no unseen items"],
)
def test_what_is_unknown_is_a_dash(
    script: ModuleType,
    case: Case,
    line: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(script, "load_dataset", lambda name: make_data(case))
    output, report = tmp_path / "board.json", tmp_path / "board.html"
    arguments(case, "--output", str(output), "--report", str(report)).main()
    told = capsys.readouterr().out
    assert re.search(line, told, re.MULTILINE)
    for page in (told, report.read_text()):
        assert not re.search(r"(?<![\w>])nan(?!\w)", page, re.IGNORECASE)
    board = Leaderboard.load(output)
    assert len(board.rows) == 3
    if case.counts[0] == case.n_items:
        assert board.setting["left out"] == {"choices": "15 users who have fewer than 50 unseen items"}


def test_a_catalogue_without_a_slate_is_refused_before_anything_is_fitted(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = _crowd(12, 12, train_share=0.9)
    monkeypatch.setattr(script, "load_dataset", lambda name: make_data(case))
    monkeypatch.setattr(script, "ask", lambda *given: pytest.fail("asked users first"))
    with pytest.raises(ValueError, match="nobody can have a session: each of the 15 users has fewer than 10 of the 12"):
        script.run(arguments(case).settings, RunContext())
