"""What is asked of logs about one policy: propensities, features and their expectations, for batches of decisions.

In logs of single decisions every situation is a user's opening, and every slate is one of few: there all is looked up
in tables. In sessions it is computed decision by decision.

Shapes: d decisions, u users, s slates, k places, f features.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import numpy as np

from personagym_benchmarks.off_policy.features import SlateFeatures
from personagym_env.data.tables import FloatArray, IntArray
from personagym_env.evaluation.off_policy.action_values import ActionFeatures
from personagym_env.evaluation.off_policy.decisions import Decisions, Floats
from personagym_env.evaluation.off_policy.estimators import Sums, sums
from personagym_env.evaluation.off_policy.from_log import decisions_of
from personagym_env.evaluation.off_policy.opening import OpeningTable
from personagym_env.evaluation.off_policy.pseudo_inverse import all_slates, pseudo_inverse_weights
from personagym_env.logs.decisions import LoggedDecisions
from personagym_env.protocols import Propensities
from personagym_recommenders.stochastic.options import ScoredOptions


class Question(NamedTuple):
    """A log with a policy, as all estimators read it."""

    decisions: Decisions
    actions: ActionFeatures
    places: ActionFeatures | None
    slate_weight: Floats | None

    def sums(self, group: IntArray, n_groups: int) -> Sums:
        """What estimators add up, by group (j,) of sessions."""
        return sums(
            self.decisions,
            group,
            n_groups,
            actions=self.actions,
            places=self.places,
            slate_weight=self.slate_weight,
        )

    def take(self, sessions: IntArray) -> "Question":
        """The log of some sessions, which may repeat."""
        whole = self.decisions
        length = whole.last[sessions] - whole.first[sessions] + 1
        begins = np.cumsum(length) - length
        rows = np.repeat(whole.first[sessions] - begins, length) + np.arange(length.sum())
        k = whole.logging.prefix.shape[1]
        by_place = (rows[:, None] * k + np.arange(k)).reshape(-1)
        return Question(
            replace(
                whole,
                session=np.repeat(np.arange(len(sessions)), length),
                reward=whole.reward[rows],
                place_reward=None if whole.place_reward is None else whole.place_reward[rows],
                logging=Propensities(*(part[rows] for part in whole.logging)),
                evaluation=Propensities(*(part[rows] for part in whole.evaluation)),
            ),
            ActionFeatures(self.actions.logged[rows], self.actions.expected[rows]),
            None
            if self.places is None
            else ActionFeatures(self.places.logged[by_place], self.places.expected[by_place]),
            None if self.slate_weight is None else self.slate_weight[rows],
        )


class Asker(Protocol):
    """Asks logs about one policy."""

    def ask(self, batch: LoggedDecisions) -> Question:
        """About the decisions of a batch."""


@dataclass(frozen=True, eq=False)
class SessionAsker:
    """Asks decision by decision."""

    policy: ScoredOptions
    features: SlateFeatures
    profiles: FloatArray
    history_length: int

    def ask(self, batch: LoggedDecisions) -> Question:
        """See `Asker`."""
        observation = batch.observation(self.profiles, self.history_length)
        logged = self.features.of_slates(observation, self.features.of_items(batch.user, batch.slate))
        seed = int(batch.episode[0]) * 64
        expected = self.features.expected(self.policy, observation, batch.slate.shape[1], seed)
        decisions = decisions_of(batch, self.policy, self.profiles, self.history_length)
        return Question(decisions, ActionFeatures(logged, expected), None, None)


class OpeningAsker:
    """Looks everything up: propensities, features, expectations and pseudo-inverse weights of opening slates.

    Args:
        policy: whose value is asked for.
        logging: whose slates the log holds.
        features: of slates and places.
        profiles: (u, f) of all users.
        k: places of a slate.
    """

    def __init__(
        self, policy: ScoredOptions, logging: ScoredOptions, features: SlateFeatures, profiles: FloatArray, k: int
    ) -> None:
        users = np.arange(len(profiles))
        self._slates = all_slates(logging.items_.shape[1], k)
        self._items = logging.items_
        self._codes = self._slates @ (logging.items_.shape[1] ** np.arange(k))
        self._order = np.argsort(self._codes)
        self._features, self._profiles = features, profiles
        self.table = OpeningTable.of(policy, profiles, logging.items_, self._slates)
        own = OpeningTable.of(policy, profiles, policy.items_, self._slates)
        shown = features.of_items(users, policy.items_)[:, self._slates]  # (u, s, k, r)
        self._expected = np.einsum("us,uskr->ukr", own.joint, shown)  # (u, k, r)
        ours = features.of_items(users, logging.items_)[:, self._slates]
        places = features.of_places(ours.reshape(-1, k, ours.shape[3])).reshape(*ours.shape[:3], -1)
        self._places, self._next = places, self.table.next_place(self._slates, places)
        logged = OpeningTable.of(logging, profiles, logging.items_, self._slates)
        self._slate_weight = pseudo_inverse_weights(self._slates, logged.joint, self.table.joint)

    def ask(self, batch: LoggedDecisions) -> Question:
        """See `Asker`."""
        observation = batch.observation(self._profiles, 1)
        user, slate = batch.user, self._which(batch)
        table = self.table
        prefix = table.prefix[user, slate]
        evaluation = Propensities(table.joint[user, slate], prefix, table.marginal[user, slate], np.zeros_like(prefix))
        logged = self._features.of_slates(observation, self._features.of_items(user, batch.slate))
        expected = self._features.of_slates(observation, self._expected[user])
        f = self._places.shape[3]
        return Question(
            Decisions(batch.session, batch.reward, batch.place_reward, batch.propensities, evaluation),
            ActionFeatures(logged, expected),
            ActionFeatures(self._places[user, slate].reshape(-1, f), self._next[user, slate].reshape(-1, f)),
            self._slate_weight[user, slate],
        )

    def _which(self, batch: LoggedDecisions) -> IntArray:
        """(d,) number of each logged slate among those of its user."""
        same = self._items[batch.user][:, None, :] == batch.slate[:, :, None]  # (d, k, p)
        code = same.argmax(axis=2) @ (self._items.shape[1] ** np.arange(batch.slate.shape[1]))
        return np.asarray(self._order[np.searchsorted(self._codes[self._order], code)])
