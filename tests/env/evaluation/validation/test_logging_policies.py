"""Logging policies show what their weights say, and are fitted to what they claim."""

import numpy as np
import pytest

from personagym_env.data.splits import temporal_split
from personagym_env.data.tables import Dataset, FloatArray
from personagym_env.evaluation.core.offline import opening_observation
from personagym_env.evaluation.validation.logging_policies import (
    SoftmaxPolicy,
    affinity_logits,
    fit_sharpness,
    popularity_logits,
    relative,
    uniform_logits,
)
from personagym_env.protocols import Observation


def _observe(n: int) -> Observation:
    return opening_observation(np.arange(n), np.zeros((n, 1)), 1)


def test_first_places_go_in_proportion_to_the_weights() -> None:
    weights = np.array([1.0, 2.0, 5.0, 2.0])
    policy = SoftmaxPolicy("p", lambda seen: np.tile(np.log(weights), (len(seen["user"]), 1)), np.random.default_rng(0))
    slates = policy.recommend(_observe(20_000), 2)
    assert np.bincount(slates[:, 0], minlength=4) / 20_000 == pytest.approx(weights / 10, abs=0.015)
    # Plackett and Luce: given that item 2 is first, the second place is drawn among the others.
    second = np.bincount(slates[slates[:, 0] == 2, 1], minlength=4)
    assert second / second.sum() == pytest.approx(np.array([1, 2, 0, 2]) / 5, abs=0.02)


def test_only_candidates_are_shown() -> None:
    allowed = np.zeros((3, 6), np.bool_)
    allowed[:, [1, 4]] = True
    policy = SoftmaxPolicy("p", uniform_logits(6), np.random.default_rng(0))
    assert np.sort(policy.recommend(_observe(3), 2, allowed), axis=1).tolist() == [[1, 4]] * 3
    with pytest.raises(ValueError, match="2 items to show, 3 are needed"):
        policy.recommend(_observe(3), 3, allowed)


def test_logits_of_another_shape_are_refused() -> None:
    policy = SoftmaxPolicy("p", lambda seen: np.zeros((1, 6)), np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"shape \(3, m\), got \(1, 6\)"):
        policy.recommend(_observe(3), 2)


def test_popularity_counts_training_rows(dataset: Dataset) -> None:
    log = dataset.interactions
    counts = np.bincount(log.items, minlength=log.n_items)
    assert np.exp(popularity_logits(log)(_observe(2))[1]) == pytest.approx(counts + 1)


def test_affinities_are_relative_to_the_row() -> None:
    assert relative(np.array([[1.0, 3.0], [0.0, 0.0]])).tolist() == [[0.5, 1.5], [1.0, 1.0]]
    for bad in (-1.0, np.nan):
        with pytest.raises(ValueError, match="at least 0"):
            relative(np.array([[bad, 1.0]]))


@pytest.mark.parametrize("truth", [0.5, 2.0])
def test_sharpness_is_found_again(dataset: Dataset, truth: float) -> None:
    """Later rows that are drawn from the policy itself give its sharpness back."""
    rng = np.random.default_rng(1)
    n_users, n_items = 400, 60
    scores = rng.exponential(1, (n_users, n_items))

    def score(seen: Observation) -> FloatArray:
        return scores[seen["user"]]

    policy = SoftmaxPolicy("p", affinity_logits(score, truth), rng)
    early = np.argsort(rng.random((n_users, n_items)), axis=1)[:, :4]
    allowed = np.ones((n_users, n_items), np.bool_)
    np.put_along_axis(allowed, early, False, axis=1)
    late = policy.recommend(_observe(n_users), 1, allowed)
    items = np.concatenate([early, late], axis=1)
    log = dataset.interactions
    drawn = type(log).from_columns(
        np.repeat(np.arange(n_users), 5),
        items.ravel(),
        np.full(items.size, 3.0),
        np.arange(items.size),
        n_users=n_users,
        n_items=n_items,
        scale=log.scale,
    )
    catalogue = dataset.catalogue
    catalogue = type(catalogue)(
        catalogue.ids[:n_items],
        catalogue.titles[:n_items],
        catalogue.years[:n_items],
        catalogue.genre_names,
        catalogue.genres[:n_items],
    )
    inner = temporal_split(drawn, 0.8)
    assert fit_sharpness(score, inner, catalogue) == pytest.approx(truth, rel=0.25)
    with pytest.raises(ValueError, match="there are none"):
        fit_sharpness(score, inner._replace(test=inner.test.take(np.zeros(0, np.int64))), catalogue)
