"""The reference that reads the user agent."""

import numpy as np
import pytest

from personagym_recommenders import OracleGreedy


@pytest.fixture
def counting(make_agent):
    """An agent of 12 users and 30 items, and the sizes of the questions that it was asked."""
    agent = make_agent(n_items=30, weariness=0.5)
    asked, open_sessions = [], agent.open

    def opened(n):
        sessions = open_sessions(n)
        react = sessions.react

        def counted(rows, slates):
            asked.append(slates.shape)
            return react(rows, slates)

        sessions.react = counted
        return sessions

    object.__setattr__(agent, "open", opened)
    return agent, asked


def make_greedy_log(make_log):
    return make_log([(user, user % 3, 3.0) for user in range(12)], 12, 30)


def test_ranks_by_want_times_expected_rating(counting, make_log, observe):
    agent, _ = counting
    greedy = OracleGreedy(agent).fit(*make_greedy_log(make_log))
    value = 1 / (1 + np.exp(-agent.want_logit)) * (agent.rating @ np.array(agent.scale))
    np.testing.assert_allclose(greedy.score(observe([4, 0])), value[[4, 0]], rtol=1e-5)
    value[np.arange(12), np.arange(12) % 3] = -1
    best = np.argsort(-value, axis=1)[:, :5]
    np.testing.assert_array_equal(greedy.recommend(observe(list(range(12))), 5), best)


def test_asks_once_per_user_in_blocks(counting, make_log, observe):
    agent, asked = counting
    greedy = OracleGreedy(agent, block_users=2, block_items=20).fit(*make_greedy_log(make_log))
    assert asked == []
    greedy.recommend(observe([5, 1, 3, 1]), 2)
    assert asked == [(2, 20), (2, 10), (1, 20), (1, 10)]
    greedy.recommend(observe([1, 3]), 2)
    assert len(asked) == 4


def test_blocks_change_nothing(counting, make_log, observe):
    agent, _ = counting
    log, catalogue = make_greedy_log(make_log)
    users = observe(list(range(12)))
    whole = OracleGreedy(agent).fit(log, catalogue).score(users)
    np.testing.assert_array_equal(whole, OracleGreedy(agent, 5, 7).fit(log, catalogue).score(users))


def test_saves_scores_but_no_agent(counting, make_log, observe, tmp_path):
    agent, _ = counting
    log, catalogue = make_greedy_log(make_log)
    greedy = OracleGreedy(agent).fit(log, catalogue)
    greedy.save(tmp_path)
    loaded = OracleGreedy.load(tmp_path)
    users = observe(list(range(12)))
    np.testing.assert_array_equal(loaded.recommend(users, 5), greedy.recommend(users, 5))
    with pytest.raises(ValueError, match="without a user agent"):
        loaded.fit(log, catalogue)


def test_an_agent_of_other_users_is_refused(make_agent, make_log):
    with pytest.raises(ValueError, match="has 12 users and 80 items, the log 12 and 30"):
        OracleGreedy(make_agent()).fit(*make_greedy_log(make_log))
    with pytest.raises(ValueError, match="got 0 users"):
        OracleGreedy(make_agent(), block_users=0)
