"""Offline learners: they learn what a log tells, answer as recommenders do, and come back from disk."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from personagym_env.conformance.recommender import check_recommender
from personagym_env.evaluation.core.offline import opening_observation
from personagym_env.logs.sessions import LoggedSessions, open_log
from personagym_env.run_context import RunContext
from personagym_recommenders import BestRated, CandidateFeatures, MostPopular, load_recommender
from personagym_recommenders.offline.behaviour_cloning import BehaviourCloning
from personagym_recommenders.offline.cql import CQL
from personagym_recommenders.offline.iql import IQL
from personagym_recommenders.offline.training import TrainingPlan

KINDS = (BehaviourCloning, CQL, IQL)
QUICK = TrainingPlan(steps=6, batch=16, every=3)


def features():
    return CandidateFeatures([MostPopular(), BestRated()], pool=12)


@pytest.fixture(scope="module")
def log(collected):
    return open_log(collected.folder)


@pytest.fixture(scope="module")
def trained(collected, log):
    world = collected.world
    return [kind(features(), 4).train(log, world.train, world.dataset.catalogue, QUICK) for kind in KINDS]


def test_conform_once_they_are_trained(trained, collected):
    for recommender in trained:
        check_recommender(recommender, collected.world.train, collected.world.dataset.catalogue)


def test_a_folder_gives_the_same_slates(trained, collected, tmp_path):
    world = collected.world
    observation = opening_observation(np.arange(world.train.n_users), world.profiles, 4)
    for i, recommender in enumerate(trained):
        recommender.save(tmp_path / str(i))
        loaded = load_recommender(str(tmp_path / str(i)))
        assert type(loaded) is type(recommender)
        assert loaded.fingerprint() == recommender.fingerprint()
        expected = recommender.recommend(observation, 3)
        np.testing.assert_array_equal(loaded.recommend(observation, 3), expected)
        np.testing.assert_array_equal(
            loaded.fit(world.train, world.dataset.catalogue).recommend(observation, 3), expected
        )


def test_scores_rank_as_slates_do(trained, collected):
    world = collected.world
    observation = opening_observation(np.arange(world.train.n_users), world.profiles, 4)
    for recommender in trained:
        best = recommender.score(observation).max(axis=1)
        first = recommender.recommend(observation, 3)[:, 0]
        np.testing.assert_allclose(recommender.score(observation)[np.arange(len(first)), first], best)


def test_a_run_that_was_cut_off_ends_with_the_same_weights(collected, log, tmp_path):
    world = collected.world

    def train(folder, plan):
        learner = IQL(features(), 4)
        return learner.train(log, world.train, world.dataset.catalogue, plan, RunContext(folder))

    class CutOffError(Exception):
        pass

    def cut_off(name, step, figures):
        if step == 4:
            raise CutOffError

    whole = train(tmp_path / "whole", QUICK)
    with pytest.raises(CutOffError):
        IQL(features(), 4).train(
            log, world.train, world.dataset.catalogue, QUICK, replace(RunContext(tmp_path / "cut"), figures=cut_off)
        )
    assert train(tmp_path / "cut", QUICK).fingerprint() == whole.fingerprint()
    assert train(tmp_path / "cut", replace(QUICK, seed=1)).fingerprint() != whole.fingerprint()


def test_a_damaged_checkpoint_is_told(collected, log, tmp_path):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "BC.safetensors").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="is damaged, delete it"):
        BehaviourCloning(features()).train(
            log, collected.world.train, collected.world.dataset.catalogue, QUICK, RunContext(tmp_path)
        )


def test_what_does_not_fit_is_refused(collected, log):
    world = collected.world
    with pytest.raises(ValueError, match="call train before it is used"):
        CQL(features()).fit(world.train, world.dataset.catalogue).recommend(
            opening_observation(np.arange(2), world.profiles, 4), 3
        )
    with pytest.raises(ValueError, match="without decisions"):
        CQL(features()).train(LoggedSessions(log.header, ()), world.train, world.dataset.catalogue)
    other = LoggedSessions(replace(log.header, n_items=5), log.parts)
    with pytest.raises(ValueError, match="users and 5 items, the training rows"):
        CQL(features()).train(other, world.train, world.dataset.catalogue)
    with pytest.raises(ValueError, match="need more than 2 candidates"):
        CQL(CandidateFeatures([MostPopular()], pool=2)).train(log, world.train, world.dataset.catalogue)
    for wrong in ({"discount": 1.5}, {"conservatism": -1.0}, {"width": 0}):
        with pytest.raises(ValueError, match=str(next(iter(wrong)))):
            CQL(features(), **wrong)
    with pytest.raises(ValueError, match="expectile"):
        IQL(features(), expectile=1.0)
    with pytest.raises(ValueError, match="at least 1"):
        TrainingPlan(steps=0)


def test_the_penalty_keeps_to_the_log(collected, log):
    world = collected.world
    plan = TrainingPlan(steps=60, batch=32)
    learners = [
        CQL(features(), 8, conservatism=weight).train(log, world.train, world.dataset.catalogue, plan)
        for weight in (0.0, 10.0)
    ]
    logged = log.read()
    observation = logged.observation(collected.world.profiles, log.header.history_length)
    with torch.no_grad():
        kept = [(one.recommend(observation, 3) == logged.slate).mean() for one in learners]
    assert kept[1] != kept[0]
