"""Estimators of single decisions that weigh what was logged: IPS, self-normalised IPS, clipped IPS.

w is the ratio of the slate's joint propensities. All assume that the logged propensities are right, and that the
logging policy can show whatever the evaluation policy can (support).
"""

import numpy as np

from personagym_env.evaluation.off_policy.decisions import Decisions
from personagym_env.evaluation.off_policy.terms import Terms, WeightSums


def ips(decisions: Decisions) -> Terms:
    """Inverse propensity scoring: `mean(w r)`.

    Horvitz and Thompson (JASA 1952); for bandits Strehl et al. (NIPS 2010). Unbiased. For slates it is what McInerney
    et al. (KDD 2020) call standard IPS.
    """
    decisions.only_single_decisions("IPS")
    weight = decisions.joint_ratio
    return Terms.mean(weight * decisions.reward, WeightSums.of(weight))


def snips(decisions: Decisions) -> Terms:
    """Self-normalised IPS: `sum(w r) / sum(w)`.

    Swaminathan and Joachims (NIPS 2015). Consistent, with a bias of order 1/n; a constant added to all rewards is added
    to the estimate. Without support it estimates the value among what the logging policy can show.
    """
    decisions.only_single_decisions("self-normalised IPS")
    weight = decisions.joint_ratio
    return Terms.ratio(weight * decisions.reward, weight, WeightSums.of(weight))


def clipped_ips(decisions: Decisions, clip: float = 10.0) -> Terms:
    """IPS with weights of at most `clip`: `mean(min(w, clip) r)`.

    Ionides (J. Computational and Graphical Statistics 2008). Biased by `-mean((w - clip)+ r)`: downwards for rewards
    of at least 0. An infinite clip gives IPS.

    Raises:
        ValueError: clip is not above 0.
    """
    if not clip > 0:
        raise ValueError(f"clip must be above 0, got {clip}")
    decisions.only_single_decisions("clipped IPS")
    weight = np.minimum(decisions.joint_ratio, clip)
    return Terms.mean(weight * decisions.reward, WeightSums.of(weight))
