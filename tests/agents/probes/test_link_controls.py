"""What zero-shot users are left with: a link alone, a memory that says nothing, somebody else's memory."""

from pathlib import Path

import numpy as np
import pytest

from personagym_agents.bundle.zero_shot import zero_shot_users
from personagym_agents.inference.linked_users import LinkedUsers
from personagym_agents.memory.evidence import recalled_numbers
from personagym_agents.probes.link_controls import SilentBase, with_masked_memory, with_memory_of_others
from personagym_env.conformance.user_agent import check_user_agent
from personagym_env.data.splits import Split
from personagym_env.data.tables import Dataset, FloatArray
from personagym_env.evaluation.core.pair_reactions import react_to_pairs
from personagym_env.protocols import UserAgent


@pytest.fixture(scope="module")
def users(small_data: Dataset, small_split: Split, small_bundle: Path) -> LinkedUsers:
    return zero_shot_users(small_data, small_split.train, place=small_bundle)


def ratings(agent: UserAgent, items: list[int], user: int = 3) -> FloatArray:
    return react_to_pairs(agent, np.full(len(items), user), np.array(items)).rating


def test_a_link_alone_knows_what_is_recalled_and_nothing_of_the_history(users: LinkedUsers) -> None:
    alone = SilentBase(users)
    check_user_agent(alone)
    items = np.arange(users.n_items)
    expected = recalled_numbers(users.users.corpus.recall(np.array([3]))[0]).expected
    said = ratings(alone, items.tolist()) @ np.asarray(users.scale)
    assert np.corrcoef(said, expected)[0, 1] > 0.5
    sessions = alone.open(1)
    sessions.start(np.zeros(1, np.int64), np.array([3]))
    before = sessions.react(np.zeros(1, np.int64), items[None, :4])
    sessions.consume(np.zeros(1, np.int64), items[5:6], np.zeros(1, np.int64))
    np.testing.assert_array_equal(sessions.react(np.zeros(1, np.int64), items[None, :4]).rating, before.rating)
    assert not np.allclose(ratings(users, items[:4].tolist()), before.rating)


def test_a_masked_memory_says_the_same_of_everything(users: LinkedUsers) -> None:
    masked = with_masked_memory(users, np.random.default_rng(0))
    check_user_agent(masked)
    codes = masked.users.corpus.recall(np.arange(users.n_users))
    assert not np.ptp(codes.reshape(-1, codes.shape[-1]), axis=0).any()
    assert np.ptp(users.users.corpus.recall(np.arange(users.n_users)).reshape(-1, codes.shape[-1]), axis=0).any()
    assert not np.array_equal(ratings(masked, [1, 2]), ratings(users, [1, 2]))
    assert masked.link is users.link


def test_everybody_recalls_what_another_would(users: LinkedUsers) -> None:
    others = with_memory_of_others(users, np.random.default_rng(0))
    check_user_agent(others)
    everybody = np.arange(users.n_users)
    own, theirs = (one.users.corpus.recall(everybody) for one in (users, others))
    place = [next(b for b in everybody if np.array_equal(own[b], codes)) for codes in theirs]
    assert sorted(place) == everybody.tolist()
    assert not (np.array(place) == everybody).any()


def test_of_items_that_nobody_has_rated_the_link_alone_tells(users: LinkedUsers) -> None:
    counts = users.users.corpus.crowd.counts
    counts[7], before = 0, counts[7]
    items = np.arange(users.n_items)
    said, alone = (ratings(agent, items.tolist()) for agent in (users, SilentBase(users)))
    counts[7] = before
    np.testing.assert_array_equal(np.flatnonzero((said == alone).all(axis=-1)), [7])
