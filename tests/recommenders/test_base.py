"""The base class: choice of the best k, exclusion, saving."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from personagym_recommenders import MostPopular, ScoringRecommender, top_k
from personagym_recommenders.recommender_file import FILE_NAME


class ById(ScoringRecommender):
    """Higher ids score higher; keeps a learned array and an argument."""

    def __init__(self, sign: float = 1.0) -> None:
        self.sign = sign

    def learn(self, log, catalogue):
        """Remember the ids."""
        self.items_ = np.arange(log.n_items, dtype=np.float64)

    def score(self, observation):
        """The ids, or their opposites."""
        return np.tile(self.sign * self.items_, (len(observation["user"]), 1))


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 6), st.integers(1, 12), st.integers(1, 4))
def test_top_k_is_a_stable_sort(seed, n, m, levels):
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, levels, (n, m)).astype(float)
    allowed = rng.random((n, m)) < 0.8
    k = int(allowed.sum(axis=1).min())
    if k == 0:
        return
    expected = np.argsort(-np.where(allowed, scores, -np.inf), axis=1, kind="stable")[:, :k]
    np.testing.assert_array_equal(top_k(scores, allowed, k), expected)


def test_top_k_refuses_what_it_cannot_answer():
    scores, allowed = np.zeros((2, 4)), np.ones((2, 4), bool)
    allowed[1, 1:] = False
    with pytest.raises(ValueError, match=r"row 1 has 1 items .* k = 2"):
        top_k(scores, allowed, 2)
    with pytest.raises(ValueError, match="at least 1"):
        top_k(scores, allowed, 0)
    with pytest.raises(ValueError, match="shape"):
        top_k(scores, allowed[:, :3], 1)
    scores[0, 2] = np.nan
    with pytest.raises(ValueError, match="finite"):
        top_k(scores, allowed, 1)


def test_a_score_that_is_not_finite_matters_only_where_allowed():
    scores = np.array([[np.nan, 1.0, 2.0]])
    assert top_k(scores, np.array([[False, True, True]]), 2).tolist() == [[2, 1]]


def test_consumed_items_are_left_out_and_candidates_rule_alone(make_log, observe):
    log, catalogue = make_log([(0, 5, 3), (0, 4, 3), (1, 0, 3)], 2, 6)
    recommender = ById().fit(log, catalogue)
    observation = observe([0, 1], [[3, -1], [-1, 5]])
    assert recommender.recommend(observation, 3).tolist() == [[2, 1, 0], [4, 3, 2]]
    everything = np.ones((2, 6), bool)
    assert recommender.recommend(observation, 2, everything).tolist() == [[5, 4], [5, 4]]
    with pytest.raises(ValueError, match="row 0 has 3 items"):
        recommender.recommend(observation, 4)


def test_history_counts_every_item_once(make_log, observe):
    log, catalogue = make_log([(0, 1, 3)], 1, 4)
    history = ById().fit(log, catalogue).history(observe([0, 0], [[1, 2], [3, 3]]))
    assert history.toarray().tolist() == [[0, 1, 1, 0], [0, 1, 0, 1]]


def test_misuse_is_said(make_log, observe, tmp_path):
    log, catalogue = make_log([(0, 1, 3)], 1, 4)
    with pytest.raises(ValueError, match="must be fitted"):
        ById().recommend(observe([0]), 1)
    with pytest.raises(ValueError, match="must be fitted"):
        ById().save(tmp_path)
    with pytest.raises(ValueError, match=r"users 0\.\.1, known are 0\.\.0"):
        ById().fit(log, catalogue).recommend(observe([0, 1]), 1)
    _, other = make_log([(0, 1, 3)], 1, 5)
    with pytest.raises(ValueError, match="4 items, the catalogue has 5"):
        ById().fit(log, other)


def test_saving_keeps_arguments_and_arrays(make_log, observe, tmp_path):
    log, catalogue = make_log([(0, 1, 3), (1, 2, 4)], 2, 4)
    ById(sign=-1.0).fit(log, catalogue).save(tmp_path / "deep" / "folder")
    restored = ById.load(tmp_path / "deep" / "folder")
    assert restored.sign == -1.0
    assert restored.recommend(observe([0, 1]), 3).tolist() == [[0, 2, 3], [0, 1, 3]]
    assert [path.name for path in (tmp_path / "deep" / "folder").iterdir()] == [FILE_NAME]


def test_a_failed_save_leaves_the_older_file(make_log, tmp_path, monkeypatch):
    log, catalogue = make_log([(0, 1, 3)], 1, 4)
    recommender = ById().fit(log, catalogue)
    recommender.save(tmp_path)
    before = (tmp_path / FILE_NAME).read_bytes()

    def full_disk(tensors, path, metadata):
        with open(path, "wb") as file:
            file.write(b"half")
        raise OSError("no space left")

    monkeypatch.setattr("personagym_recommenders.recommender_file.save_file", full_disk)
    with pytest.raises(OSError, match="no space"):
        recommender.save(tmp_path)
    assert (tmp_path / FILE_NAME).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]


def test_what_cannot_be_saved_or_loaded_is_said(make_log, tmp_path):
    log, catalogue = make_log([(0, 1, 3)], 1, 4)
    recommender = ById().fit(log, catalogue)
    recommender.names_ = ["a list"]
    with pytest.raises(TypeError, match="names_"):
        recommender.save(tmp_path)
    with pytest.raises(TypeError, match="JSON"):
        ById(sign=object()).fit(log, catalogue).save(tmp_path)
    with pytest.raises(FileNotFoundError, match="no saved recommender"):
        ById.load(tmp_path)
    MostPopular().fit(log, catalogue).save(tmp_path)
    with pytest.raises(ValueError, match="saved MostPopular, not a ById"):
        ById.load(tmp_path)
    (tmp_path / FILE_NAME).write_bytes(b"garbage")
    with pytest.raises(ValueError, match="damaged"):
        ById.load(tmp_path)
