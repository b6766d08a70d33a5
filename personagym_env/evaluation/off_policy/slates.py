"""Estimators of single slates that use which place earned what: SIPS, IIPS, RIPS, cascade-DR.

r_j is the reward of place j. The less the reward of a place is assumed to depend on, the shorter is the product of
propensities that it is weighted with: the whole slate, the places up to j, or place j alone.
"""

import numpy as np

from personagym_env.evaluation.off_policy.action_values import ActionFeatures
from personagym_env.evaluation.off_policy.decisions import Decisions
from personagym_env.evaluation.off_policy.terms import Terms, WeightSums


def standard_ips(decisions: Decisions) -> Terms:
    """SIPS: `mean(sum over j of w r_j)` with the joint ratio w.

    McInerney et al. (KDD 2020), equation 1. Unbiased; assumes nothing of how places interact. The same as IPS.
    """
    earned = decisions.by_place("SIPS")
    weight = decisions.joint_ratio
    return Terms.mean((weight[:, None] * earned).sum(axis=1), WeightSums.of(weight))


def independent_ips(decisions: Decisions) -> Terms:
    """IIPS: `mean(sum over j of w_j r_j)` with the ratio w_j of the item's marginal propensity at place j.

    Li et al. (KDD 2018); McInerney et al. (KDD 2020), equation 2. Assumes that what a place earns depends on its own
    item alone. Users who choose among the items of a slate break that: an attractive item takes clicks from others.
    """
    earned = decisions.by_place("IIPS")
    weight = decisions.marginal_ratio
    return Terms.mean((weight * earned).sum(axis=1), WeightSums.of(weight))


def reward_interaction_ips(decisions: Decisions) -> Terms:
    """RIPS: `mean(sum over j of w_1:j r_j)` with the ratio w_1:j of the items up to place j.

    McInerney et al. (KDD 2020). Assumes that what a place earns depends on its own item and on those above it, as in a
    cascade that users read from top to bottom. Users who look at several places before they choose break that.
    """
    earned = decisions.by_place("RIPS")
    weight = decisions.prefix_ratio
    return Terms.mean((weight * earned).sum(axis=1), WeightSums.of(weight))


def cascade_doubly_robust(decisions: Decisions, places: ActionFeatures) -> Terms:
    """Cascade-DR: `mean(sum over j of w_1:j (r_j - q_j) + w_1:(j-1) v_j)`.

    Kiyohara et al. (WSDM 2022), section 3.1. q_j is a model of what place j and those below it earn, v_j its
    expectation over the evaluation policy's item at place j, given the logged items above. Unbiased under the
    assumption of RIPS, whatever the model, as long as it was fitted on other decisions. A model of 0 gives RIPS.

    Args:
        decisions: d slates.
        places: features of the places, (d * k, f), those of a slate together.
    """
    earned = decisions.by_place("cascade-DR")
    weight = decisions.prefix_ratio
    d, k = weight.shape
    above = np.column_stack([np.ones(d), weight[:, :-1]])
    logged, expected = (part.reshape(d, k, -1) for part in (places.logged, places.expected))
    gradient = (above[:, :, None] * expected - weight[:, :, None] * logged).sum(axis=1)
    return Terms.mean((weight * earned).sum(axis=1), WeightSums.of(weight), gradient)
