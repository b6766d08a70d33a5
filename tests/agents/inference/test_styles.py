"""Answers in the style of user and item: shapes move, expected ratings stay."""

from collections.abc import Callable

import numpy as np
import pytest

from personagym_agents.inference.language_users import LanguageUserAgent
from personagym_agents.inference.styles import Styles, style_weights, styles_of
from personagym_agents.probes.controls import with_shuffled_ratings
from personagym_env.data.tables import Interactions
from personagym_env.evaluation.core.pair_reactions import react_to_pairs

SCALE = (1.0, 2.0, 3.0)


@pytest.fixture(scope="module")
def log() -> Interactions:
    """Even users never give a 2, odd ones often do."""
    rng = np.random.default_rng(0)
    users, items = np.nonzero(rng.random((40, 60)) < 0.6)
    ratings = np.where((users % 2 == 1) & (rng.random(len(users)) < 0.7), 2.0, rng.choice([1.0, 3.0], len(users)))
    return Interactions.from_columns(users, items, ratings, None, n_users=40, n_items=60, scale=SCALE)


def test_who_never_gives_a_rating_is_not_said_to_and_means_stay(log: Interactions) -> None:
    weights = style_weights(log)
    assert weights[0] > 0.3
    rating = np.random.default_rng(1).dirichlet([4.0, 4.0, 4.0], (2, 5))
    users, items = np.array([0, 1]), np.arange(10).reshape(2, 5)
    found = styles_of(log, weights).styled(rating, users, items)
    np.testing.assert_allclose(found.sum(axis=-1), 1, atol=1e-5)
    np.testing.assert_allclose(found @ SCALE, rating @ SCALE, atol=1e-3)
    assert (found[0, :, 1] < rating[0, :, 1]).all()
    assert (found[1, :, 1] > rating[1, :, 1]).all()


def test_no_answer_depends_on_those_beside_it(log: Interactions) -> None:
    styles = styles_of(log, (0.5, 0.2))
    rating = np.random.default_rng(1).dirichlet([1.0, 1.0, 1.0], (6, 8))
    users, items = np.arange(6), np.arange(48).reshape(6, 8)
    whole = styles.styled(rating, users, items)
    for row in range(6):
        alone = styles.styled(rating[row : row + 1, 2:3], users[row : row + 1], items[row : row + 1, 2:3])
        np.testing.assert_allclose(alone[0, 0], whole[row, 2], atol=1e-6)


@pytest.fixture(scope="module")
def agent(make_language_agent: Callable[..., LanguageUserAgent]) -> LanguageUserAgent:
    return make_language_agent("llama")


@pytest.fixture(scope="module")
def styled(agent: LanguageUserAgent) -> LanguageUserAgent:
    """The same users, each with a style of one's own."""
    rng = np.random.default_rng(3)
    users, items = (np.exp(rng.normal(0, 0.4, (n, len(agent.scale)))) for n in (agent.n_users, agent.n_items))
    return LanguageUserAgent(
        agent.population.model,
        agent.corpus,
        name="styled",
        gate=agent.population.gate,
        adapter_of=agent.population.adapters,
        history_lines=agent.history_lines,
        styles=Styles(users.astype(np.float32), items.astype(np.float32), np.asarray(agent.scale, np.float32)),
    )


def test_sessions_and_explanations_answer_alike(agent: LanguageUserAgent, styled: LanguageUserAgent) -> None:
    users, items = np.array([0, 3, 5]), np.array([7, 1, 9])
    plain, found = (react_to_pairs(one, users, items) for one in (agent, styled))
    np.testing.assert_array_equal(found.choice_probability, plain.choice_probability)
    np.testing.assert_allclose(found.rating @ agent.scale, plain.rating @ agent.scale, atol=1e-3)
    assert np.abs(found.rating - plain.rating).max() > 0.01
    _, told = styled.occluded(3, 1)
    np.testing.assert_allclose(told.rating[0, 0], found.rating[1], atol=1e-4)


def test_whoever_is_told_otherwise_has_no_style(styled: LanguageUserAgent) -> None:
    """Styles are read off ratings, and would tell of them."""
    assert with_shuffled_ratings(styled, np.random.default_rng(0)).population.styles is None
