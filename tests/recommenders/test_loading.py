"""Recommenders by word."""

import sys

import pytest

from personagym_env.conformance.stochastic import check_stochastic
from personagym_recommenders import (
    EASE,
    REGISTRY,
    CandidateFeatures,
    MostPopular,
    RecBole,
    RecommenderContext,
    load_recommender,
    make_contestants,
)

BARE = '''
class Bare:
    """The protocol without any base class."""

    name = "bare"

    def __init__(self, step=1):
        self.step = step

    def fit(self, log, catalogue):
        return self

    def recommend(self, observation, k, candidates=None):
        return None


def make_bare():
    return Bare(step=7)


class NoRecommender:
    name = "no"


constant = 3
'''


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "own.py"
    path.write_text(BARE)
    yield path
    sys.modules.pop("personagym_file_own", None)


def test_options_reach_the_constructor():
    ease = load_recommender("ease", regularisation=7.0)
    assert isinstance(ease, EASE)
    assert ease.regularisation == 7.0
    recipe, searching = load_recommender("BPR"), load_recommender("BPR", epochs=None)
    assert isinstance(recipe, RecBole)
    assert isinstance(searching, RecBole)
    assert (recipe.epochs, searching.epochs) == (REGISTRY["BPR"].options["epochs"], None)
    assert load_recommender("SimpleX").name == "SimpleX"


def test_by_file_and_by_module(file):
    assert load_recommender(f"{file}:Bare", step=3).step == 3
    assert load_recommender(f"{file}:make_bare").step == 7
    assert isinstance(load_recommender("personagym_recommenders.models.heuristics:MostPopular"), MostPopular)


@pytest.mark.parametrize(
    ("spec", "error", "message"),
    [
        ("poplar", ValueError, "no recommender is called 'poplar'.*popular"),
        ("", ValueError, "no recommender is called ''"),
        ("../BPR", ValueError, "no recommender is called"),
        ("{file}:Missing", ValueError, "has no 'Missing'"),
        ("{file}:NoRecommender", TypeError, "NoRecommender lacks fit, recommend"),
        ("{file}:constant", TypeError, "is int"),
        ("nowhere.py:Bare", FileNotFoundError, "no file nowhere.py"),
        ("no_such_module:Bare", ImportError, "no_such_module"),
    ],
)
def test_what_is_wrong_is_said(file, spec, error, message):
    with pytest.raises(error, match=message):
        load_recommender(spec.format(file=file))


def test_saved_recommenders_come_from_their_folder(checkerboard, tmp_path):
    MostPopular().fit(checkerboard.log, checkerboard.catalogue).save(tmp_path / "mine")
    loaded = load_recommender(str(tmp_path / "mine"))
    assert isinstance(loaded, MostPopular)
    with pytest.raises(ValueError, match=r"cannot be made from \{'depth': 2\}"):
        load_recommender(str(tmp_path / "mine"), depth=2)
    with pytest.raises(FileNotFoundError, match=r"recommender\.safetensors is missing; there are .*mine"):
        load_recommender(str(tmp_path))
    features = CandidateFeatures([MostPopular()]).fit(checkerboard.log, checkerboard.catalogue)
    features.save(tmp_path / "features")
    with pytest.raises(TypeError, match="holds a saved CandidateFeatures, which is no recommender"):
        load_recommender(str(tmp_path / "features"))
    with pytest.raises(
        ValueError, match=r"model\.zip is a file of Stable-Baselines3: it holds pickles.*action decoder"
    ):
        load_recommender(str(tmp_path / "model.zip"))


def test_unknown_options_are_refused():
    with pytest.raises(ValueError, match=r"'ease' cannot be made .* 'lambda_'"):
        load_recommender("ease", lambda_=3)


def test_without_recbole_the_error_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"--no-deps recbole==1\.2\.1\npip install 'personagym\[recbole\]'"):
        load_recommender("BPR")
    with pytest.raises(ValueError, match="no recommender is called 'SimpleX'"):
        load_recommender("SimpleX")
    assert load_recommender("popular").name == "MostPopular"


@pytest.mark.parametrize("word", ["plackett-luce:popular", "epsilon-greedy:ease", "plackett-luce:item-knn-liked"])
def test_what_draws_from_scores_stands_before_their_name(word, checkerboard):
    (entry,) = make_contestants([word], RecommenderContext(liked=4.0))
    assert entry.name == word
    check_stochastic(entry.recommender, checkerboard.log, checkerboard.catalogue)


def test_options_of_drawing_and_of_scores_find_their_place():
    drawn = load_recommender("plackett-luce:ease", temperature=0.3, regularisation=7.0)
    assert drawn.temperature == 0.3
    assert drawn.recommender.regularisation == 7.0
    with pytest.raises(ValueError, match="no recommender is called 'poplar'"):
        load_recommender("plackett-luce:poplar")
    with pytest.raises(TypeError, match="LinUCB has none"):
        load_recommender("epsilon-greedy:linucb")
