"""RecBole models: they learn a known answer, see training rows only, and leave the process as it was."""

import importlib
import logging
import os
import random
import sys

import numpy as np
import pytest
import torch

from personagym_env.conformance.recommender import check_recommender
from personagym_env.data.splits import temporal_split
from personagym_recommenders import RecBole
from personagym_recommenders.recbole import recommender as adapter
from personagym_recommenders.recbole.network import Network
from personagym_recommenders.recbole.process import contained_recbole
from personagym_recommenders.recbole.training_data import session_sequences, write_training_files

FAST = {"learning_rate": 0.03, "train_batch_size": 256}


def hits(recommender, checkerboard, observe):
    """Share of the top 3 that are what is left of the user's colour."""
    slates = recommender.fit(checkerboard.log, checkerboard.catalogue).recommend(observe(list(range(48))), 3)
    return (slates[:, :, None] == checkerboard.left[:, None, :]).any(axis=2).mean()


@pytest.mark.parametrize(
    ("model", "epochs", "config"),
    [
        ("BPR", 40, FAST),
        ("LightGCN", 20, FAST),
        ("NeuMF", 30, {**FAST, "learning_rate": 0.01}),
        ("EASE", 1, {}),
        ("MultiDAE", 60, {"learning_rate": 0.01, "train_batch_size": 16}),
        ("FM", 30, FAST),
    ],
)
def test_models_learn_the_checkerboard(checkerboard, observe, model, epochs, config):
    # Chance is .2: three of the fifteen items that a user has not consumed.
    assert hits(RecBole(model, epochs=epochs, config=config), checkerboard, observe) > 0.8


@pytest.fixture(scope="module")
def sequential(checkerboard):
    config = {**FAST, "MAX_ITEM_LIST_LENGTH": 6, "hidden_dropout_prob": 0.1, "attn_dropout_prob": 0.1}
    return RecBole("SASRec", epochs=8, config=config).fit(checkerboard.log, checkerboard.catalogue)


def test_sequential_models_follow_history_and_session(checkerboard, observe, sequential):
    slates = sequential.recommend(observe(list(range(48))), 3)
    assert (slates % 2 == np.arange(48)[:, None] % 2).mean() > 0.95, "an even user's next item is even"
    mixed = [[left - 1 if left % 2 else left + 1] * 6 for left in checkerboard.left[:, 0]]
    turned = sequential.recommend(observe(list(range(48)), mixed), 3)
    assert (turned % 2 != np.arange(48)[:, None] % 2).mean() > 0.95, "a session of the other colour turns the user"


def test_a_sequential_model_may_read_item_features(checkerboard, observe):
    recommender = RecBole("GRU4RecF", epochs=6, config={**FAST, "MAX_ITEM_LIST_LENGTH": 6})
    slates = recommender.fit(checkerboard.log, checkerboard.catalogue).recommend(observe(list(range(48))), 3)
    assert (slates % 2 == np.arange(48)[:, None] % 2).mean() > 0.95


def test_sequential_models_conform(checkerboard, sequential):
    check_recommender(sequential, checkerboard.log, checkerboard.catalogue)


def test_general_models_conform(checkerboard):
    check_recommender(RecBole("BPR", epochs=2), checkerboard.log, checkerboard.catalogue)


def test_a_saved_general_model_needs_no_recbole(checkerboard, observe, tmp_path, monkeypatch):
    fitted = RecBole("BPR", epochs=2, config=FAST).fit(checkerboard.log, checkerboard.catalogue)
    fitted.save(tmp_path)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    loaded = RecBole.load(tmp_path)
    assert (loaded.model, loaded.epochs, loaded.config) == ("BPR", 2, FAST)
    np.testing.assert_array_equal(loaded.recommend(observe([3, 0]), 4), fitted.recommend(observe([3, 0]), 4))
    with pytest.raises(ImportError, match="--no-deps recbole"):
        loaded.fit(checkerboard.log, checkerboard.catalogue)


def test_search_finds_epochs_on_training_rows_and_then_uses_all(checkerboard, monkeypatch):
    monkeypatch.setattr(adapter, "SEARCH_EPOCHS", 6)
    trained, seen = [], []
    train = Network.train

    def recorded(network, progress):
        trained.append((len(network._train_data._dataset), network._valid_data is not None, network._config["epochs"]))
        return train(network, progress)

    monkeypatch.setattr(Network, "train", recorded)
    steps = lambda done, total: seen.append((done, total))  # noqa: E731
    RecBole("BPR", config=FAST, progress=steps).fit(checkerboard.log, checkerboard.catalogue)
    (searched, validated, limit), (final, final_validated, epochs) = trained
    assert (validated, final_validated, limit) == (True, False, 6)
    assert searched < final == len(checkerboard.log)
    assert epochs in {2, 4, 6}
    assert seen[-1] == (epochs, epochs)


def test_the_seed_decides(checkerboard, observe):
    def scores(seed):
        return RecBole("BPR", epochs=2, seed=seed).fit(checkerboard.log, checkerboard.catalogue).score(observe([0, 1]))

    np.testing.assert_array_equal(scores(1), scores(1))
    assert not np.array_equal(scores(1), scores(2))


def test_files_hold_training_rows_and_nothing_else(dataset, tmp_path):
    train, test = temporal_split(dataset.interactions)
    write_training_files(train, dataset.catalogue.genres, tmp_path / "log")
    lines = (tmp_path / "log" / "log.inter").read_text().splitlines()
    rows = [tuple(map(float, line.split("\t"))) for line in lines[1:]]
    assert lines[0].split("\t")[:2] == ["user_id:token", "item_id:token"]
    pairs = {(user, item) for user, item, _, _ in rows}
    assert len(rows) == len(train)
    assert pairs == set(zip(train.users.tolist(), train.items.tolist(), strict=True))
    assert not pairs & set(zip(test.users.tolist(), test.items.tolist(), strict=True))
    times = [time for user, _, _, time in rows if user == 0]
    assert times == list(range(len(times))), "times are ranks in the user's own order"


def test_what_recbole_reads_is_what_was_given(dataset, monkeypatch):
    train, _ = temporal_split(dataset.interactions)
    written = []

    def recorded(log, genres, folder):
        written.append(log.fingerprint())
        write_training_files(log, genres, folder)

    monkeypatch.setattr(adapter, "write_training_files", recorded)
    RecBole("Pop", epochs=1).fit(train, dataset.catalogue)
    assert written == [train.fingerprint()]


def test_sequences_are_the_last_items_of_log_and_session(make_log, observe):
    log, _ = make_log([(0, 4, 3), (0, 2, 3), (0, 5, 3), (1, 1, 3)], 3, 8)
    observation = observe([0, 1, 2, 0], [[-1, 6], [-1, -1], [7, -1], [6, 7]])
    sequences = session_sequences(log, observation, 3)
    assert sequences.tolist() == [[2, 5, 6], [1, -1, -1], [7, -1, -1], [5, 6, 7]]


def test_the_process_is_left_as_it_was(checkerboard, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["program", "--epochs=77"])
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5")
    names, numbers = set(vars(np)), (random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state())  # noqa: NPY002
    RecBole("LightGCN", epochs=1).fit(checkerboard.log, checkerboard.catalogue)
    assert set(vars(np)) == names
    assert np.bool is np.bool_
    assert list(tmp_path.iterdir()) == [], "nothing is written into the working directory"
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "5"
    assert logging.root.manager.disable == 0
    assert random.getstate() == numbers[0]
    np.testing.assert_array_equal(np.random.get_state()[1], numbers[1])  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), numbers[2])


def test_misuse_is_said(checkerboard):
    with pytest.raises(ValueError, match="no model 'NoSuch'"):
        RecBole("NoSuch", epochs=1).fit(checkerboard.log, checkerboard.catalogue)
    with pytest.raises(ValueError, match="got 0"):
        RecBole("BPR", epochs=0)


def test_what_a_module_of_recbole_does_to_backward_passes_is_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "recbole.model.sequential_recommender.sine"
    for before in (False, True):
        monkeypatch.delitem(sys.modules, name, raising=False)
        with torch.autograd.set_detect_anomaly(before):
            with contained_recbole():
                importlib.import_module(name)
                assert torch.is_anomaly_enabled()
            assert torch.is_anomaly_enabled() == before
