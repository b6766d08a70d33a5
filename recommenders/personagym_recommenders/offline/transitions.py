"""A collected log as a learner reads it: minibatches of tensors, made of the log's columns when they are asked for.

Shapes: b decisions of a batch, d decisions of the log, k places, p candidates, s numbers of a situation, f of an item.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from personagym_env.data.tables import FloatArray, IntArray
from personagym_env.logs.decisions import LoggedDecisions
from personagym_env.logs.sessions import LoggedSessions
from personagym_env.protocols import Observation, rows_of
from personagym_recommenders.models.candidates import CandidateFeatures
from personagym_recommenders.offline.session_features import session_features


class Situation(NamedTuple):
    """Where a recommender stands, and what it may show."""

    state: Tensor
    """(b, s)"""
    items: Tensor
    """(b, p, f) candidates."""
    allowed: Tensor
    """(b, p) which of them the session has not consumed."""


class Batch(NamedTuple):
    """Decisions and what followed."""

    now: Situation
    shown: Tensor
    """(b, k, f) the slates."""
    showed: Tensor
    """(b, p) which candidates stood in the slate."""
    place: Tensor
    """(b,) the place taken, -1 for nothing."""
    reward: Tensor
    """(b,)"""
    goes_on: Tensor
    """(b,) 0 where the user left for good, else 1: what a truncated episode would have brought counts."""
    later: Situation


class Transitions:
    """The decisions of a log.

    Args:
        log: of slates that all have k places.
        profiles: (u, f) profile features, from the rows that `features` were fitted on.
        features: fitted.

    Raises:
        ValueError: the log is empty, is wrong in itself, or has other users or items than the features.
    """

    def __init__(self, log: LoggedSessions, profiles: FloatArray, features: CandidateFeatures) -> None:
        header, known = log.header, features.seen_.shape
        if (header.n_users, header.n_items) != known:
            raise ValueError(
                f"the log has {header.n_users} users and {header.n_items} items, the training rows {known[0]} and "
                f"{known[1]}"
            )
        if not len(log):
            raise ValueError("there is nothing to learn from a log without decisions")
        self.features, self.top_rating, self.places = features, header.scale[-1], header.slate_size
        decisions = log.read()
        self._now = decisions.observation(profiles, header.history_length)
        self._later = decisions.next_observation(profiles, header.history_length)
        self._decisions: LoggedDecisions = decisions
        self._opinions = features.opinions_of(decisions.user, decisions.slate, profiles)  # (d, k, r)

    def __len__(self) -> int:
        return len(self._decisions)

    @property
    def widths(self) -> tuple[int, int]:
        """Numbers s of a situation and f of an item."""
        first = self.batch(np.zeros(1, np.int64))
        return first.now.state.shape[1], first.shown.shape[2]

    def batch(self, rows: IntArray) -> Batch:
        """The decisions of some rows (b,)."""
        log, slates = self._decisions, self._decisions.slate[rows]
        observation = rows_of(self._now, rows)
        now, candidates = self._situation(observation)
        shown = self.features.with_session(observation, slates, self._opinions[rows])
        return Batch(
            now=now,
            shown=torch.from_numpy(shown),
            showed=torch.from_numpy((candidates[:, :, None] == slates[:, None, :]).any(axis=2)),
            place=torch.from_numpy(log.click_place[rows]),
            reward=torch.from_numpy(log.reward[rows].astype(np.float32)),
            goes_on=torch.from_numpy(1 - log.terminated[rows].astype(np.float32)),
            later=self._situation(rows_of(self._later, rows))[0],
        )

    def _situation(self, observation: Observation) -> tuple[Situation, IntArray]:
        """With the candidates' item ids (b, p)."""
        found = self.features.of(observation)
        state = session_features(observation, self.features.genre_share_, self.top_rating, self.features.forgetting)
        tensors = (torch.from_numpy(part) for part in (state, found.features, found.allowed))
        return Situation(*tensors), found.items
