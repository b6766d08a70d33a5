"""All estimators of a log, by name, with the models that some of them need."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from personagym_env.data.tables import IntArray
from personagym_env.evaluation.off_policy.action_values import ActionFeatures, Moments
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
    """What all estimators add up, by session or group of sessions."""

    terms: Mapping[str, Terms]
    """By the estimator's name; models are not fixed."""
    slates: WeightSums
    """Weights of the slates, for the overlap."""
    actions: Moments | None
    """For the model of slates."""
    places: Moments | None
    """For the model of places."""
    steps: int
    """Decisions of the longest session."""

    @classmethod
    def joined(cls, parts: Sequence["Sums"]) -> "Sums":
        """Of the sessions of several logs of the same policies, one log behind the other."""
        actions = [part.actions for part in parts if part.actions is not None]
        places = [part.places for part in parts if part.places is not None]
        return cls(
            {name: Terms.joined([part.terms[name] for part in parts]) for name in parts[0].terms},
            WeightSums.joined([part.slates for part in parts]),
            Moments.joined(actions) if actions else None,
            Moments.joined(places) if places else None,
            max(part.steps for part in parts),
        )

    def take(self, rows: IntArray) -> "Sums":
        """Of some rows, which may repeat: of a resampled log."""
        return Sums(
            {name: terms.take(rows) for name, terms in self.terms.items()},
            self.slates.take(rows),
            None if self.actions is None else self.actions.take(rows),
            None if self.places is None else self.places.take(rows),
            self.steps,
        )

    def grouped(self, group: IntArray, n_groups: int) -> "Sums":
        """The same by group of rows."""
        return Sums(
            {name: terms.grouped(group, n_groups) for name, terms in self.terms.items()},
            self.slates.grouped(group, n_groups),
            None if self.actions is None else self.actions.grouped(group, n_groups),
            None if self.places is None else self.places.grouped(group, n_groups),
            self.steps,
        )

    def modelled(self) -> dict[str, Terms]:
        """Terms with cross-fitted models: each group's was fitted on the groups of the other fold."""
        fixed = {}
        for name, terms in self.terms.items():
            if terms.gradient.shape[2]:
                moments = self.places if name in PLACE_MODEL else self.actions
                assert moments is not None
                terms = terms.with_model(moments.cross_fitted(1 if name in PLACE_MODEL else self.steps))
            fixed[name] = terms
        return fixed


def sums(
    decisions: Decisions,
    group: IntArray,
    n_groups: int,
    *,
    actions: ActionFeatures | None = None,
    places: ActionFeatures | None = None,
    slate_weight: Floats | None = None,
) -> Sums:
    """Add up all estimators that the log allows.

    Args:
        decisions: the log.
        group: (j,) of each session.
        n_groups: how many groups there are.
        actions: features of slates, for estimators with a model.
        places: features of places (d * k, f), for cascade-DR.
        slate_weight: (d,) from `pseudo_inverse_weights`.
    """
    single = len(decisions) == decisions.n_sessions
    found = _single(decisions, actions, places, slate_weight) if single else _sessions(decisions, actions)
    return Sums(
        {name: terms.grouped(group, n_groups) for name, terms in found.items()},
        slate_weights(decisions).grouped(group, n_groups),
        None if actions is None else Moments.of(decisions, actions, group, n_groups),
        None if places is None else Moments.of_places(decisions, places, group, n_groups),
        int(decisions.step.max()) + 1,
    )


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
