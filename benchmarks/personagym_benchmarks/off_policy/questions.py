"""What is asked of logs about a policy: propensities, features and their expectations, all looked up in tables.

Every policy of the study ranks few candidates, so the situations of a session and their slates can be listed.
Shapes: d decisions, j sessions, u users, p candidates, k places, t sets of candidates that were taken, f features of
slates.
"""

from dataclasses import dataclass, replace

import numpy as np

from personagym_benchmarks.off_policy.features import SlateFeatures
from personagym_env.data.tables import FloatArray, IntArray
from personagym_env.evaluation.core.offline import opening_observation
from personagym_env.evaluation.off_policy.action_values import ActionFeatures, Moments
from personagym_env.evaluation.off_policy.decisions import Decisions, Floats
from personagym_env.evaluation.off_policy.estimators import Sums
from personagym_env.evaluation.off_policy.pseudo_inverse import pseudo_inverse_weights
from personagym_env.evaluation.off_policy.situations import Situations, SlateTable
from personagym_env.logs.decisions import LoggedDecisions
from personagym_env.protocols import Propensities, rows_of
from personagym_recommenders.stochastic.options import ScoredOptions


@dataclass(frozen=True, eq=False, repr=False)
class LocatedLog:
    """A log with all that questions about it need and that depends on no evaluation policy."""

    log: LoggedDecisions
    taken: IntArray
    """(d,) number of the set of candidates that were taken before."""
    slate: IntArray
    """(d,) number of the slate."""
    session_features: Floats
    """(d, 7)"""
    logged: Floats
    """(d, f) features of the slates."""
    places: Floats | None
    """(d * k, k + k * r) features of the places, those of a slate together; None for logs of sessions."""

    def __repr__(self) -> str:
        return f"LocatedLog({self.log!r})"

    def sessions(self, chosen: IntArray) -> "LocatedLog":
        """The log of some sessions, rising."""
        rows, k = self.log.rows(chosen), self.log.slate.shape[1]
        by_place = (rows[:, None] * k + np.arange(k)).reshape(-1)
        return LocatedLog(
            self.log.episodes(chosen),
            self.taken[rows],
            self.slate[rows],
            self.session_features[rows],
            self.logged[rows],
            None if self.places is None else self.places[by_place],
        )

    def moments(self, group: IntArray, n_groups: int) -> Moments:
        """For the model of slates, by group (j,) of sessions; without next decisions, which a policy takes."""
        return Moments.of_rewards(
            self.logged, np.asarray(self.log.reward, np.float64), group[self.log.session], n_groups
        )

    def place_moments(self, group: IntArray, n_groups: int) -> Moments:
        """For the model of places, by group (j,) of sessions.

        Raises:
            ValueError: the log is one of sessions, or its rewards are not earned by places.
        """
        earned = self.log.place_reward
        if self.places is None or earned is None:
            raise ValueError("models of places need logs of single decisions, and rewards for what was taken alone")
        return Moments.of_places(earned, self.places, group[self.log.session], n_groups)


@dataclass(frozen=True, eq=False)
class Locator:
    """Finds logs in the tables."""

    situations: Situations
    features: SlateFeatures
    profiles: FloatArray
    """(u, 2 or more) of all users."""

    def locate(self, log: LoggedDecisions) -> LocatedLog:
        """A log of the logging policy, whose candidates the situations are of."""
        taken, slate = self.situations.locate(log)
        steps = int(self.situations.taken.sum(axis=1).max()) + 1
        session = self.features.of_sessions(log.observation(self.profiles, steps))
        items = self.features.of_items(log.user, log.slate)
        logged = np.concatenate([session, self.features.of_slates(items)], axis=1)
        places = None
        if steps == 1:
            places = self.features.of_places(items).reshape(len(log) * items.shape[1], -1)
        return LocatedLog(log, taken, slate, session, logged, places)


@dataclass(frozen=True, eq=False)
class Question:
    """A log with a policy, as all estimators read it."""

    decisions: Decisions
    actions: ActionFeatures
    places: ActionFeatures | None
    slate_weight: Floats | None

    def sums(self) -> Sums:
        """What estimators add up, by session."""
        return Sums.of(self.decisions, actions=self.actions, places=self.places, slate_weight=self.slate_weight)

    def predicted(self, fold: IntArray, actions: Floats, places: Floats | None) -> "Question":
        """With the predictions of models in place of their features: their coefficients are all 1.

        Args:
            fold: (j,) of each session.
            actions: (folds, f) coefficients.
            places: (folds, f') likewise, if there are places.
        """
        own = fold[self.decisions.session]
        told = None
        if self.places is not None and places is not None:
            told = _told(self.places, np.repeat(own, self.decisions.logging.prefix.shape[1]), places)
        return replace(self, actions=_told(self.actions, own, actions), places=told)


def _told(features: ActionFeatures, fold: IntArray, coefficients: Floats) -> ActionFeatures:
    rows = np.arange(len(fold))
    return ActionFeatures(
        *((part @ coefficients.T)[rows, fold][:, None] for part in (features.logged, features.expected))
    )


class Asker:
    """Asks logs about one policy.

    Args:
        policy: whose value is asked for.
        logging: propensities of the policy whose slates the logs hold.
        locator: finds the logs.
    """

    def __init__(self, policy: ScoredOptions, logging: SlateTable, locator: Locator) -> None:
        situations, features, profiles = logging.situations, locator.features, locator.profiles
        users, k = np.arange(len(profiles)), situations.slates.shape[1]
        own = situations
        if not np.array_equal(policy.items_, situations.items):
            own = replace(situations, items=policy.items_)
        self._situations = situations
        self.table = SlateTable.of(policy.joint, profiles, own)
        self._joint, sets = self.table.seen_from(situations)
        opinions = features.of_items(users, own.items)  # (u, p, r)
        expected = np.stack(
            [features.of_slates(self.table.at_places(t) @ opinions) for t in range(len(own.taken))], axis=1
        )
        self._expected = expected[users[:, None], sets]  # (u, t, 2 r)
        self._single = len(situations.taken) == 1
        if self._single:
            self._prefix, self._marginal = self._parts(policy, profiles)
            seen = SlateTable(situations, self._joint)
            self._next = seen.next_item(features.of_items(users, situations.items))  # (u, q, r)
            self._slate_weight = pseudo_inverse_weights(situations.slates, logging.joint, self._joint)
            self._places = features.of_places
            self._k = k

    def _parts(self, policy: ScoredOptions, profiles: FloatArray) -> tuple[Floats, Floats]:
        """(u, s, k) each: prefix and marginal propensities of the opening slates."""
        situations = self._situations
        if self.table.situations is situations:
            return self.table.opening_prefix(), self.table.opening_marginal()
        # Parts of a slate can be what the policy shows where the whole cannot.
        u, (s, k) = len(situations.items), situations.slates.shape
        observation = rows_of(opening_observation(np.arange(u), profiles, 1), np.repeat(np.arange(u), s))
        _, prefix, marginal, _ = policy.propensities(observation, situations.items[:, situations.slates].reshape(-1, k))
        return np.asarray(prefix, np.float64).reshape(u, s, k), np.asarray(marginal, np.float64).reshape(u, s, k)

    def ask(self, located: LocatedLog) -> Question:
        """What estimators read of a log."""
        log, user = located.log, located.log.user
        joint = self._joint[user, self._situations.column[located.taken, located.slate]]
        expected = np.concatenate([located.session_features, self._expected[user, located.taken]], axis=1)
        actions = ActionFeatures(located.logged, expected)
        if not self._single or located.places is None:
            unknown = np.full(log.slate.shape, np.nan)
            evaluation = Propensities(joint, unknown, unknown, unknown)
            decisions = Decisions(log.session, log.reward, None, log.propensities, evaluation)
            return Question(decisions, actions, None, None)
        prefix = self._prefix[user, located.slate]
        evaluation = Propensities(joint, prefix, self._marginal[user, located.slate], np.zeros_like(prefix))
        items = self._next[user[:, None], self._situations.opening[located.slate]]  # (d, k, r)
        places = ActionFeatures(located.places, self._places(items).reshape(len(located.places), -1))
        decisions = Decisions(log.session, log.reward, log.place_reward, log.propensities, evaluation)
        return Question(decisions, actions, places, self._slate_weight[user, located.slate])
