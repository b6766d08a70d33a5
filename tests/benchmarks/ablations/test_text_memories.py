"""Memories in words: who lives through what, and that ten candidates are ranked by what is remembered."""

from pathlib import Path

import numpy as np
import pytest

from ablations import text_memories
from ablations.results import TextMemoriesFound
from ablations.text_memories import CORE, EMPTY, NUMERIC, TWIN, Settings, encounters_of
from fixtures.display import RecordingDisplay
from fixtures.genre_model import GenreModel
from personagym_env.data.splits import Split
from personagym_env.data.tables import Dataset
from personagym_env.run_context import RunContext


def test_everybody_stands_once_in_a_round_and_rows_keep_their_order(small_split: Split) -> None:
    train = small_split.train
    users = np.flatnonzero(train.counts >= 4)[:12]
    rounds = encounters_of(train, users, 4, seed=0)
    for one in rounds:
        assert len({met.user for met in one}) == len(one)
        assert len({item for met in one for item in met[1:]}) == 2 * len(one)
        assert not train.contains(np.array([met.user for met in one]), np.array([met.other for met in one])).any()
    for user in users.tolist():
        lived = [met.taken for one in rounds for met in one if met.user == user]
        assert lived == train.items[train.indptr[user + 1] - 4 : train.indptr[user + 1]].tolist()


def test_ranks_stand_beside_floors_and_the_twin(small_data: Dataset, small_split: Split, tmp_path: Path) -> None:
    model, settings = GenreModel(), Settings(users=6, rows=2)
    context = RunContext(tmp_path, display=RecordingDisplay())
    found = text_memories.study(model, model, small_data, small_split, settings, context)
    figures = {one.figure: one.interval.value for one in found.measurements}
    for name in (EMPTY, TWIN, CORE, NUMERIC, "popularity"):
        cuts = [figures[f"NDCG@{cut}, {name}"] for cut in (1, 5, 10)]
        assert 0 <= cuts[0] <= cuts[1] <= cuts[2] <= 1
    less = figures[f"NDCG@10, {CORE} less {EMPTY}"]
    assert less == pytest.approx(figures[f"NDCG@10, {CORE}"] - figures[f"NDCG@10, {EMPTY}"])
    # Who remembers nothing prefers neither item of any pair: the item taken shares all ten ranks.
    assert figures[f"NDCG@10, {EMPTY}"] == pytest.approx(1 / np.log2(2 + 4.5))
    assert found.encounters == 12
    assert found.counts[CORE]["right"] + found.counts[CORE]["wrong"] == 12
    assert len(found.memories) == 6
    found.save(tmp_path / "found.json")
    assert TextMemoriesFound.load(tmp_path / "found.json") == found


def test_more_users_than_there_are_are_refused(small_data: Dataset, small_split: Split, tmp_path: Path) -> None:
    model = GenreModel()
    with pytest.raises(ValueError, match="expected 100000 users with training and held-out rows, got"):
        text_memories.study(
            model, model, small_data, small_split, Settings(users=100_000), RunContext(tmp_path, RecordingDisplay())
        )
