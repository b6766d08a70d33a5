"""The exact expectation of every estimator: the truth where its assumptions hold, the bias where they do not."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from fixtures.enumerated import VALUE, Enumerated, M, clicks
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

KINDS = ("independent", "cascade", "choice")
STEP = {kind: Enumerated(kind) for kind in KINDS}
SESSIONS = {kind: Enumerated(kind, steps=2) for kind in ("cascade", "choice")}
GUESS = np.array([0.1, 0.9, 0.3, 0.8, 0.2])


def expectation(terms: Terms, world: Enumerated) -> float:
    return float(terms.resampled(world.probability)[0])


def bias(terms: Terms, world: Enumerated) -> float:
    return expectation(terms, world) - world.truth(world.evaluation)


def pi_terms(world: Enumerated) -> Terms:
    slates = all_slates(M, 3)
    probabilities = [np.array([[p[M][tuple(s)] for s in slates.tolist()]]) for p in (world.logging, world.evaluation)]
    weights = dict(zip(map(tuple, slates.tolist()), pseudo_inverse_weights(slates, *probabilities)[0], strict=True))
    return pseudo_inverse(world.decisions, np.array([weights[row.slate] for row in world.rows]))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("estimator", [ips, snips, standard_ips])
def test_joint_weights_are_right_whatever_clicks_depend_on(estimator: Callable[..., Terms], kind: str) -> None:
    assert abs(bias(estimator(STEP[kind].decisions), STEP[kind])) < 1e-10


def conditional(world: Enumerated, known: Callable[[tuple[int, ...], int], tuple[int, ...]]) -> float:
    """The value if `known(slate, place)` alone told what a place earns: its mean in the log, as often as shown."""
    total = 0.0
    for place in range(3):
        earned: dict[tuple[int, ...], float] = defaultdict(float)
        shown: dict[tuple[int, ...], float] = defaultdict(float)
        for slate, probability in world.logging[M].items():
            earned[known(slate, place)] += probability * clicks(world.kind, slate)[place] * VALUE[slate[place]]
            shown[known(slate, place)] += probability
        for slate, probability in world.evaluation[M].items():
            total += probability * earned[known(slate, place)] / shown[known(slate, place)]
    return total


@pytest.mark.parametrize(
    ("estimator", "known", "biases"),
    [
        (independent_ips, lambda slate, place: (slate[place],), {"cascade": 0.0503, "choice": 0.0335}),
        (
            reward_interaction_ips,
            lambda slate, place: slate[: place + 1],
            {"independent": 0, "cascade": 0, "choice": 0.013},
        ),
    ],
)
def test_place_weights_are_right_where_a_place_depends_on_little(
    estimator: Callable[..., Terms],
    known: Callable[[tuple[int, ...], int], tuple[int, ...]],
    biases: dict[str, float],
) -> None:
    for kind, world in STEP.items():
        stated = biases.get(kind, 0.0)
        found = bias(estimator(world.decisions), world)
        assert found == pytest.approx(conditional(world, known) - world.truth(world.evaluation), abs=1e-10)
        assert found == pytest.approx(stated, abs=5e-5 if stated else 1e-10)


def test_the_pseudo_inverse_is_right_where_rewards_add_up() -> None:
    assert abs(bias(pi_terms(STEP["independent"]), STEP["independent"])) < 1e-10
    assert bias(pi_terms(STEP["cascade"]), STEP["cascade"]) == pytest.approx(-0.0058, abs=5e-5)
    assert bias(pi_terms(STEP["choice"]), STEP["choice"]) == pytest.approx(-0.0013, abs=5e-5)


@pytest.mark.parametrize("kind", ["independent", "cascade"])
def test_cascade_doubly_robust_is_right_with_a_made_up_model(kind: str) -> None:
    world = STEP[kind]
    terms = cascade_doubly_robust(world.decisions, world.place_values(GUESS)).with_model(np.ones(1))
    assert abs(bias(terms, world)) < 1e-10


def test_cascade_doubly_robust_is_wrong_where_places_below_count() -> None:
    world = STEP["choice"]
    terms = cascade_doubly_robust(world.decisions, world.place_values(GUESS)).with_model(np.ones(1))
    without = bias(reward_interaction_ips(world.decisions), world)
    assert bias(terms, world) == pytest.approx(without, abs=1e-10), "the model's part is right in any case"


@pytest.mark.parametrize("kind", KINDS)
def test_clipping_loses_what_is_clipped(kind: str) -> None:
    world, clip = STEP[kind], 1.5
    decisions = world.decisions
    lost = world.probability[0] @ (np.maximum(decisions.joint_ratio - clip, 0) * decisions.reward)
    assert lost > 1e-3
    assert bias(clipped_ips(decisions, clip), world) == pytest.approx(-lost, abs=1e-10)
    assert abs(bias(clipped_ips(decisions, np.inf), world)) < 1e-10


@pytest.mark.parametrize("kind", KINDS)
def test_the_direct_method_is_as_right_as_its_model(kind: str) -> None:
    world = STEP[kind]
    right = world.table_coefficients(steps=1)
    assert abs(bias(direct_method(world.decisions, world.table).with_model(right), world)) < 1e-10
    wrong = np.linspace(0, 1, len(right))
    off = world.table.expected[0] @ (wrong - right)
    assert abs(off) > 1e-2
    found = bias(direct_method(world.decisions, world.table).with_model(wrong), world)
    assert found == pytest.approx(off, abs=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_doubly_robust_is_right_with_a_wrong_model(kind: str) -> None:
    world = STEP[kind]
    wrong = np.linspace(0, 1, world.table.logged.shape[1])
    assert abs(bias(doubly_robust(world.decisions, world.table).with_model(wrong), world)) < 1e-10


@pytest.mark.parametrize("kind", KINDS)
def test_doubly_robust_is_right_with_wrong_propensities_and_the_right_model(kind: str) -> None:
    world = STEP[kind]
    tilted = world.decisions.logging.joint**0.5
    decisions = replace(world.decisions, logging=world.decisions.logging._replace(joint=tilted))
    right = world.table_coefficients(steps=1)
    assert abs(bias(doubly_robust(decisions, world.table).with_model(right), world)) < 1e-10
    assert abs(bias(ips(decisions), world)) > 1e-2


@pytest.mark.parametrize("kind", KINDS)
def test_switching_trusts_the_model_where_weights_are_large(kind: str) -> None:
    world, threshold = STEP[kind], 1.5
    decisions, right = world.decisions, world.table_coefficients(steps=1)
    terms = switch_doubly_robust(decisions, world.table, threshold)
    assert abs(bias(terms.with_model(right), world)) < 1e-10
    wrong = np.linspace(0, 1, len(right))
    large = decisions.joint_ratio * (decisions.joint_ratio > threshold)
    off = -world.probability[0] @ (large * (decisions.reward - world.table.logged @ wrong))
    assert abs(off) > 1e-3
    assert bias(terms.with_model(wrong), world) == pytest.approx(off, abs=1e-10)


@pytest.mark.parametrize("kind", SESSIONS)
@pytest.mark.parametrize("estimator", [per_decision_ips, weighted_per_decision_ips])
def test_sessions_are_right_whatever_clicks_depend_on(estimator: Callable[..., Terms], kind: str) -> None:
    world = SESSIONS[kind]
    assert abs(bias(estimator(world.decisions), world)) < 1e-10


def test_fitted_q_evaluation_is_right_with_states_and_two_rounds() -> None:
    world = SESSIONS["choice"]
    terms = fitted_q_evaluation(world.decisions, world.table)
    assert abs(bias(terms.with_model(world.table_coefficients(steps=2)), world)) < 1e-10
    first_step_alone = bias(terms.with_model(world.table_coefficients(steps=1)), world)
    assert first_step_alone < -0.1, "one round knows nothing of what comes after"


def test_sequential_doubly_robust_is_right_with_a_wrong_model() -> None:
    world = SESSIONS["choice"]
    wrong = np.linspace(-1, 2, world.table.logged.shape[1])
    terms = sequential_doubly_robust(world.decisions, world.table)
    assert abs(bias(terms.with_model(wrong), world)) < 1e-10
    assert abs(bias(terms.with_model(np.zeros_like(wrong)), world)) < 1e-10


def test_without_support_what_is_missing_is_missing() -> None:
    """The logging policy never shows item 0 first: IPS lacks those slates, self-normalised IPS speaks of the others."""
    world = STEP["choice"]
    shown = np.array([row.slate[0] != 0 for row in world.rows])
    lost = [
        probability * float(clicks("choice", slate) @ VALUE[list(slate)])
        for slate, probability in world.evaluation[M].items()
        if slate[0] == 0
    ]
    missing = sum(probability for slate, probability in world.evaluation[M].items() if slate[0] == 0)
    weights = world.probability * shown
    truth = world.truth(world.evaluation)
    decisions = world.decisions
    total = float((weights @ (decisions.joint_ratio * decisions.reward))[0])
    assert total == pytest.approx(truth - sum(lost), abs=1e-10)
    found = float(snips(decisions).resampled(weights)[0])
    assert found == pytest.approx((truth - sum(lost)) / (1 - missing), abs=1e-10)
