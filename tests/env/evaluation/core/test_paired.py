"""Paired verdicts: their error rate and power, where the true difference is known."""

import numpy as np
import pytest

from personagym_env.evaluation.core.paired import POWER, Ratio, holm, paired_difference, verdict

N, EACH = 150, 3
OWNERS = np.repeat(np.arange(N), EACH)


def figures(rng, difference, *, users=N, each=EACH):
    """Two recommenders over the same sessions: users differ in what they prefer (sd 0.5), and sessions in luck (1)."""
    owners = np.repeat(np.arange(users), each)
    base = rng.normal(5, 2, users)[owners]
    gap = difference + rng.normal(0, 0.5, users)[owners] + rng.normal(0, 1, len(owners))
    one = np.ones(len(owners))
    return Ratio(base + gap, one), Ratio(base, one), owners


def test_the_smallest_difference_is_seen_as_often_as_told():
    rng = np.random.default_rng(0)
    detectable = paired_difference(*figures(rng, 0.0)).detectable
    assert detectable == pytest.approx((1.96 + 0.8416) * np.sqrt((0.25 + 1 / EACH) / N), rel=0.15)
    seen = [paired_difference(*figures(rng, detectable)).p < 0.05 for _ in range(400)]
    assert np.mean(seen) == pytest.approx(POWER, abs=0.06)
    false = [paired_difference(*figures(rng, 0.0)).p < 0.05 for _ in range(400)]
    assert np.mean(false) == pytest.approx(0.05, abs=0.03)


def test_users_and_sessions_needed_are_those_that_suffice():
    rng = np.random.default_rng(1)
    found = paired_difference(*figures(rng, 0.1, users=4000))
    assert found.limit == pytest.approx((1.96 + 0.8416) * 0.5 / np.sqrt(4000), rel=0.1)
    half = found.detectable * 0.5
    assert found.users_needed(half) == pytest.approx(4 * 4000, abs=1)
    wanted = (found.detectable + 2 * found.limit) / 3
    sessions = found.sessions_needed(wanted)
    more = paired_difference(*figures(rng, 0.1, users=4000, each=sessions))
    assert more.detectable == pytest.approx(wanted, rel=0.08)
    assert found.sessions_needed(found.limit) is None
    assert found.sessions_needed(found.detectable) == EACH


def test_one_session_each_says_nothing_of_luck():
    found = paired_difference(*figures(np.random.default_rng(2), 0.3, each=1))
    assert np.isnan(found.limit)
    assert found.sessions_needed(0.1) is None


def test_a_rate_has_the_error_of_its_resamples():
    rng = np.random.default_rng(3)
    steps = rng.integers(1, 9, len(OWNERS)).astype(float)
    left, right = (Ratio(rng.binomial(steps.astype(int), p).astype(float), steps) for p in (0.5, 0.4))
    found = paired_difference(left, right, OWNERS)
    draws = rng.multinomial(N, np.full(N, 1 / N), 2000)[:, OWNERS]
    resampled = (draws @ left.numerator - draws @ right.numerator) / (draws @ steps)
    assert found.difference.value == pytest.approx(left.value - right.value)
    assert (found.difference.high - found.difference.low) / 2 == pytest.approx(1.976 * resampled.std(), rel=0.08)


def test_a_recommender_is_not_told_from_itself():
    left, _, owners = figures(np.random.default_rng(4), 0.0)
    found = paired_difference(left, left, owners)
    assert (found.p, found.detectable) == (1.0, 0.0)
    assert verdict(found.difference.value, found.p) == "not told apart"


def test_holm():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.6, 0.7]) == pytest.approx([1.0, 1.0])
    assert [verdict(sign, 0.01) for sign in (1, -1)] == ["better", "worse"]
    assert verdict(1, 0.05) == "not told apart"


def test_nothing_to_compare():
    nothing = Ratio(np.zeros(4), np.zeros(4))
    with pytest.raises(ValueError, match="needs two users with sessions"):
        paired_difference(nothing, nothing, np.arange(4))
