"""Classical users as a whole: conformance, honesty about what they may know, odd data, speed."""

import time
from dataclasses import replace

import numpy as np
import pytest

from personagym_agents.classical.choice import sample_unseen
from personagym_agents.classical.users import RATING_FITS, TABLE_CELLS, ClassicalUsers, fit_classical
from personagym_env.collaborative.factors import fit_factors
from personagym_env.collaborative.rating_model import at_pairs
from personagym_env.conformance.user_agent import check_user_agent
from personagym_env.data.splits import temporal_split
from personagym_env.data.tables import Interactions

NAMES = ("bias", "knn", "mf", "trees", "stack")
HALF_STARS = tuple(float(value) for value in np.arange(1, 11) / 2)


def make_log(n_users: int = 60, n_items: int = 50, seed: int = 0, n_rows: int = 1_500) -> Interactions:
    """Popular items are consumed more; item j of block j % 2 is liked by users of the same block."""
    rng = np.random.default_rng(seed)
    chance = 1.0 / (1 + np.arange(n_items))
    keys = np.unique(rng.integers(0, n_users, n_rows) * n_items + rng.choice(n_items, n_rows, p=chance / chance.sum()))
    users, items = keys // n_items, keys % n_items
    mean = 2.5 + 1.2 * np.where(users % 2 == items % 2, 1, -1)
    ratings = np.clip(np.round(2 * (mean + rng.normal(0, 0.5, len(users)))) / 2, 0.5, 5)
    times = rng.permutation(len(users))
    return Interactions.from_columns(users, items, ratings, times, n_users=n_users, n_items=n_items, scale=HALF_STARS)


@pytest.fixture(scope="module")
def train() -> Interactions:
    return temporal_split(make_log(), 0.8).train


@pytest.fixture(scope="module", params=NAMES)
def users(request, train) -> ClassicalUsers:
    return fit_classical(request.param, train)


def ask(agent: ClassicalUsers):
    """Every user's reaction to the whole catalogue."""
    sessions = agent.open(agent.n_users)
    everyone = np.arange(agent.n_users)
    sessions.start(everyone, everyone)
    return sessions.react(everyone, np.tile(np.arange(agent.n_items), (agent.n_users, 1)))


def test_conformance(users):
    check_user_agent(users)


def test_conformance_without_a_table(users, train):
    check_user_agent(fit_classical(users.name, train, table_cells=0))


def test_answers_do_not_depend_on_the_table(users, train):
    without = fit_classical(users.name, train, table_cells=0)
    assert users.table is not None
    assert without.table is None
    for one, other in zip(ask(users), ask(without), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_choice_orders_by_popularity(users, train):
    popularity = np.bincount(train.items, minlength=train.n_items)
    choice_probability = ask(users).choice_probability.mean(axis=0)
    assert choice_probability[np.argsort(popularity)[-5:]].min() > choice_probability[np.argsort(popularity)[:5]].max()


def test_expressive_models_know_the_blocks(train):
    test = temporal_split(make_log(), 0.8).test
    error = {}
    for name in NAMES:
        rating = ask(fit_classical(name, train)).rating @ np.asarray(HALF_STARS)
        error[name] = np.sqrt(np.mean((rating[test.users, test.items] - test.ratings) ** 2))
    assert error["mf"] < 0.6 * error["bias"]
    assert error["knn"] < 0.9 * error["bias"]


def test_held_out_rows_cannot_matter():
    log = make_log()
    split = temporal_split(log, 0.8)
    other = log.ratings.copy()
    held_out = ~np.isin(log.users * log.n_items + log.items, split.train.users * log.n_items + split.train.items)
    other[held_out] = np.random.default_rng(1).permutation(other[held_out])[::-1]
    assert not np.array_equal(other, log.ratings)
    twisted = Interactions.from_columns(
        log.users, log.items, other, log.timestamps, n_users=log.n_users, n_items=log.n_items, scale=log.scale
    )
    train = temporal_split(twisted, 0.8).train
    assert train.fingerprint() == split.train.fingerprint()
    for one, two in zip(ask(fit_classical("mf", split.train)), ask(fit_classical("mf", train)), strict=True):
        np.testing.assert_array_equal(one, two)


def test_the_link_is_fitted_on_rows_the_model_has_not_seen(monkeypatch, train):
    """The model that the link is fitted to must know each user's early rows alone."""
    logs = []

    def remember(log):
        logs.append(log)
        return fit_factors(log)

    monkeypatch.setitem(RATING_FITS, "mf", remember)
    fit_classical("mf", train)
    early = temporal_split(train, 0.8).train
    assert {log.fingerprint() for log in logs} == {train.fingerprint(), early.fingerprint()}


def test_expected_surprise_is_honest(users):
    """On held-out rows the mean surprise is about what the users themselves expect it to be."""
    test = temporal_split(make_log(), 0.8).test
    rating = ask(users).rating[test.users, test.items]
    entropy = -(rating * np.log(rating)).sum(axis=1).mean()
    surprise = -np.log(rating[np.arange(len(test)), test.rating_index]).mean()
    assert surprise == pytest.approx(entropy, rel=0.15)


@pytest.mark.parametrize("name", NAMES)
def test_same_rows_same_users(name, train):
    for one, other in zip(ask(fit_classical(name, train)), ask(fit_classical(name, train)), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", NAMES)
def test_unknown_users_and_items_are_answered_for(name):
    log = make_log()
    train = log.take((log.users != 3) & (log.items != 5))
    choice_probability, rating = ask(fit_classical(name, train))
    assert np.isfinite(choice_probability).all()
    expected = rating @ np.asarray(HALF_STARS)
    assert expected[3, 5] == pytest.approx(float(train.ratings.mean()), abs=0.5)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("rows", [1, 3])
def test_tiny_logs_work(name, rows):
    train = Interactions.from_columns(
        np.arange(rows), np.arange(rows), np.full(rows, 3.0), None, n_users=4, n_items=6, scale=HALF_STARS
    )
    choice_probability, rating = ask(fit_classical(name, train))
    assert np.isfinite(choice_probability).all()
    np.testing.assert_allclose(rating.sum(axis=-1), 1, atol=1e-5)


def test_pairs_are_looked_up_across_blocks():
    rng = np.random.default_rng(0)
    full = rng.random((1_000, 700))
    users, items = rng.integers(0, 1_000, 5_000), rng.integers(0, 700, 5_000)
    np.testing.assert_array_equal(at_pairs(lambda block: full[block], users, items, 700), full[users, items])


def test_a_slate_of_ten_for_a_thousand_users_is_quick(train):
    agent = fit_classical("mf", train)
    rng = np.random.default_rng(0)
    rows = np.arange(1_024)
    sessions = agent.open(1_024)
    sessions.start(rows, rng.integers(0, agent.n_users, 1_024))
    slates = rng.integers(0, agent.n_items, (1_024, 10))
    durations = []
    for _ in range(20):
        begin = time.thread_time()  # not wall time, so that a busy machine does not matter
        sessions.react(rows, slates)
        durations.append(time.thread_time() - begin)
    assert min(durations) < 3e-3, f"best of 20 took {min(durations) * 1e3:.1f} ms"


@pytest.mark.parametrize("name", RATING_FITS)
def test_a_log_without_ratings_gives_users_who_choose(name, train):
    consumed = replace(train, ratings=np.ones(len(train), np.float32), scale=(1.0,))
    users = fit_classical(name, consumed)
    check_user_agent(users)
    sessions = users.open(1)
    sessions.start(np.array([0]), np.array([0]))
    said = sessions.react(np.array([0]), np.arange(10)[None])
    assert (said.rating == 1).all()
    assert np.ptp(said.choice_probability) > 0


def test_a_large_catalogue_is_calibrated_on_fewer_users(train, monkeypatch):
    monkeypatch.setattr("personagym_agents.classical.calibration.CALIBRATION_CELLS", 9 * train.n_items)
    asked = []
    original = sample_unseen
    monkeypatch.setattr(
        "personagym_agents.classical.calibration.sample_unseen",
        lambda log, users, rng: asked.append(set(users.tolist())) or original(log, users, rng),
    )
    check_user_agent(fit_classical("bias", train))
    assert [len(users) for users in asked] == [9]


def test_wrong_use_is_named(users, train):
    sessions = users.open(2)
    one = np.array([0])
    with pytest.raises(ValueError, match=r"rows \[0\] have not been started"):
        sessions.react(one, np.array([[1]]))
    with pytest.raises(ValueError, match=r"users must lie in 0\.\.59"):
        sessions.start(one, np.array([60]))
    with pytest.raises(ValueError, match=r"rows must lie in 0\.\.1"):
        sessions.start(np.array([2]), one)
    sessions.start(one, one)
    with pytest.raises(ValueError, match=r"slates must lie in 0\.\.49, got -1"):
        sessions.react(one, np.array([[-1]]))
    with pytest.raises(ValueError, match=r"ratings must lie in 0\.\.9"):
        sessions.consume(one, one, np.array([10]))
    with pytest.raises(ValueError, match="at least 1"):
        users.open(0)
    with pytest.raises(ValueError, match=r"unknown classical users 'svd'.*bias, knn, mf, stack, trees"):
        fit_classical("svd", train)
    with pytest.raises(ValueError, match="empty log"):
        fit_classical("mf", train.take(np.zeros(len(train), np.bool_)))
    assert TABLE_CELLS * 12 < 128 * 2**20


def test_inverse_propensities_mend_what_users_expect():
    """Ratings of 4 and more are kept four times as often; who is fitted by propensities expects the unselected mean."""
    rng = np.random.default_rng(0)
    ratings = np.clip(np.round(rng.uniform(2, 4, 20) + rng.normal(0, 1, (200, 20))), 1, 5)
    chance = np.where(ratings >= 4, 0.8, 0.2)
    users, items = np.nonzero(rng.random(ratings.shape) < chance)
    log = Interactions.from_columns(
        users, items, ratings[users, items], None, n_users=200, n_items=20, scale=(1.0, 2.0, 3.0, 4.0, 5.0)
    )
    for name in ("bias", "mf"):
        plain = fit_classical(name, log)
        assert (ask(plain).rating @ np.arange(1.0, 6)).mean() - ratings.mean() > 0.35
        known = chance[log.users, log.items]
        mended = [fit_classical(name, log, propensities=known, doubly_robust=robust) for robust in (False, True)]
        for agent, ending in zip(mended, ("ips", "dr"), strict=True):
            assert abs((ask(agent).rating @ np.arange(1.0, 6)).mean() - ratings.mean()) < 0.12
            assert agent.name == f"{name}-{ending}"
            check_user_agent(agent)
        assert mended[0].fingerprint != mended[1].fingerprint
    with pytest.raises(ValueError, match="propensities are for bias and mf users, got 'knn'"):
        fit_classical("knn", log, propensities=chance[log.users, log.items])
    with pytest.raises(ValueError, match="one for each row, got 1"):
        fit_classical("mf", log, propensities=np.ones(1))
    with pytest.raises(ValueError, match="needs propensities, got none"):
        fit_classical("mf", log, doubly_robust=True)
