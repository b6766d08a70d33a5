"""Random, popularity and mean rating, by hand and in the limit."""

import numpy as np
import pytest

from personagym_recommenders import BestRated, LeastPopular, MostPopular, Random, Recent, WorstRated
from personagym_recommenders.models.heuristics import credibility_strength

ROWS = [(0, 1, 5), (1, 1, 1), (2, 1, 3), (0, 2, 4), (1, 2, 4), (2, 3, 5)]
"""Item 1: 3 rows of mean 3; item 2: 2 rows of mean 4; item 3: 1 row of mean 5; item 0: none. Mean 22 / 6."""


def test_popularity_and_its_reversal(make_log, observe):
    log, catalogue = make_log(ROWS, 4, 4)
    assert MostPopular().fit(log, catalogue).recommend(observe([3]), 4).tolist() == [[1, 2, 3, 0]]
    assert LeastPopular().fit(log, catalogue).recommend(observe([3]), 4).tolist() == [[0, 3, 2, 1]]


def test_shrunk_mean_by_hand(make_log, observe):
    log, catalogue = make_log(ROWS, 4, 4)
    mean, scores = 22 / 6, BestRated(strength=2.0).fit(log, catalogue).score(observe([0]))[0]
    np.testing.assert_allclose(scores, [mean, (9 + 2 * mean) / 5, (8 + 2 * mean) / 4, (5 + 2 * mean) / 3])


def test_strength_orders_the_shrunk_means(make_log, observe):
    log, catalogue = make_log([(u, 1, 4 + u % 2) for u in range(20)] + [(0, 2, 5), (0, 0, 1), (1, 0, 1)], 21, 3)
    weak, strong = (BestRated(strength).fit(log, catalogue).recommend(observe([20]), 3) for strength in (1e-3, 100.0))
    assert weak.tolist() == [[2, 1, 0]], "without shrinkage a single 5 leads"
    assert strong.tolist() == [[1, 2, 0]], "with shrinkage twenty good ratings lead"
    worst = WorstRated(100.0).fit(log, catalogue).recommend(observe([20]), 3)
    assert worst.tolist() == [[0, 2, 1]]


def test_credibility_finds_the_variance_ratio(make_log):
    rng = np.random.default_rng(0)
    means = rng.normal(3, 0.5, 300)
    rows = [
        (user, item, float(np.clip(np.round(rng.normal(means[item], 1.0)), 1, 5)))
        for item in range(300)
        for user in range(40)
    ]
    log, _ = make_log(rows, 40, 300)
    # Rounding and clipping move both variances a little; the true ratio before them is 1.0 / 0.25.
    assert credibility_strength(log) == pytest.approx(4.0, rel=0.25)


def test_credibility_in_the_limit(make_log):
    agreeing, _ = make_log([(u, i, 1 + i) for u in range(5) for i in range(4)], 5, 4)
    assert credibility_strength(agreeing) == 1e-3
    alike, _ = make_log([(u, i, 1 + (u + i) % 5) for u in range(5) for i in range(4)], 5, 4)
    assert credibility_strength(alike) == 1e6
    single, _ = make_log([(0, 0, 3)], 1, 2)
    assert credibility_strength(single) == 1.0


def test_random_depends_on_seed_user_and_step_alone(checkerboard, observe):
    fitted = Random(seed=1).fit(checkerboard.log, checkerboard.catalogue)
    slates = fitted.recommend(observe([0, 1, 0]), 5)
    np.testing.assert_array_equal(slates[0], slates[2])
    np.testing.assert_array_equal(slates[1:2], fitted.recommend(observe([1]), 5))
    assert not np.array_equal(fitted.recommend(observe([0], step=1), 5), slates[:1])
    other = Random(seed=2).fit(checkerboard.log, checkerboard.catalogue)
    assert not np.array_equal(other.recommend(observe([0]), 5), slates[:1])


def test_random_is_uniform(make_log, observe):
    n_users, n_items = 4000, 10
    log, catalogue = make_log([(0, 0, 3)], n_users, n_items)
    slates = Random().fit(log, catalogue).recommend(observe(list(range(1, n_users))), 3)
    share = np.bincount(slates.ravel(), minlength=n_items) / len(slates)
    # Standard error sqrt(.3 * .7 / 4000) = .0072; five of them.
    np.testing.assert_allclose(share, 0.3, atol=0.036)


@pytest.mark.parametrize("make", [lambda: Random(seed=-1), lambda: BestRated(strength=0), lambda: WorstRated(-2.0)])
def test_bad_arguments(make):
    with pytest.raises(ValueError, match="got"):
        make()


def test_recent_rows_count_more(make_dataset, observe):
    dataset = make_dataset()
    log = dataset.interactions
    newest = log.items[np.argmax(log.timestamps)]
    scores = Recent(half_life=1e-3).fit(log, dataset.catalogue).score(observe([0]))[0]
    assert np.argmax(scores) == newest
    forever = Recent(half_life=1e9).fit(log, dataset.catalogue).score(observe([0]))[0]
    np.testing.assert_allclose(forever, np.bincount(log.items, minlength=80), rtol=1e-6)
    with pytest.raises(ValueError, match="half_life must be above 0"):
        Recent(half_life=0)
    with pytest.raises(ValueError, match="needs timestamps"):
        Recent().fit(make_dataset(timed=False).interactions, dataset.catalogue)
