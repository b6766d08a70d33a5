"""A user as a mixture of personas, weighted by how likely each makes the user's latest answers: online Bayes.

Shapes: b rows, k places, P personas, u users, n latest answers.
"""

from collections.abc import Sequence

import numpy as np

from personagym_agents.delegating import DelegatingUsers
from personagym_env.data.tables import FloatArray, IntArray
from personagym_env.protocols import Reaction, UserAgent, UserFingerprint

LEAST = 1e-4
"""Chance that a persona gives every answer at least, so that no single answer rules one out."""


class PersonaMixture(DelegatingUsers):
    """Users who answer as their personas do, each by its weight.

    The weight of persona p is softmax_p(log prior_p + sum over the latest n answers of log P_p(answer)). It is told at
    the start of a session by the last answers of the training rows, and moves with every answer within it.

    Args:
        name: for tables.
        personas: (P,) populations of the same users, one for each persona.
        log_prior: (u, P)
        evidence: (u, n, P) log likelihood of each user's latest known answers, oldest first, 0 where there is none.
        fingerprint: what the users are.
        moving: whether answers move the weights; else they stay what the prior says.
    """

    def __init__(
        self,
        name: str,
        personas: Sequence[UserAgent],
        log_prior: FloatArray,
        evidence: FloatArray,
        fingerprint: UserFingerprint,
        *,
        moving: bool = True,
    ) -> None:
        self.name = name
        self.fingerprint = fingerprint
        self.personas = tuple(personas)
        self.users = personas[0]
        self.log_prior = log_prior
        self.evidence = evidence
        self.moving = moving

    def __repr__(self) -> str:
        return f"PersonaMixture({self.name!r}, {len(self.personas)} personas, {self.n_users} users)"

    def open(self, n: int) -> "MixtureSessions":
        """See `UserAgent.open`."""
        return MixtureSessions(self, n)


class MixtureSessions:
    """Open sessions of `PersonaMixture`."""

    def __init__(self, agent: PersonaMixture, n: int) -> None:
        self._agent = agent
        self._sessions = [persona.open(n) for persona in agent.personas]
        self._user = np.zeros(n, np.int64)
        self._latest = np.zeros((n, *agent.evidence.shape[1:]))

    def start(self, rows: IntArray, users: IntArray) -> None:
        """See `UserSessions.start`."""
        for sessions in self._sessions:
            sessions.start(rows, users)
        self._user[rows] = users
        self._latest[rows] = self._agent.evidence[users]

    def weights(self, rows: IntArray) -> FloatArray:
        """(b, P) how much each persona counts."""
        logs = self._agent.log_prior[self._user[rows]]
        if self._agent.moving:
            logs = logs + self._latest[rows].sum(axis=1)
        raised = np.exp(logs - logs.max(axis=1, keepdims=True))
        return np.asarray(raised / raised.sum(axis=1, keepdims=True))

    def react(self, rows: IntArray, slates: IntArray) -> Reaction:
        """See `UserSessions.react`; a persona that counts for nobody is not asked."""
        weights = self.weights(rows)
        choice = np.zeros(slates.shape)
        rating = np.zeros((*slates.shape, len(self._agent.scale)))
        for persona, sessions in enumerate(self._sessions):
            heard = np.flatnonzero(weights[:, persona] > 0)
            if len(heard):
                weight = weights[heard, persona, None]
                reaction = sessions.react(rows[heard], slates[heard])
                choice[heard] += weight * reaction.choice_probability
                rating[heard] += weight[..., None] * reaction.rating
        return Reaction(choice.astype(np.float32), rating.astype(np.float32))

    def consume(self, rows: IntArray, items: IntArray, ratings: IntArray) -> None:
        """See `UserSessions.consume`: personas are weighed by what they expected, then told."""
        if self._agent.moving and self._latest.shape[1]:
            said = [sessions.react(rows, items[:, None]).rating[:, 0] for sessions in self._sessions]
            chances = np.stack([one[np.arange(len(rows)), ratings] for one in said], axis=-1)
            newest = np.log(np.maximum(chances, LEAST))
            self._latest[rows] = np.concatenate([self._latest[rows, 1:], newest[:, None]], axis=1)
        for sessions in self._sessions:
            sessions.consume(rows, items, ratings)
