"""Mixtures of logging policies: shares that rows were drawn with are found again."""

import numpy as np
import pytest

from personagym_env.data.splits import Split
from personagym_env.data.tables import Dataset, Interactions
from personagym_env.evaluation.core.offline import opening_observation
from personagym_env.evaluation.validation.logging_policies import uniform_logits
from personagym_env.evaluation.validation.policy_mixture import Guess, fit_mixture, mixture_logits, recency_logits

USERS, ITEMS = 2_000, 40


@pytest.fixture
def guesses() -> list[Guess]:
    """Everything alike, the last items, the first ones."""
    slope = np.linspace(-2, 2, ITEMS)
    return [
        Guess("uniform", uniform_logits(ITEMS)),
        *(
            Guess(name, lambda seen, sign=sign: np.tile(sign * slope, (len(seen["user"]), 1)))
            for name, sign in (("late", 1.0), ("early", -1.0))
        ),
    ]


def rows(dataset: Dataset, items: np.ndarray, time: int = 0) -> Interactions:
    """(u, t) items of all users."""
    log = dataset.interactions
    users = np.repeat(np.arange(len(items)), items.shape[1])
    times = np.full(items.size, time)
    return type(log).from_columns(
        users, items.ravel(), np.full(items.size, 3.0), times, n_users=len(items), n_items=ITEMS, scale=log.scale
    )


def small(dataset: Dataset):
    catalogue = dataset.catalogue
    return type(catalogue)(
        catalogue.ids[:ITEMS],
        catalogue.titles[:ITEMS],
        catalogue.years[:ITEMS],
        catalogue.genre_names,
        catalogue.genres[:ITEMS],
    )


def test_shares_are_found_again(dataset: Dataset, guesses: list[Guess]) -> None:
    rng = np.random.default_rng(0)
    early = np.argsort(rng.random((USERS, ITEMS)), axis=1)[:, :5]
    train = rows(dataset, early)
    logits = mixture_logits(guesses, (0.3, 0.7, 0.0), train)(
        opening_observation(np.arange(USERS), np.zeros((USERS, 1)), 1)
    )
    np.testing.assert_allclose(np.exp(logits).sum(axis=1), 1.0)  # of what has not been consumed
    assert np.isneginf(np.take_along_axis(logits, early, axis=1)).all()
    chosen = np.argsort(-(logits + rng.gumbel(size=logits.shape)), axis=1)[:, :1]
    found = fit_mixture(guesses, Split(train, rows(dataset, chosen, 1)), small(dataset))
    assert found.names == ("uniform", "late", "early")
    np.testing.assert_allclose(found.shares, (0.3, 0.7, 0.0), atol=0.08)
    assert found.likelihood >= max(found.alone)
    assert "% late" in found.description


def test_what_tastes_explain_is_not_put_down_to_the_slates(dataset: Dataset, guesses: list[Guess]) -> None:
    rng = np.random.default_rng(1)
    train = rows(dataset, np.argsort(rng.random((USERS, ITEMS)), axis=1)[:, :5])
    observation = opening_observation(np.arange(USERS), np.zeros((USERS, 1)), 1)
    logits = mixture_logits(guesses, (1.0, 0.0, 0.0), train)(observation) + guesses[1].logits(observation)
    chosen = np.argsort(-(logits + rng.gumbel(size=logits.shape)), axis=1)[:, :1]
    inner = Split(train, rows(dataset, chosen, 1))
    assert fit_mixture(guesses, inner, small(dataset)).shares[1] > 0.9  # as if late items had been shown
    with_tastes = fit_mixture(guesses, inner, small(dataset), guesses[1].logits)
    assert with_tastes.shares[0] > 0.85


def test_a_single_guess_has_everything(dataset: Dataset, guesses: list[Guess]) -> None:
    inner = Split(rows(dataset, np.zeros((USERS, 1), int)), rows(dataset, np.ones((USERS, 1), int), 1))
    assert fit_mixture(guesses[:1], inner, small(dataset)).shares == (1.0,)
    with pytest.raises(ValueError, match="at least one guess"):
        fit_mixture([], inner, small(dataset))
    with pytest.raises(ValueError, match="there are none"):
        fit_mixture(guesses, inner._replace(test=inner.test.take(np.zeros(0, np.int64))), small(dataset))


def test_recency_forgets(dataset: Dataset) -> None:
    log = dataset.interactions
    ages = type(log).from_columns(
        np.arange(3),
        np.array([0, 1, 1]),
        np.full(3, 3.0),
        np.array([100, 90, 0]),
        n_users=3,
        n_items=4,
        scale=log.scale,
    )
    weights = np.exp(recency_logits(ages)(opening_observation(np.arange(2), np.zeros((3, 1)), 1)))
    assert weights.shape == (2, 4)
    assert weights[0, 1] / weights[0, 0] == pytest.approx(0.5 + 2**-10, rel=0.01)
    assert weights[0, 2] < 0.001
    with pytest.raises(ValueError, match="needs times"):
        recency_logits(
            ages.take(np.arange(3)).__class__.from_columns(
                ages.users, ages.items, ages.ratings, None, n_users=3, n_items=4, scale=log.scale
            )
        )
