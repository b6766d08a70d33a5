"""The line-up of the agreement study: who can take part with which data."""

from dataclasses import replace

import pytest

from personagym_env.protocols import Recommender
from personagym_recommenders.line_up import LINE_UP, Means, line_up


def test_everybody_takes_part_where_nothing_is_missing(dataset):
    chosen, left_out = line_up(dataset.interactions, dataset.catalogue, slow=True, users=True)
    assert set(chosen) == set(LINE_UP)
    assert not left_out
    assert {"LightGCN", "NeuMF", "SASRec", "GRU4Rec", "LinUCB", "PPO"} <= set(chosen)
    _, slow = line_up(dataset.interactions, dataset.catalogue, users=True)
    assert "slow" in slow["SASRec"]
    means = Means(4.0, lambda data, log: None)
    assert all(isinstance(entry.make(means), Recommender) for entry in chosen.values())
    assert len({entry.model_class for entry in chosen.values()}) >= 10


def test_those_who_lack_something_are_left_out_and_why(make_dataset, monkeypatch):
    data = make_dataset(timed=False)
    bare = replace(data.catalogue, genre_names=(), genres=data.catalogue.genres[:, :0])
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    chosen, left_out = line_up(data.interactions, bare, slow=True)
    assert set(chosen) | set(left_out) == set(LINE_UP)
    assert left_out["recent"] == "needs timestamps"
    assert left_out["genres"] == "needs genres"
    assert left_out["BPR"] == "needs RecBole"
    assert left_out["LinUCB"] == "needs users to learn with"
    assert left_out["PPO"] == "needs Stable-Baselines3 and users to learn with"


def test_learning_needs_users():
    with pytest.raises(ValueError, match="no users to have them with"):
        LINE_UP["LinUCB"].make(Means(4.0))
