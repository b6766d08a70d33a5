"""Every model that RecBole names either works, as the published sweep says, or is refused at once with the reason."""

import time
from pathlib import Path

import numpy as np
import pytest

from ablations.results import RecBoleModels
from personagym_recommenders import RecBole, load_recommender
from personagym_recommenders.recbole.models import REFUSED, has_model, model_names, model_type
from personagym_recommenders.recbole.network import Network

ROOT = Path(__file__).parents[3]
FAST = {"learning_rate": 0.03, "train_batch_size": 256, "MAX_ITEM_LIST_LENGTH": 4}


@pytest.fixture(scope="module")
def sweep():
    """The published sweep."""
    return RecBoleModels.load(ROOT / "benchmarks" / "results" / "recbole_models.json")


def test_the_sweep_has_every_model_and_none_fails(sweep):
    assert [row.model for row in sweep.rows] == model_names()
    assert {row.model: row.reason for row in sweep.rows if row.outcome not in ("works", "refused")} == {}
    assert {row.model for row in sweep.rows if row.outcome == "refused"} == set(REFUSED)
    for row in sweep.rows:
        assert row.type == model_type(row.model)
        assert bool(row.reason) == (row.outcome == "refused")


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_refused_models_are_refused_at_once(name, sweep):
    begin = time.perf_counter()
    expected = {row.model: row.reason for row in sweep.rows}[name]
    for spelled in (name, name.lower(), name.upper()):
        for make in (load_recommender, lambda spelled: RecBole(spelled, epochs=1)):
            with pytest.raises(ValueError, match=r"needs|learns|trained|clusters") as refusal:
                make(spelled)
            assert str(refusal.value) == expected
    assert time.perf_counter() - begin < 1


@pytest.mark.parametrize("kind", ["knowledge-aware", "decision trees"])
def test_what_a_log_has_not_is_refused_for_the_whole_type(kind):
    found = [name for name in model_names() if model_type(name) == kind]
    assert found
    assert set(found) <= set(REFUSED) | {"KD_DAGFM"}


def test_names_are_checked_before_anything_is_trained(checkerboard, monkeypatch):
    monkeypatch.setattr(Network, "train", lambda *given: pytest.fail("trained"))
    assert not has_model("NoSuch")
    assert not has_model("../BPR")
    for name, message in (("NoSuch", "has no model 'NoSuch'$"), ("sasrec", "no model 'sasrec'; it spells it 'SASRec'")):
        with pytest.raises(ValueError, match=message):
            RecBole(name, epochs=1).fit(checkerboard.log, checkerboard.catalogue)


@pytest.mark.parametrize("model", ["DIEN", "GRU4RecCPR", "SASRecCPR"])
def test_models_that_look_a_target_up_need_none_to_recommend(checkerboard, observe, model):
    config = FAST | {"reranker_CAN_NUM": 10, "mlp_hidden_size": [8], "embedding_size": 8}
    if model == "SASRecCPR":
        config |= {"hidden_size": 8, "inner_size": 8}
    fitted = RecBole(model, epochs=1, config=config).fit(checkerboard.log, checkerboard.catalogue)
    rows = observe([0, 1, 2], [[-1, -1], [-1, 3], [5, 8]])
    scores = fitted.score(rows)
    assert scores.shape == (3, 24)
    assert np.isfinite(scores).all()
    np.testing.assert_allclose(fitted.score(observe([1], [[-1, 3]])), scores[1:2], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("seed", range(20))
def test_users_who_have_everything_stop_no_model(make_log, observe, seed):
    """RecBole draws items that a user does not have, and gives up over one who has all."""
    rng = np.random.default_rng(seed)
    n_users, n_items = int(rng.integers(4, 12)), int(rng.integers(5, 15))
    full = rng.random(n_users) < 0.4
    full[:2] = True, False
    rows = [
        (user, int(item), 4.0)
        for user in range(n_users)
        for item in rng.permutation(n_items)[: n_items if full[user] else int(rng.integers(1, n_items - 2))]
    ]
    log, catalogue = make_log(rows, n_users, n_items)
    fitted = RecBole("BPR", epochs=1).fit(log, catalogue)
    assert fitted.score(observe(list(range(n_users)))).shape == (n_users, n_items)
    others = np.flatnonzero(~full).tolist()
    slates = fitted.recommend(observe(others), 2)
    assert not log.contains(np.repeat(others, 2), slates.ravel()).any()


@pytest.mark.parametrize("seed", range(20))
def test_dgcf_bears_any_number_of_users_and_items(make_log, observe, seed):
    """It draws users and items, as many of either, by the larger number of both."""
    rng = np.random.default_rng(seed)
    n_users, n_items = (int(size) for size in rng.integers(3, 40, 2))
    rows = [
        (user, int(item), 4.0) for user in range(n_users) for item in rng.permutation(n_items)[: max(1, n_items // 3)]
    ]
    log, catalogue = make_log(rows, n_users, n_items)
    fitted = RecBole("DGCF", epochs=1, config={"embedding_size": 8}).fit(log, catalogue)
    assert np.isfinite(fitted.score(observe([0, n_users - 1]))).all()


def test_a_log_without_any_choice_is_refused(make_log):
    log, catalogue = make_log([(user, item, 4.0) for user in range(3) for item in range(4)], 5, 4)
    with pytest.raises(ValueError, match=r"BPR cannot learn from .*: every user who has an item has all of them"):
        RecBole("BPR", epochs=1).fit(log, catalogue)
