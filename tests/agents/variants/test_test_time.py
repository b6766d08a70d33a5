"""Personas weighed by answers win where answers tell them apart, and not where the known persona is the right one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from personagym_agents.bundle.storage import load_bundle_agent
from personagym_agents.variants.persona_mixture import LEAST, PersonaMixture
from personagym_agents.variants.test_time import fit_test_time
from personagym_env.conformance.user_agent import check_user_agent
from personagym_env.data.splits import Split
from personagym_env.data.tables import Dataset, Users
from personagym_env.evaluation.core.pair_reactions import react_to_pairs
from personagym_env.protocols import UserFingerprint

PRINT = UserFingerprint("rows", "weights")
GROUPS, PER_GROUP, USERS, LENGTH, NEW = 3, 20, 60, 30, 12


def mixture(make_agent: Callable[..., Any], moving: bool = True, latest: int = 2) -> PersonaMixture:
    personas = [make_agent(), make_agent(rating=4)]
    prior = np.log(np.tile([0.25, 0.75], (12, 1)))
    return PersonaMixture("mixture", personas, prior, np.zeros((12, latest, 2)), PRINT, moving=moving)


@pytest.mark.parametrize("moving", [True, False])
def test_mixtures_conform(moving: bool, make_agent: Callable[..., Any]) -> None:
    check_user_agent(mixture(make_agent, moving))


def test_weights_are_those_of_bayes(make_agent: Callable[..., Any]) -> None:
    agent = mixture(make_agent)
    sessions, row = agent.open(1), np.zeros(1, np.int64)
    sessions.start(row, row + 3)
    np.testing.assert_allclose(sessions.weights(row)[0], [0.25, 0.75])
    known = [(7, 4), (8, 1), (9, 4)]
    for item, rating in known:
        sessions.consume(row, row + item, row + rating)
    chance = [[one.rating[3, item, rating] for one in agent.personas] for item, rating in known[-2:]]
    expected = np.array([0.25, 0.75]) * np.prod(np.maximum(chance, LEAST), axis=0)
    np.testing.assert_allclose(sessions.weights(row)[0], expected / expected.sum(), rtol=1e-5)
    asked = sessions.react(row, np.array([[5]]))
    parts = [one.rating[3, 5] for one in agent.personas]
    np.testing.assert_allclose(asked.rating[0, 0], expected @ parts / expected.sum(), rtol=1e-4)


def test_adapters_are_personas_where_the_bundle_fits(
    small_data: Dataset, small_split: Split, shipped_small_bundle: Path
) -> None:
    """Weighed ones conform; users who keep their persona are those of the bundle."""
    weighed, kept = (fit_test_time(small_data, small_split.train, core=core) for core in (True, False))
    assert isinstance(weighed, PersonaMixture)
    assert len(weighed.personas) > 1
    check_user_agent(weighed)
    users, items = np.arange(10), np.arange(10) * 5
    same = react_to_pairs(load_bundle_agent(None, small_data, small_split.train), users, items)
    for one, other in zip(react_to_pairs(kept, users, items), same, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    sessions, rows = weighed.open(10), np.arange(10)
    sessions.start(rows, rows)
    before = sessions.weights(rows)
    sessions.consume(rows, items, np.full(10, 4))
    assert np.abs(sessions.weights(rows) - before).max() > 1e-4


@pytest.mark.parametrize("new", [True, False])
def test_new_users_are_soon_known(new: bool, log_of_groups, catalogue_of_groups) -> None:
    """Half of the users like group 0 and dislike group 1, half the reverse; some are new, or all are known."""
    rng = np.random.default_rng(0)
    groups = rng.integers(0, GROUPS, (USERS, LENGTH))
    taste = np.where(np.arange(USERS) % 2, 1, -1)[:, None] * np.array([1.5, -1.5, 0])
    ratings = np.clip(np.rint(3 + np.take_along_axis(taste, groups, 1) + rng.normal(0, 0.7, groups.shape)), 1, 5)
    log = log_of_groups(groups, ratings, GROUPS, PER_GROUP)
    asked = np.arange(NEW)
    train = log.take(log.users >= NEW) if new else log
    people = Users(tuple(map(str, range(USERS))))
    dataset = Dataset("planted", catalogue_of_groups(GROUPS, PER_GROUP), people, train)
    rows = log.indptr[asked][:, None] + np.arange(LENGTH)
    errors = []
    for core in (True, False):
        sessions = fit_test_time(dataset, train, core=core).open(NEW)
        sessions.start(asked, asked)
        for place in range(8):
            sessions.consume(asked, log.items[rows[:, place]], log.rating_index[rows[:, place]])
        expected = sessions.react(asked, log.items[rows[:, 8:]]).rating @ np.asarray(log.scale)
        errors.append(float(np.sqrt(np.mean((expected - log.ratings[rows[:, 8:]]) ** 2))))
    if new:
        assert errors[0] < 0.85 * errors[1]
    else:
        assert errors[0] > 0.95 * errors[1]
