"""Limiting cases: the logging policy itself, deterministic policies, slates and sessions of one."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from fixtures.enumerated import Enumerated
from personagym_env.evaluation.off_policy.action_values import ActionFeatures, Moments
from personagym_env.evaluation.off_policy.decisions import Decisions
from personagym_env.evaluation.off_policy.inverse_propensity import clipped_ips, ips, snips
from personagym_env.evaluation.off_policy.pseudo_inverse import all_slates, pseudo_inverse, pseudo_inverse_weights
from personagym_env.evaluation.off_policy.regression import direct_method, doubly_robust, switch_doubly_robust
from personagym_env.evaluation.off_policy.sequential import (
    fitted_q_evaluation,
    per_decision_ips,
    sequential_doubly_robust,
    weighted_per_decision_ips,
)
from personagym_env.evaluation.off_policy.slates import (
    cascade_doubly_robust,
    independent_ips,
    reward_interaction_ips,
    standard_ips,
)
from personagym_env.evaluation.off_policy.terms import Terms
from personagym_env.protocols import Propensities

RNG = np.random.default_rng(4)
N, K = 60, 3


def policy(rows: int, places: int) -> Propensities:
    parts = RNG.uniform(0.1, 0.9, (rows, places))
    prefix = np.cumprod(parts, axis=1)
    return Propensities(prefix[:, -1], prefix, np.append(prefix[:, :1], parts[:, 1:], axis=1), np.zeros_like(parts))


def log_of(session: np.ndarray, places: int = K) -> Decisions:
    d = len(session)
    earned = RNG.random((d, places))
    return Decisions(session, earned.sum(axis=1), earned, policy(d, places), policy(d, places))


def value(terms: Terms) -> float:
    return float(terms.resampled(np.ones((1, len(terms.numerator))))[0])


ONCE = log_of(np.arange(N))
LONG = log_of(np.repeat(np.arange(20), 4))
FEATURES = ActionFeatures(RNG.normal(size=(N, 2)), RNG.normal(size=(N, 2)))
LONG_FEATURES = ActionFeatures(RNG.normal(size=(80, 2)), RNG.normal(size=(80, 2)))
MODEL = np.array([0.3, -0.2])


@pytest.mark.parametrize(
    "estimator",
    [ips, snips, lambda log: clipped_ips(log, 1.0), standard_ips, independent_ips, reward_interaction_ips],
)
def test_the_logging_policy_is_worth_what_was_earned(estimator: Callable[[Decisions], Terms]) -> None:
    same = replace(ONCE, evaluation=ONCE.logging)
    assert value(estimator(same)) == pytest.approx(same.reward.mean())


@pytest.mark.parametrize("estimator", [per_decision_ips, weighted_per_decision_ips])
def test_the_logging_policys_sessions_are_worth_what_was_earned(estimator: Callable[[Decisions], Terms]) -> None:
    same = replace(LONG, evaluation=LONG.logging)
    assert value(estimator(same)) == pytest.approx(same.reward.sum() / same.n_sessions)


def test_a_deterministic_policy_is_worth_what_its_own_slates_earned() -> None:
    shows = np.arange(N) % 3 == 0
    zero_one = np.repeat(shows[:, None], K, axis=1).astype(float)
    log = replace(ONCE, evaluation=Propensities(zero_one[:, 0], zero_one, zero_one, np.zeros_like(zero_one)))
    kept = log.reward[shows] / log.logging.joint[shows]
    assert value(ips(log)) == pytest.approx(kept.sum() / N)
    assert value(snips(log)) == pytest.approx(kept.sum() / (1 / log.logging.joint[shows]).sum())


def test_slates_of_one_place_make_the_slate_estimators_one() -> None:
    log = log_of(np.arange(N), 1)
    for estimator in (standard_ips, independent_ips, reward_interaction_ips):
        assert value(estimator(log)) == pytest.approx(value(ips(log)))
    places = cascade_doubly_robust(log, FEATURES).with_model(MODEL)
    assert value(places) == pytest.approx(value(doubly_robust(log, FEATURES).with_model(MODEL)))


def test_pseudo_inverse_weights_of_one_place_are_ratios() -> None:
    logging, evaluation = RNG.dirichlet(np.ones(4), 5), RNG.dirichlet(np.ones(4), 5)
    weights = pseudo_inverse_weights(all_slates(4, 1), logging, evaluation)
    np.testing.assert_allclose(weights, evaluation / logging)
    log = ONCE
    assert value(pseudo_inverse(log, log.joint_ratio)) == pytest.approx(value(ips(log)))


def test_sessions_of_one_decision_make_the_session_estimators_those_of_decisions() -> None:
    assert value(per_decision_ips(ONCE)) == pytest.approx(value(ips(ONCE)))
    assert value(weighted_per_decision_ips(ONCE)) == pytest.approx(value(snips(ONCE)))
    for sequential, single in ((fitted_q_evaluation, direct_method), (sequential_doubly_robust, doubly_robust)):
        expected = value(single(ONCE, FEATURES).with_model(MODEL))
        assert value(sequential(ONCE, FEATURES).with_model(MODEL)) == pytest.approx(expected)


def test_a_model_of_nothing_leaves_the_weights() -> None:
    nothing = np.zeros(2)
    assert value(doubly_robust(ONCE, FEATURES).with_model(nothing)) == pytest.approx(value(ips(ONCE)))
    sequential = sequential_doubly_robust(LONG, LONG_FEATURES).with_model(nothing)
    assert value(sequential) == pytest.approx(value(per_decision_ips(LONG)))


def test_switch_lies_between_the_direct_method_and_doubly_robust() -> None:
    terms = {threshold: switch_doubly_robust(ONCE, FEATURES, threshold) for threshold in (0.0, np.inf)}
    assert value(terms[0.0].with_model(MODEL)) == pytest.approx(value(direct_method(ONCE, FEATURES).with_model(MODEL)))
    expected = value(doubly_robust(ONCE, FEATURES).with_model(MODEL))
    assert value(terms[np.inf].with_model(MODEL)) == pytest.approx(expected)


def test_a_constant_added_to_rewards_is_added_to_self_normalised_estimates() -> None:
    more = replace(ONCE, reward=ONCE.reward + 2.0, place_reward=None)
    assert value(snips(more)) == pytest.approx(value(snips(ONCE)) + 2.0)
    with pytest.raises(ValueError, match="IIPS needs to know which place earned what"):
        independent_ips(more)


def test_a_session_that_ended_keeps_its_weight() -> None:
    log = log_of(np.array([0, 1, 1, 1, 2]), 1)
    w, r = log.joint_ratio, log.reward
    weights = np.array([[w[0]] * 3, [w[1], w[1] * w[2], w[1] * w[2] * w[3]], [w[4]] * 3])
    earned = np.array([[w[0] * r[0], 0, 0], weights[1] * r[1:4], [w[4] * r[4], 0, 0]])
    expected = (earned.sum(axis=0) / weights.sum(axis=0)).sum()
    assert value(weighted_per_decision_ips(log)) == pytest.approx(expected)


def test_groups_of_sessions_stand_for_sessions() -> None:
    group = RNG.permutation(20) % 5
    for terms in (per_decision_ips(LONG), weighted_per_decision_ips(LONG)):
        grouped = terms.grouped(group, 5)
        assert value(grouped) == pytest.approx(value(terms))
        assert grouped.weights is not None
        assert terms.weights is not None
        for name in ("count", "total", "squares", "zeros"):
            assert getattr(grouped.weights, name).sum() == pytest.approx(getattr(terms.weights, name).sum())
        assert grouped.weights.largest.max() == terms.weights.largest.max()


def test_cross_fitting_gives_each_group_the_model_of_the_others() -> None:
    group = np.arange(20) % 4
    moments = Moments.of(LONG, LONG_FEATURES, group, 4)
    fitted = moments.cross_fitted(steps=4, ridge=0.5)
    for odd in (0, 1):
        others = moments.coefficients((np.arange(4) % 2 != odd).astype(float), steps=4, ridge=0.5)
        np.testing.assert_allclose(fitted[odd::2], np.tile(others, (2, 1)))
    bound = sequential_doubly_robust(LONG, LONG_FEATURES).grouped(group, 4).with_model(fitted)
    whole = sequential_doubly_robust(LONG, LONG_FEATURES).with_model(fitted[group])
    assert value(bound) == pytest.approx(value(whole))


def test_regression_is_least_squares_with_a_penalty() -> None:
    moments = Moments.of(ONCE, FEATURES, np.zeros(N, int), 1)
    x = FEATURES.logged
    expected = np.linalg.solve(x.T @ x + np.eye(2), x.T @ ONCE.reward)
    np.testing.assert_allclose(moments.coefficients(np.ones(1), steps=1), expected)


def test_errors_say_what_is_wrong() -> None:
    with pytest.raises(ValueError, match="sessions have up to 4"):
        ips(LONG)
    with pytest.raises(ValueError, match="propensities must be above 0"):
        replace(ONCE, logging=ONCE.logging._replace(joint=np.zeros(N)))
    with pytest.raises(ValueError, match="must sum to those of the decisions"):
        replace(ONCE, reward=ONCE.reward + 1.0)
    with pytest.raises(ValueError, match="in the order of the rows"):
        replace(ONCE, session=np.arange(N)[::-1])
    with pytest.raises(ValueError, match="clip must be above 0"):
        clipped_ips(ONCE, 0.0)
    with pytest.raises(ValueError, match="needs an action-value model"):
        value(doubly_robust(ONCE, FEATURES))
    with pytest.raises(ValueError, match="expected coefficients of shape"):
        doubly_robust(ONCE, FEATURES).with_model(np.ones(3))
    with pytest.raises(ValueError, match="enumeration takes 1 to"):
        all_slates(60, 3)
    with pytest.raises(ValueError, match="each of the 30 groups needs a session"):
        ips(ONCE).grouped(np.zeros(N, int), 30)


def test_the_enumerated_probabilities_are_probabilities() -> None:
    for world in (Enumerated("cascade"), Enumerated("choice", steps=2)):
        assert world.probability.sum() == pytest.approx(1)
        assert world.decisions.n_sessions == world.probability.shape[1]
