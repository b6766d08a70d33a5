"""The figures that the estimators of obp 0.5.7 give for a small synthetic log, which is made of formulae alone."""

import numpy as np
import pytest

from personagym_env.evaluation.off_policy.action_values import ActionFeatures
from personagym_env.evaluation.off_policy.decisions import Decisions
from personagym_env.evaluation.off_policy.inverse_propensity import clipped_ips, ips, snips
from personagym_env.evaluation.off_policy.regression import direct_method, doubly_robust, switch_doubly_robust
from personagym_env.evaluation.off_policy.slates import (
    cascade_doubly_robust,
    independent_ips,
    reward_interaction_ips,
    standard_ips,
)
from personagym_env.evaluation.off_policy.terms import Terms
from personagym_env.protocols import Propensities

OBP = {
    "ips": 0.6010524227908575,
    "clipped_ips": 0.49633163559009325,
    "snips": 0.5546323778817914,
    "direct_method": 0.38071767486899066,
    "doubly_robust": 0.593142719094174,
    "switch_doubly_robust": 0.4111580632714421,
    "standard_ips": 2.1551634920634917,
    "independent_ips": 1.5394444444444444,
    "reward_interaction_ips": 2.3924990476190477,
    "cascade_doubly_robust": 2.345380152910053,
}
N, ACTIONS, K = 40, 4, 3
ROW, PLACE = np.arange(N), np.arange(K)


def _value(terms: Terms) -> float:
    return float(terms.resampled(np.ones((1, N)))[0])


def _normalised(weights: np.ndarray) -> np.ndarray:
    return weights / weights.sum(axis=-1, keepdims=True)


def _single(joint: np.ndarray) -> Propensities:
    column = joint[:, None]
    return Propensities(joint, column, column, np.zeros_like(column))


def test_single_actions() -> None:
    actions = np.arange(ACTIONS)
    chosen = (3 * ROW + ROW // 7) % ACTIONS
    logging = _normalised(1 + actions[None] * 0.5 + ((ROW[:, None] * np.arange(1, ACTIONS + 1)) % 5) * 0.3)
    evaluation = _normalised(1 + ((2 * ROW[:, None] + 3 * actions) % 7) * 0.5)
    reward = ((ROW * ROW + 2 * chosen) % 5) / 4.0
    guess = 0.2 + 0.1 * actions[None] + 0.02 * (ROW[:, None] % 4)
    log = Decisions(ROW, reward, reward[:, None], _single(logging[ROW, chosen]), _single(evaluation[ROW, chosen]))
    model = ActionFeatures(guess[ROW, chosen][:, None], (evaluation * guess).sum(axis=1, keepdims=True))
    one = np.ones(1)
    found = {
        "ips": ips(log),
        "clipped_ips": clipped_ips(log, 1.25),
        "snips": snips(log),
        "direct_method": direct_method(log, model).with_model(one),
        "doubly_robust": doubly_robust(log, model).with_model(one),
        "switch_doubly_robust": switch_doubly_robust(log, model, 1.25).with_model(one),
    }
    for name, terms in found.items():
        assert _value(terms) == pytest.approx(OBP[name], rel=1e-12), name


def test_slates() -> None:
    rows = ROW[:, None]
    parts = (0.15 + ((rows * 3 + PLACE) % 6) * 0.05, 0.10 + ((rows * 5 + 2 * PLACE) % 7) * 0.06)
    prefixes = [np.cumprod(part, axis=1) for part in parts]
    marginals = (0.2 + ((rows + 2 * PLACE) % 5) * 0.1, 0.15 + ((2 * rows + PLACE) % 6) * 0.1)
    policies = [
        Propensities(prefix[:, -1], prefix, marginal, np.zeros_like(marginal))
        for prefix, marginal in zip(prefixes, marginals, strict=True)
    ]
    earned = ((rows * 2 + 3 * PLACE) % 4) / 3.0
    log = Decisions(ROW, earned.sum(axis=1), earned, *policies)
    actions = np.arange(ACTIONS)
    guess = 0.1 + 0.05 * actions + 0.03 * PLACE[None, :, None] + 0.01 * (ROW[:, None, None] % 3)
    chances = _normalised(1.0 + ((ROW[:, None, None] + PLACE[None, :, None] + actions) % 3))
    shown = np.take_along_axis(guess, ((rows + PLACE) % ACTIONS)[:, :, None], axis=2)
    places = ActionFeatures(shown.reshape(-1, 1), (chances * guess).sum(axis=2).reshape(-1, 1))
    found = {
        "standard_ips": standard_ips(log),
        "independent_ips": independent_ips(log),
        "reward_interaction_ips": reward_interaction_ips(log),
        "cascade_doubly_robust": cascade_doubly_robust(log, places).with_model(np.ones(1)),
    }
    for name, terms in found.items():
        assert _value(terms) == pytest.approx(OBP[name], rel=1e-12), name
