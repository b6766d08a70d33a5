"""Response styles: what users and items make of a scale, against planted habits and limits."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from fixtures.workers import sent
from personagym_agents.classical import link
from personagym_agents.classical.calibration import fit_users
from personagym_agents.classical.link import OrdinalLink, fit_link
from personagym_agents.classical.mean_matching import exponents
from personagym_agents.classical.response_style import ResponseStyle, fit_response_style, fit_scale_use
from personagym_agents.classical.users import ClassicalUsers, fit_classical
from personagym_env.collaborative.factors import fit_factors
from personagym_env.data.tables import FloatArray, Interactions

SCALE = (1.0, 2.0, 3.0)
N_USERS, N_ITEMS = 60, 80


@pytest.fixture(scope="module")
def log() -> Interactions:
    """Tastes are alike, but even users never give a 2 and odd ones often do; the last user has no row."""
    rng = np.random.default_rng(0)
    users, items = np.nonzero(rng.random((N_USERS - 1, N_ITEMS)) < 0.6)
    quality = rng.normal(0, 0.8, N_ITEMS)[items] + rng.normal(0, 1, len(items))
    middle = np.where(users % 2 == 0, 0.0, 0.9)
    ratings = np.where(quality < -middle, 1.0, np.where(quality > middle, 3.0, 2.0))
    return Interactions.from_columns(users, items, ratings, None, n_users=N_USERS, n_items=N_ITEMS, scale=SCALE)


def test_planted_styles_are_found(log: Interactions) -> None:
    style = fit_response_style(log)
    assert style.users.shape == (N_USERS, 3)
    assert style.items.shape == (N_ITEMS, 3)
    even, odd = style.users[: N_USERS - 2 : 2], style.users[1 : N_USERS - 1 : 2]
    assert even[:, 1].max() < -0.7
    assert odd[:, 1].min() > 0.2
    np.testing.assert_array_equal(style.users[-1], 0)


def test_a_log_where_all_use_the_scale_alike_has_no_styles(log: Interactions) -> None:
    rng = np.random.default_rng(1)
    alike = replace(log, ratings=np.asarray(SCALE, np.float32)[rng.integers(0, 3, len(log))])
    style = fit_response_style(alike)
    assert np.abs(style.users).mean() < 0.25 * np.abs(fit_response_style(log).users).mean()
    assert np.abs(style.items).max() < 0.5


def test_the_weight_of_a_planted_style_is_recovered_and_answers_follow_it() -> None:
    rng = np.random.default_rng(0)
    planted = OrdinalLink(np.array([-1.0, 1.0], np.float32), 1.0, np.zeros(0, np.float32), np.array([0.8, 0.0]))
    styles = rng.normal(size=(20_000, 2, 3))
    mean = rng.normal(size=20_000)
    tilts = planted.tilts(np.moveaxis(styles, 1, 0))
    chances = planted.distribution(planted.location(mean), np.ones(20_000, np.float32), tilts[0] * tilts[1])
    np.testing.assert_allclose(chances.sum(axis=1), 1, atol=1e-6)
    drawn = (rng.random((20_000, 1)) > np.cumsum(chances, axis=1)).sum(axis=1)
    found = fit_link(mean, np.zeros((20_000, 0)), np.minimum(drawn, 2), 3, styles)
    np.testing.assert_allclose(found.style, [0.8, 0.0], atol=0.05)
    assert found.slope == pytest.approx(1.0, abs=0.05)


def test_users_answer_in_their_own_style(log: Interactions) -> None:
    """From the table of all pairs and without one alike; users who know nothing of styles all give the middle."""
    users = np.arange(N_USERS - 1)
    asked = np.tile(np.arange(N_ITEMS), (len(users), 1))
    fitted, plain = (fit_users(fit_factors, log, 0, with_affinity=True, with_style=known) for known in (True, False))
    answers = []
    for fit, cells in ((fitted, 0), (fitted, N_USERS * N_ITEMS), (plain, 0)):
        sessions = ClassicalUsers("mf", SCALE, (N_USERS, N_ITEMS), *fit, table_cells=cells).open(len(users))
        sessions.start(users[::-1], users)
        answers.append(sessions.react(users[::-1], asked).rating)
    np.testing.assert_allclose(answers[0], answers[1], atol=1e-6)
    middle, without = (part[..., 1].mean(axis=1) for part in (answers[0], answers[2]))
    assert middle[::2].max() < 0.5 * middle[1::2].min()
    assert without[::2].max() > 0.5 * without[1::2].min()


@pytest.mark.parametrize("table_cells", [0, N_USERS * N_ITEMS])
def test_answers_do_not_depend_on_what_was_asked_before(log: Interactions, table_cells: int) -> None:
    """What the line asks of a pair is kept, but not for the user who comes to sit in the same row next."""
    fitted = fit_users(fit_factors, log, 0, with_affinity=True, with_style=True)
    assert len(fitted.link.line)
    agent = ClassicalUsers("mf", SCALE, (N_USERS, N_ITEMS), *fitted, table_cells=table_cells)
    everyone, row = np.arange(N_USERS), np.array([0])
    whole, sessions = agent.open(N_USERS), agent.open(1)
    whole.start(everyone, everyone)
    wanted = whole.react(everyone, np.tile(np.arange(N_ITEMS), (N_USERS, 1))).rating
    for user in (3, 8, 3):
        sessions.start(row, np.array([user]))
        for slate in ([7, 2], [2, 4], [7, 2]):
            answered = sessions.react(row, np.array([slate])).rating[0]
            np.testing.assert_allclose(answered, wanted[user, slate], atol=1e-6)


def test_what_the_line_asks_of_a_pair_is_found_once(log: Interactions, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[int] = []

    def counting(chances: FloatArray, wanted: FloatArray, scale: FloatArray) -> FloatArray:
        found.append(wanted.size)
        return exponents(chances, wanted, scale)

    fitted = fit_users(fit_factors, log, 0, with_affinity=True, with_style=True)
    sessions = ClassicalUsers("mf", SCALE, (N_USERS, N_ITEMS), *fitted).open(2)
    rows = np.arange(2)
    sessions.start(rows, np.array([5, 9]))
    monkeypatch.setattr(link, "exponents", counting)
    for slates in ([[1, 2, 3], [1, 2, 3]], [[1, 2, 3], [1, 2, 3]], [[3, 2, 1], [4, 2, 3]]):
        sessions.react(rows, np.array(slates))
    assert found == [6, 1]


def test_users_in_style_answer_in_the_processes_of_a_cluster(log: Interactions) -> None:
    """Where arrays are mapped and nobody may write into them."""
    fitted = fit_users(fit_factors, log, 0, with_affinity=True, with_style=True)
    agent, rows = ClassicalUsers("mf", SCALE, (N_USERS, N_ITEMS), *fitted), np.arange(2)
    here, elsewhere = (users.open(2) for users in (agent, sent(agent)()))
    for slates in ([[1, 2, 3], [4, 5, 6]], [[6, 5, 4], [3, 2, 7]]):
        for sessions in (here, elsewhere):
            sessions.start(rows, np.array([5, 9]))
        answers = [sessions.react(rows, np.array(slates)).rating for sessions in (here, elsewhere)]
        np.testing.assert_array_equal(*answers)


def test_long_scales_have_no_styles() -> None:
    rng = np.random.default_rng(0)
    users, items = np.nonzero(rng.random((150, 400)) < 0.5)
    scale = tuple(np.arange(0, 10.01, 0.01).round(2).tolist())
    ratings = np.asarray(scale)[rng.integers(0, len(scale), len(users))]
    long = Interactions.from_columns(users, items, ratings, None, n_users=150, n_items=400, scale=scale)
    tracemalloc.start()
    style = fit_response_style(long)
    assert tracemalloc.get_traced_memory()[1] < 20e6
    assert style.at(users[:2], items[:2]).shape == (2, 2, 1001)
    assert not style.users.any()
    tracemalloc.stop()


def test_links_of_many_rows_times_ratings_are_fitted_on_some(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    mean, index, styles = rng.normal(3, 1, 4_000), rng.integers(0, 5, 4_000), rng.normal(size=(4_000, 2, 5))
    some = np.linspace(0, 3_999, 1_000).astype(np.int64)
    nothing = np.zeros((4_000, 0))
    wanted = fit_link(mean[some], nothing[some], index[some], 5, styles[some])
    monkeypatch.setattr(link, "_CELLS", 5_000)
    found = fit_link(mean, nothing, index, 5, styles)
    np.testing.assert_array_equal(found.thresholds, wanted.thresholds)
    np.testing.assert_array_equal(found.style, wanted.style)


def test_scales_of_one_rating_have_no_styles() -> None:
    one = Interactions.from_columns(
        np.array([0, 1]), np.array([1, 0]), np.ones(2), None, n_users=2, n_items=2, scale=(1.0,)
    )
    use = fit_scale_use(one)
    np.testing.assert_array_equal(use.style.users, np.zeros((2, 1)))
    assert ResponseStyle(*use.style).at(np.array([0]), np.array([1])).shape == (1, 2, 1)
    users = fit_classical("stack", one)
    assert users.tilt(np.array([0]), np.array([[0]])) is not None
    sessions = users.open(1)
    sessions.start(np.array([0]), np.array([0]))
    assert sessions.react(np.array([0]), np.array([[0]])).rating.tolist() == [[[1.0]]]
