"""What people went on to choose as real value, counted by hand."""

import numpy as np
import pytest

from personagym_env.data.splits import Split, temporal_split
from personagym_env.evaluation.agreement.analysis import unknown_last
from personagym_env.evaluation.agreement.ground_truth import picks_and_least
from personagym_env.evaluation.agreement.list_truth import choice_truth, joint_truth
from personagym_env.evaluation.agreement.quantities import Questions
from personagym_env.evaluation.core.pair_reactions import react_to_pairs


@pytest.fixture(scope="module")
def split(make_dataset):
    return temporal_split(make_dataset().interactions, 0.5)


def slates_of(split, truth):
    """(n, 10) the first held-out item of everybody, and nine items of nobody's held-out rows."""
    first = split.test.items[split.test.indptr[truth.users]]
    others = [np.flatnonzero(~np.isin(np.arange(80), split.test.items[split.test.users == u]))[:9] for u in truth.users]
    return np.column_stack([first, np.array(others)])


def test_choice_counts_what_was_found(split):
    truth = choice_truth(split)
    value = truth.value(slates_of(split, truth))
    np.testing.assert_allclose(value.per_user, 1 / split.test.counts)
    assert truth.bounds["best"].per_user.max() == 1
    assert truth.left_out == 0


def test_joint_weighs_what_was_found_by_its_rating(split):
    truth, log = joint_truth(split), split.test
    worth = (log.ratings - 1) / 4
    value = truth.value(slates_of(split, truth)).per_user
    for user in truth.users:
        rows = slice(*log.indptr[user : user + 2])
        assert value[user] == pytest.approx(worth[rows][0] / worth[rows].sum())


def test_who_liked_nothing_is_left_out_and_counted(split):
    keep = (split.test.users != 3) | (split.test.ratings == 1)
    disliked = split._replace(test=split.test.take(keep))
    assert (disliked.test.users == 3).any()
    truth = joint_truth(disliked)
    assert 3 not in truth.users
    assert truth.left_out == 1
    assert 3 in choice_truth(disliked).users


def test_where_everything_was_rated_nothing_was_chosen(make_dataset):
    whole = temporal_split(make_dataset(n_items=40, per_user=40).interactions, 0.5)
    for make in (choice_truth, joint_truth):
        with pytest.raises(ValueError, match="rated 100% and more of what is in no training row: no choice"):
            make(whole)


def test_where_nothing_is_held_out_nothing_was_chosen(split):
    for make in (choice_truth, joint_truth):
        with pytest.raises(ValueError, match="nothing is held out, so that nobody chose anything"):
            make(split._replace(test=split.test.take(np.zeros(0, np.int64))))


def test_every_pair_is_asked_once_and_found_again(split, agent):
    truth = choice_truth(split)
    slates = slates_of(split, truth)
    questions = Questions.about(split.test, [(truth.users, slates), (truth.users, slates)])
    assert len(questions) == len(truth.users) * 9 + len(split.test)
    answers = questions.ask(agent, np.random.default_rng(0))
    asked = react_to_pairs(agent, np.repeat(truth.users, 10), slates.ravel())
    expected = (asked.rating @ np.arange(1.0, 6)).reshape(-1, 10).mean(axis=1)
    np.testing.assert_allclose(answers.mean("expected", truth.users, slates).per_user, expected, rtol=1e-5)
    worth = answers.mean("worth", truth.users, slates).per_user
    assert ((worth > 0) & (worth < answers.mean("choice", truth.users, slates).per_user)).all()
    odds = answers.mean("odds", truth.users, slates).per_user
    assert ((odds > answers.mean("odds_worth", truth.users, slates).per_user) & (odds > 0)).all()
    with pytest.raises(ValueError, match="were not asked about"):
        answers.mean("expected", truth.users, 79 - slates)


@pytest.mark.parametrize(("kept", "expected"), [(20, (5, 10)), (7, (3, 6)), (1, (1, 2))])
def test_picks_follow_the_data(make_dataset, kept, expected):
    log = make_dataset(per_user=20).interactions
    held_out = log.take(log.rank_in_user < kept)
    assert picks_and_least(held_out) == expected
    assert picks_and_least(held_out, 4) == (4, 8)
    assert picks_and_least(held_out, 4, 6) == (4, 6)
    with pytest.raises(ValueError, match="nothing is held out"):
        picks_and_least(Split(log, log.take(np.zeros(0, np.int64))).test)


def test_fewer_are_picked_where_a_truth_would_lack_users(make_dataset):
    log = make_dataset(n_users=40, per_user=20).interactions
    held_out = log.take(log.rank_in_user < np.where(log.users < 25, 6, 2))
    assert picks_and_least(held_out) == (1, 2)  # with the median, 3, the truth would have 25 users
    assert picks_and_least(held_out.take(held_out.users < 25)) == (3, 6)


def test_no_value_comes_last():
    said = np.array([[1.0, np.nan, 3.0], [np.nan, np.nan, np.nan], [1.0, 2.0, 3.0]])
    np.testing.assert_array_equal(unknown_last(said), [[1, 0, 3], [0, 0, 0], [1, 2, 3]])
