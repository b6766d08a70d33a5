"""The registry of recommenders: every name works, and those who lack something are left out with the reason."""

import importlib
import inspect
import pkgutil
from dataclasses import replace

import pytest

import personagym_recommenders
from personagym_env.protocols import Recommender
from personagym_recommenders import (
    DEFAULT_CONTESTANTS,
    REGISTRY,
    RecommenderContext,
    available,
    load_recommender,
)
from personagym_recommenders.registry import DRAWN


@pytest.fixture
def context(make_agent):
    return RecommenderContext(4.0, lambda dataset, log: pytest.fail("nobody learns here"), make_agent())


@pytest.mark.parametrize("name", REGISTRY)
def test_every_name_makes_a_recommender(name, context):
    assert isinstance(load_recommender(name, context), Recommender)
    assert REGISTRY[name].name == name
    assert not set(" ,:/") & set(name), "names stand in lists with commas, and beside files and folders"


def test_every_recommender_of_the_package_has_a_name():
    """But for what learns from logs of impressions, and what goes around another recommender."""
    found = set()
    for module in pkgutil.walk_packages(personagym_recommenders.__path__, "personagym_recommenders."):
        for name, one in vars(importlib.import_module(module.name)).items():
            if inspect.isclass(one) and hasattr(one, "recommend") and one.__module__ == module.name and name[0] != "_":
                found.add(one)
    concrete = {one for one in found if not inspect.isabstract(one)}
    named = {*(spec.factory for spec in REGISTRY.values()), *DRAWN.values()}
    of_logs = {"BehaviourCloning", "CQL", "IQL", "LogTrained", "ImpressionFactors"}
    assert {one.__name__ for one in concrete - named} == of_logs | {"SB3Recommender", "InstructionFollower"}


def test_tags_tell_who_takes_part(dataset, context):
    chosen, left_out = available(dataset.interactions, dataset.catalogue, context)
    assert set(chosen) == set(REGISTRY)
    assert not left_out
    assert len({spec.model_class for spec in chosen.values()}) >= 12
    assert set(DEFAULT_CONTESTANTS) == {
        "random",
        "popular",
        "best-rated",
        "item-knn",
        "ease",
        "BPR",
        "LightGCN",
        "NeuMF",
    }
    chosen, left_out = available(dataset.interactions, dataset.catalogue, context, slow=False, online=False)
    assert set(left_out) == {"LightGCN", "NeuMF", "SASRec", "GRU4Rec", "ppo-trained", "linucb", "thompson"}
    assert "slow" in left_out["SASRec"]
    assert "sessions that judge" in left_out["linucb"]
    alone = available(dataset.interactions, dataset.catalogue)[1]
    assert alone["linucb-trained"] == "needs users to learn with"
    assert alone["oracle-greedy"] == "needs users who judge"


def test_those_who_lack_something_are_left_out_and_why(make_dataset, monkeypatch):
    data = make_dataset(timed=False)
    bare = replace(data.catalogue, genre_names=(), genres=data.catalogue.genres[:, :0])
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    chosen, left_out = available(data.interactions, bare)
    assert set(chosen) | set(left_out) == set(REGISTRY)
    assert left_out["recent"] == "needs timestamps"
    assert left_out["genres"] == "needs genres"
    assert left_out["BPR"] == "needs RecBole"
    assert left_out["ppo-trained"] == "needs Stable-Baselines3 and users to learn with"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ease-liked", "the least rating that counts as liked"),
        ("linucb-trained", "users to learn with"),
        ("oracle-greedy", "the users who judge"),
    ],
)
def test_what_the_context_lacks_is_said(name, message):
    with pytest.raises(ValueError, match=f"'{name}' needs {message}"):
        load_recommender(name)


def test_options_come_before_the_context():
    assert load_recommender("ease-liked", min_rating=3.0).settings()["min_rating"] == 3.0
