"""Intervals cover the truth, and an estimate that means nothing says so."""

from dataclasses import replace

import numpy as np
import pytest

from fixtures.enumerated import Enumerated
from personagym_env.evaluation.core.statistics import interval, user_resamples
from personagym_env.evaluation.off_policy.decisions import Decisions
from personagym_env.evaluation.off_policy.estimates import Overlap, estimates, slate_weights
from personagym_env.evaluation.off_policy.inverse_propensity import ips, snips
from personagym_env.evaluation.off_policy.terms import Terms, random_groups
from personagym_env.protocols import Propensities

WORLD = Enumerated("choice")


def _drawn(world: Enumerated, n: int, rng: np.random.Generator) -> Decisions:
    rows = rng.choice(world.decisions.n_sessions, n, p=world.probability[0])
    whole = world.decisions
    return Decisions(
        np.arange(n),
        whole.reward[rows],
        None if whole.place_reward is None else whole.place_reward[rows],
        Propensities(*(part[rows] for part in whole.logging)),
        Propensities(*(part[rows] for part in whole.evaluation)),
    )


@pytest.mark.parametrize("estimator", [ips, snips])
def test_intervals_cover_the_truth(estimator) -> None:
    rng, truth = np.random.default_rng(0), WORLD.truth(WORLD.evaluation)
    terms: Terms = estimator(WORLD.decisions)
    covered = []
    for _ in range(200):
        counts = rng.multinomial(400, WORLD.probability[0]).astype(float)
        drawn = np.repeat(np.arange(len(counts)), counts.astype(int))
        sample = Terms(terms.numerator[drawn], terms.denominator[drawn], terms.gradient[drawn], None)
        found = interval(sample.resampled(user_resamples(400, 120, rng)))
        covered.append(found.low <= truth <= found.high)
    assert 0.9 <= np.mean(covered) <= 0.99


def test_groups_give_the_interval_of_sessions() -> None:
    rng = np.random.default_rng(1)
    terms = ips(_drawn(WORLD, 20_000, rng))
    fine = interval(terms.resampled(user_resamples(20_000, 60, rng)))
    group = random_groups(20_000, rng, most=400)
    coarse = interval(terms.grouped(group, 400).resampled(user_resamples(400, 2_000, rng)))
    assert coarse.value == pytest.approx(fine.value)
    assert (coarse.high - coarse.low) == pytest.approx(fine.high - fine.low, rel=0.3)


def test_an_estimate_with_overlap_has_no_warning() -> None:
    log = _drawn(WORLD, 3_000, np.random.default_rng(2))
    found = estimates(log, {"ips": ips(log), "snips": snips(log)}, np.random.default_rng(3), resamples=200)
    truth = WORLD.truth(WORLD.evaluation)
    for one in found.values():
        assert one.warning == ""
        assert one.value.low < truth < one.value.high
        assert one.effective_size == pytest.approx(log.joint_ratio.sum() ** 2 / (log.joint_ratio**2).sum())
        assert one.overlap.missing == 0
        assert one.overlap.supported


def test_no_overlap_is_said_in_words() -> None:
    log = _drawn(WORLD, 500, np.random.default_rng(4))
    nothing = Propensities(*(np.zeros_like(part) for part in log.evaluation))
    apart = replace(log, evaluation=nothing)
    found = estimates(apart, {"ips": ips(apart)}, np.random.default_rng(5), resamples=50)["ips"]
    assert found.overlap.missing == 1
    assert "none of the logged slates" in found.warning


def test_missing_support_is_said_in_words() -> None:
    log = _drawn(WORLD, 5_000, np.random.default_rng(6))
    halved = replace(log, evaluation=Propensities(*(0.5 * part for part in log.evaluation)))
    found = estimates(halved, {"ips": ips(halved)}, np.random.default_rng(7), resamples=50)["ips"]
    assert not found.overlap.supported
    assert found.overlap.mean_weight == pytest.approx(0.5, abs=0.05)
    assert f"average {found.overlap.mean_weight:.3f}" in found.warning
    assert "where 1 is due" in found.warning


def test_few_and_heavy_sessions_are_said_in_words() -> None:
    log = _drawn(WORLD, 80, np.random.default_rng(8))
    joint = log.evaluation.joint.copy()
    joint[0] *= 50
    heavy = replace(log, evaluation=log.evaluation._replace(joint=joint))
    found = estimates(heavy, {"ips": ips(heavy)}, np.random.default_rng(9), resamples=50)["ips"]
    assert "the log is worth" in found.warning
    assert "of the weight" in found.warning
    assert found.largest_share > 0.05


def test_overlap_adds_up_over_groups() -> None:
    log = _drawn(WORLD, 400, np.random.default_rng(10))
    sums = slate_weights(log)
    grouped = sums.grouped(np.arange(400) % 7, 7)
    assert Overlap.of(grouped, np.ones(7)).mean_weight == pytest.approx(log.joint_ratio.mean())
    assert Overlap.of(sums, np.ones(400)).standard_error == pytest.approx(log.joint_ratio.std() / 20)
