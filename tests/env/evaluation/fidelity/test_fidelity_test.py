"""Fidelity of users whose answers, and therefore whose errors, are known."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from personagym_env.data.splits import Split, random_split
from personagym_env.data.tables import Interactions
from personagym_env.evaluation.core.pair_reactions import react_to_pairs
from personagym_env.evaluation.core.statistics import Statistic
from personagym_env.evaluation.fidelity.fidelity_test import Answers, FidelityTest, choice_auc, rating_fidelity
from personagym_env.protocols import Reaction, UserSessions

SCALE = (1.0, 2.0, 3.0, 4.0, 5.0)
U, M = 23, 60


class _TableUsers:
    """Answers from tables: want (u, m) and rating distributions (u, m, r); refuses what the protocol forbids."""

    name = "table"
    scale = SCALE
    n_users, n_items = U, M

    def __init__(self, choice_probability: np.ndarray, rating: np.ndarray) -> None:
        self.choice_probability, self.rating = choice_probability, rating
        self.calls = 0

    def open(self, n: int) -> UserSessions:
        return _TableSessions(self, n)


class _TableSessions:
    def __init__(self, agent: _TableUsers, n: int) -> None:
        self.agent, self.users = agent, np.full(n, -1)

    def start(self, rows: np.ndarray, users: np.ndarray) -> None:
        assert len(np.unique(rows)) == len(rows)
        self.users[rows] = users

    def react(self, rows: np.ndarray, slates: np.ndarray) -> Reaction:
        users = self.users[rows][:, None]
        assert users.min() >= 0
        assert slates.min() >= 0
        self.agent.calls += 1
        return Reaction(self.agent.choice_probability[users, slates], self.agent.rating[users, slates])

    def consume(self, rows: np.ndarray, items: np.ndarray, ratings: np.ndarray) -> None:
        raise AssertionError("fidelity consumes nothing")


@pytest.fixture(scope="module")
def split() -> Split:
    rng = np.random.default_rng(0)
    users, items = np.nonzero(rng.random((U, M)) < rng.uniform(0.1, 0.6, (U, 1)))
    log = Interactions.from_columns(
        users, items, rng.integers(1, 6, len(users)).astype(float), None, n_users=U, n_items=M, scale=SCALE
    )
    return random_split(log, 0.6, rng=rng)


def value(statistic: Statistic) -> float:
    return float(statistic.resampled(np.ones((1, U)))[0])


def table(split: Split, sharpness: float) -> _TableUsers:
    """Knows the held-out ratings with the given probability and wants exactly what was chosen."""
    truth = np.full((U, M, 5), 0.2)
    test = split.test
    truth[test.users, test.items] = (1 - sharpness) / 4
    truth[test.users, test.items, test.rating_index] = sharpness
    choice_probability = np.full((U, M), 0.1)
    choice_probability[test.users, test.items] = 0.9
    return _TableUsers(choice_probability, truth)


def test_pairs_come_back_in_the_order_asked() -> None:
    rng = np.random.default_rng(1)
    agent = _TableUsers(rng.random((U, M)), rng.dirichlet(np.ones(5), (U, M)))
    users, items = rng.integers(0, U, 500), rng.integers(0, M, 500)
    answered: list[int] = []
    for rows, slate_size in ((64, 16), (5, 3), (1, 1)):
        choice_probability, rating = react_to_pairs(
            agent, users, items, rows=rows, slate_size=slate_size, progress=answered.append
        )
        np.testing.assert_array_equal(choice_probability, agent.choice_probability[users, items])
        np.testing.assert_array_equal(rating, agent.rating[users, items])
    assert sum(answered) == 3 * 500


def test_pairs_are_asked_in_few_calls() -> None:
    agent = _TableUsers(np.full((U, M), 0.5), np.full((U, M, 5), 0.2))
    react_to_pairs(agent, np.repeat(np.arange(U), 16), np.tile(np.arange(16), U), rows=U, slate_size=16)
    assert agent.calls == 1


def test_the_oracle_has_no_errors(split: Split) -> None:
    answer = FidelityTest.draw(split, np.random.default_rng(2), negatives=10).ask(table(split, 1.0))
    figures = {name: value(statistic) for name, statistic in answer.statistics.items()}
    assert figures == pytest.approx({"rmse": 0, "mae": 0, "nll": 0, "auc": 1}, abs=1e-9)
    np.testing.assert_allclose(answer.expected_ratings, split.test.ratings)


def test_the_uniform_user_knows_nothing(split: Split) -> None:
    agent = _TableUsers(np.full((U, M), 0.5), np.full((U, M, 5), 0.2))
    answer = FidelityTest.draw(split, np.random.default_rng(2), negatives=10).ask(agent)
    assert value(answer.statistics["nll"]) == pytest.approx(np.log(5))
    assert value(answer.statistics["auc"]) == pytest.approx(0.5)
    assert value(answer.statistics["rmse"]) == pytest.approx(np.sqrt(((split.test.ratings - 3) ** 2).mean()))
    assert value(answer.statistics["mae"]) == pytest.approx(np.abs(split.test.ratings - 3).mean())


def test_certain_and_wrong_costs_much_and_not_infinity(split: Split) -> None:
    wrong = np.zeros((len(split.test), 5))
    wrong[np.arange(len(split.test)), (split.test.rating_index + 1) % 5] = 1
    assert value(rating_fidelity(wrong, split.test)["nll"]) == pytest.approx(-np.log(1e-6))


def test_auc_equals_scikit_learns_user_by_user() -> None:
    rng = np.random.default_rng(3)
    counts = np.array([3, 1, 7])
    owners = np.array([0, 2, 3])
    users = np.repeat(owners, counts)
    positive, negative = rng.integers(0, 6, counts.sum()) / 5, rng.integers(0, 6, (3, 9)) / 5
    ours = choice_auc(users, positive, negative, owners, 4).per_user
    for row, owner in enumerate(owners):
        mine = positive[users == owner]
        expected = roc_auc_score(np.r_[np.ones(len(mine)), np.zeros(9)], np.r_[mine, negative[row]])
        assert ours[owner] == pytest.approx(expected)
    assert np.isnan(ours[1])


def test_floors(split: Split) -> None:
    test = FidelityTest.draw(split, np.random.default_rng(5), negatives=10)
    floors = {floor.name: floor for floor in test.floors()}
    error = split.test.ratings - split.train.ratings.mean()
    assert value(floors["global mean"].statistics["rmse"]) == pytest.approx(np.sqrt((error**2).mean()), rel=1e-5)
    for name, column in (("user mean", "users"), ("item mean", "items")):
        known, asked = getattr(split.train, column), getattr(split.test, column)
        mean = [
            split.train.ratings[known == one].mean() if (known == one).any() else split.train.ratings.mean()
            for one in asked
        ]
        assert value(floors[name].statistics["mae"]) == pytest.approx(np.abs(split.test.ratings - mean).mean())
        assert set(floors[name].statistics) == {"rmse", "mae"}
    assert 0 < value(floors["popularity"].statistics["auc"]) < 1
    assert floors["popularity"].expected_ratings is None


def test_a_pair_in_several_questions_is_asked_once(split: Split) -> None:
    agent = table(split, 0.7)
    kinds = ("uniform", "popular")
    test = FidelityTest.draw(split, np.random.default_rng(6), negatives=15, kinds=kinds)
    everything = len(split.test) + sum(items.size for items in test.unseen.values())
    answered: list[int] = []
    answers = test.answers(agent, progress=answered.append)
    assert sum(answered) == test.n_questions < everything
    np.testing.assert_array_equal(answers.score, agent.choice_probability[split.test.users, split.test.items])
    np.testing.assert_array_equal(answers.ratings, agent.rating[split.test.users, split.test.items])
    for kind in kinds:
        np.testing.assert_array_equal(
            answers.unseen[kind], agent.choice_probability[test.owners[:, None], test.unseen[kind]]
        )
    scored = test.scored("want", lambda users, items: agent.choice_probability[users, items])
    np.testing.assert_array_equal(scored.score, answers.score)
    assert scored.ratings is None


def test_unreadable_answers_are_told_and_left_out(split: Split) -> None:
    agent = table(split, 1.0)
    test = FidelityTest.draw(split, np.random.default_rng(2), negatives=5)
    answers = test.answers(agent)
    spoilt = np.array(answers.ratings)
    spoilt[0], spoilt[1], spoilt[2], spoilt[3] = np.nan, 0.0, [2, -1, 0, 0, 0], [np.inf, 0, 0, 0, 0]
    spoilt = Answers("spoilt", ratings=spoilt, score=answers.score, unseen=answers.unseen)
    assert np.flatnonzero(~spoilt.readable).tolist() == [0, 1, 2, 3]
    assert value(test.measure(spoilt).statistics["rmse"]) == pytest.approx(0)
    assert len(spoilt.distributions()) == len(split.test) - 4


def test_answers_that_are_no_distribution_are_refused(split: Split) -> None:
    with pytest.raises(ValueError, match="sum to 1"):
        rating_fidelity(np.full((len(split.test), 5), 0.5), split.test)
    with pytest.raises(ValueError, match="shape"):
        rating_fidelity(np.full((3, 5), 0.2), split.test)
    agent = _TableUsers(np.full((U, M), 0.5), np.full((U, M, 5), 0.2))
    agent.scale = (1.0, 5.0)
    with pytest.raises(ValueError, match="rates on"):
        FidelityTest.draw(split, np.random.default_rng(5), negatives=5).ask(agent)
