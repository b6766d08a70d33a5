"""Estimators of whole sessions: per-decision IPS, its self-normalised form, fitted Q evaluation, doubly robust.

The value is the expected undiscounted return of a session. rho_t is the product of the slates' joint ratios up to
decision t. All but fitted Q evaluation assume support and right propensities; none assumes that sessions are Markov,
but for fitted Q evaluation, whose features must hold all that matters.
"""

import numpy as np

from personagym_env.evaluation.off_policy.action_values import ActionFeatures
from personagym_env.evaluation.off_policy.decisions import Decisions, Floats
from personagym_env.evaluation.off_policy.terms import Terms, WeightSums


def _whole(decisions: Decisions) -> WeightSums:
    """The weights of whole sessions, (j,)."""
    return WeightSums.of(decisions.history_ratio[decisions.last])


def per_decision_ips(decisions: Decisions) -> Terms:
    """Per-decision importance sampling: `mean over sessions of sum over t of rho_t r_t`.

    Precup, Sutton, Singh (ICML 2000). Unbiased. Sessions of one decision give IPS.
    """
    return Terms.mean(decisions.by_session(decisions.history_ratio * decisions.reward), _whole(decisions))


def weighted_per_decision_ips(decisions: Decisions) -> Terms:
    """Self-normalised per-decision IPS: `sum over t of (sum of rho_t r_t) / (sum of rho_t)`.

    Consistent weighted per-decision importance sampling (Thomas, thesis 2015, section 3.10), with a bias of order 1/n.
    A session that has ended keeps its last weight and earns nothing. Sessions of one decision give self-normalised IPS.
    """
    weight = _padded(decisions)
    earned = np.zeros_like(weight)
    earned[decisions.session, decisions.step] = decisions.history_ratio * decisions.reward
    return Terms.ratio(earned, weight, _whole(decisions))


def fitted_q_evaluation(decisions: Decisions, features: ActionFeatures) -> Terms:
    """Fitted Q evaluation: `mean over sessions of v` at the first decision, with the model of `Moments.coefficients`.

    Le, Voloshin, Yue (ICML 2019). Assumes that the model can be right and that its features are Markov. Its interval
    knows of chance among first situations alone. One round of fitting and sessions of one decision give the direct
    method.
    """
    return Terms.mean(np.zeros(decisions.n_sessions), None, features.expected[decisions.first])


def sequential_doubly_robust(decisions: Decisions, features: ActionFeatures) -> Terms:
    """Doubly robust: `mean over sessions of sum over t of rho_(t-1) v_t + rho_t (r_t - q_t)`.

    Jiang and Li (ICML 2016). Unbiased if the propensities are right, whatever the model, as long as it was fitted on
    other sessions. A model of 0 gives per-decision IPS, sessions of one decision the doubly robust estimator.
    """
    now, past = decisions.history_ratio, decisions.past_ratio
    gradient = decisions.by_session(past[:, None] * features.expected - now[:, None] * features.logged)
    return Terms.mean(decisions.by_session(now * decisions.reward), _whole(decisions), gradient)


def _padded(decisions: Decisions) -> Floats:
    """(j, t) the weight of each session up to each step; a session that has ended keeps its last."""
    longest = int(decisions.step.max()) + 1
    at = np.minimum(decisions.first[:, None] + np.arange(longest), decisions.last[:, None])
    return np.asarray(decisions.history_ratio[at])
