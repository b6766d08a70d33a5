"""Wishes of a small log: what they tell, and who listens."""

from pathlib import Path

import numpy as np
import pytest

from personagym_benchmarks.instructions.predictions import predictions
from personagym_benchmarks.instructions.settings import InstructionSettings
from personagym_benchmarks.instructions.study import run
from personagym_env.data.tables import Catalogue, Interactions
from personagym_env.evaluation.instructions.board import FIGURES, Instructions
from personagym_env.evaluation.instructions.tables import tables
from personagym_env.run_context import RunContext


def test_wishes_that_come_true_are_told_from_those_of_others() -> None:
    """Everybody's next rows are of one genre and era, and everybody wishes for just that."""
    n, m = 20, 40
    genres = np.zeros((m, 2), np.bool_)
    genres[:20, 0] = genres[20:, 1] = True
    catalogue = Catalogue(
        tuple(map(str, range(m))), ("x",) * m, np.where(genres[:, 0], 1960, 1990), ("Drama", "War"), genres
    )
    users = np.repeat(np.arange(n), 4)
    items = np.concatenate([np.arange(4) + (0 if user % 2 else 20) for user in range(n)])
    held_out = Interactions.from_columns(
        users, items, np.full(len(users), 3.0), None, n_users=n, n_items=m, scale=(1.0, 2.0, 3.0)
    )
    wishes = np.array([[0, 1, -1] if user % 2 else [1, 0, 1] for user in range(n)])
    weights = np.ones((3, n))
    others = (np.arange(n) + 1) % n  # of the other kind
    found = list(predictions(wishes, others, held_out, catalogue, weights))
    assert [round(one.own.value, 3) for one in found] == [1.0, 0.0, 1.0, 0.75]
    assert [one.base.value for one in found] == pytest.approx([0.5, 0.5, 0.0, 0.5], abs=0.51)
    assert [round(one.swapped.value, 3) for one in found] == [0.0, 1.0, 0.0, 0.25]


def test_the_study_compares_over_the_same_users(small_folder: Path, tmp_path: Path) -> None:
    settings = InstructionSettings(
        dataset=str(small_folder), agent="bias", recommender="popular", users=6, slate_size=3, steps=6, resamples=50
    )
    found = run(settings, RunContext(tmp_path, "test"))
    assert [one.name for one in found.listeners] == ["MostPopular", "follows", "mishears"]
    for key, differences in found.differences.items():
        by_name = {one.name: one.figures[key].value for one in found.listeners}
        for one in differences:
            assert one.value.value == pytest.approx(by_name[one.left] - by_name[one.right], nan_ok=True)
    assert set(found.differences) == set(FIGURES)
    assert found.benchmarks
    found.save(tmp_path / "instructions.json")
    again = list(tables(Instructions.load(tmp_path / "instructions.json")))
    assert len(again) == 3


def test_nobody_who_never_speaks_is_asked() -> None:
    with pytest.raises(ValueError, match="reach must be above 1"):
        InstructionSettings(reach=1.0).check()
