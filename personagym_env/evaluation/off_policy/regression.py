"""Estimators of single decisions with a model of the reward: the direct method, doubly robust, switch.

q is the model's value of the logged slate, v its expectation over the slates of the evaluation policy in the same
situation, w the ratio of the slate's joint propensities. The model is fixed by `Terms.with_model`.
"""

import numpy as np

from personagym_env.evaluation.off_policy.action_values import ActionFeatures
from personagym_env.evaluation.off_policy.decisions import Decisions
from personagym_env.evaluation.off_policy.terms import Terms, WeightSums


def direct_method(decisions: Decisions, features: ActionFeatures) -> Terms:
    """The direct method: `mean(v)`.

    Beygelzimer and Langford (KDD 2009). Assumes that the model is right; propensities play no part. Its interval knows
    of chance among situations alone, not of the model's error.
    """
    decisions.only_single_decisions("the direct method")
    return Terms.mean(np.zeros(len(decisions)), None, features.expected)


def doubly_robust(decisions: Decisions, features: ActionFeatures) -> Terms:
    """Doubly robust: `mean(v + w (r - q))`.

    Dudik, Langford, Li (ICML 2011). Unbiased if the propensities are right, whatever the model, as long as it was
    fitted on other decisions; with the true model its bias is 0 whatever the propensities. A model of 0 gives IPS.
    """
    decisions.only_single_decisions("the doubly robust estimator")
    weight = decisions.joint_ratio
    gradient = features.expected - weight[:, None] * features.logged
    return Terms.mean(weight * decisions.reward, WeightSums.of(weight), gradient)


def switch_doubly_robust(decisions: Decisions, features: ActionFeatures, threshold: float = 10.0) -> Terms:
    """Switch-DR: `mean(v + [w <= threshold] w (r - q))`.

    Wang, Agarwal, Dudik (ICML 2017). Where weights are large it trusts the model: biased by
    `-mean([w > threshold] w (r - q))`, which a right model makes 0. A threshold of 0 gives the direct method, an
    infinite one the doubly robust estimator.

    Raises:
        ValueError: the threshold is below 0.
    """
    if not threshold >= 0:
        raise ValueError(f"threshold must be at least 0, got {threshold}")
    decisions.only_single_decisions("the switch estimator")
    weight = np.where(decisions.joint_ratio <= threshold, decisions.joint_ratio, 0.0)
    gradient = features.expected - weight[:, None] * features.logged
    return Terms.mean(weight * decisions.reward, WeightSums.of(weight), gradient)
