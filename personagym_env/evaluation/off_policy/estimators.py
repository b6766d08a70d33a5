"""All estimators of a log, by name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from personagym_env.data.tables import IntArray
from personagym_env.evaluation.off_policy.action_values import ActionFeatures
from personagym_env.evaluation.off_policy.decisions import Decisions, Floats
from personagym_env.evaluation.off_policy.estimates import slate_weights
from personagym_env.evaluation.off_policy.inverse_propensity import clipped_ips, ips, snips
from personagym_env.evaluation.off_policy.pseudo_inverse import pseudo_inverse
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
from personagym_env.evaluation.off_policy.terms import Terms, WeightSums

PLACE_MODEL = ("cascade-DR",)
"""Estimators whose model is one of places rather than of slates."""


@dataclass(frozen=True, eq=False)
class Sums:
    """What all estimators of a policy add up, by session or group of sessions."""

    terms: Mapping[str, Terms]
    """By the estimator's name; models are not fixed."""
    slates: WeightSums
    """Weights of the slates, for the overlap."""

    @classmethod
    def of(
        cls,
        decisions: Decisions,
        *,
        actions: ActionFeatures | None = None,
        places: ActionFeatures | None = None,
        slate_weight: Floats | None = None,
    ) -> "Sums":
        """By session, of all estimators that the log allows.

        Args:
            decisions: the log.
            actions: features of slates, for estimators with a model.
            places: features of places (d * k, f), for cascade-DR.
            slate_weight: (d,) from `pseudo_inverse_weights`.
        """
        single = len(decisions) == decisions.n_sessions
        found = _single(decisions, actions, places, slate_weight) if single else _sessions(decisions, actions)
        return cls(found, slate_weights(decisions))

    @classmethod
    def joined(cls, parts: Sequence["Sums"]) -> "Sums":
        """Of the sessions of several logs of the same policies, one log behind the other."""
        terms = {name: Terms.joined([part.terms[name] for part in parts]) for name in parts[0].terms}
        return cls(terms, WeightSums.joined([part.slates for part in parts]))

    def take(self, rows: IntArray) -> "Sums":
        """Of some rows, which may repeat: of a resampled log."""
        return Sums({name: terms.take(rows) for name, terms in self.terms.items()}, self.slates.take(rows))

    def grouped(self, group: IntArray, n_groups: int) -> "Sums":
        """The same by group of rows."""
        terms = {name: one.grouped(group, n_groups) for name, one in self.terms.items()}
        return Sums(terms, self.slates.grouped(group, n_groups))

    def with_models(self, actions: Floats | None, places: Floats | None) -> dict[str, Terms]:
        """Terms with fixed models: coefficients of slates and of places, as `Terms.with_model` takes them."""
        fixed = {}
        for name, terms in self.terms.items():
            coefficients = places if name in PLACE_MODEL else actions
            if coefficients is not None and terms.gradient.shape[2]:
                terms = terms.with_model(coefficients)
            fixed[name] = terms
        return fixed


def _single(
    decisions: Decisions, actions: ActionFeatures | None, places: ActionFeatures | None, slate_weight: Floats | None
) -> dict[str, Terms]:
    found = {"IPS": ips(decisions), "SNIPS": snips(decisions), "clipped IPS": clipped_ips(decisions)}
    if actions is not None:
        found["DM"] = direct_method(decisions, actions)
        found["DR"] = doubly_robust(decisions, actions)
        found["switch-DR"] = switch_doubly_robust(decisions, actions)
    if decisions.place_reward is not None and not np.isnan(decisions.logging.prefix).any():
        found["SIPS"] = standard_ips(decisions)
        found["IIPS"] = independent_ips(decisions)
        found["RIPS"] = reward_interaction_ips(decisions)
        if places is not None:
            found["cascade-DR"] = cascade_doubly_robust(decisions, places)
    if slate_weight is not None:
        found["PI"] = pseudo_inverse(decisions, slate_weight)
    return found


def _sessions(decisions: Decisions, actions: ActionFeatures | None) -> dict[str, Terms]:
    found = {"PDIS": per_decision_ips(decisions), "weighted PDIS": weighted_per_decision_ips(decisions)}
    if actions is not None:
        found["FQE"] = fitted_q_evaluation(decisions, actions)
        found["DR"] = sequential_doubly_robust(decisions, actions)
    return found
