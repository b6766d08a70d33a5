"""Users whose state moves while a session runs: the seam of the variants that remember.

A model tells what users in a state think of the whole catalogue, and how a consumption moves the state. Ordinal link
and choice model are those of `personagym_agents.classical`, fitted on a later part of the training rows as a model of
the earlier part sees them when a session opens. Shapes: b users, m items, s numbers of a state.
"""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from personagym_agents.classical.calibration import CALIBRATION_SHARE
from personagym_agents.classical.choice import (
    ChoiceFeatures,
    ChoiceModel,
    fit_choice,
    fit_choice_features,
    sample_unseen,
)
from personagym_agents.classical.link import OrdinalLink, Spread, fit_link, fit_spread, logistic
from personagym_agents.classical.users import LARGEST_LOGIT, PairAnswers
from personagym_env.collaborative.rating_model import Opinion, at_pairs, user_blocks
from personagym_env.data.splits import temporal_split
from personagym_env.data.tables import FloatArray, IntArray, Interactions
from personagym_env.protocols import Reaction, UserFingerprint

FIT_VERSION = 1
"""Raised with every change of the fits that moves answers by more than rounding."""


class Standing(NamedTuple):
    """What users in a state think of every item."""

    opinion: Opinion
    choice: npt.NDArray[np.float32]
    """(b, m, f) what the choice model reads beside popularity, activity and the mean, whatever the rating."""


class EvolvingModel(Protocol):
    """A fitted model of users who change."""

    def begin(self, users: IntArray) -> FloatArray:
        """(b, s) the state in which users open a session."""

    def standing(self, users: IntArray, state: FloatArray) -> Standing:
        """What users in states (b, s) think of every item."""

    def after(self, users: IntArray, state: FloatArray, items: IntArray, ratings: FloatArray) -> FloatArray:
        """(b, s) the states after users consumed items (b,) and rated them (b,), in rating points."""


EvolvingFit = Callable[[Interactions], EvolvingModel]


@dataclass(frozen=True, eq=False, repr=False)
class EvolvingUsers:
    """Users of an `EvolvingModel`. Memory: 12 bytes per item and 8 per number of the state, for each open session."""

    name: str
    scale: tuple[float, ...]
    n_users: int
    n_items: int
    model: EvolvingModel
    spread: Spread
    features: ChoiceFeatures
    link: OrdinalLink
    choice: ChoiceModel
    fingerprint: UserFingerprint | None = None

    def __repr__(self) -> str:
        return f"EvolvingUsers({self.name!r}, {self.n_users} users, {self.n_items} items)"

    def answers(self, users: IntArray, state: FloatArray) -> PairAnswers:
        """What users in states (b, s) answer about every item."""
        read = _read(self.model.standing(users, state), users, self.spread, self.features)
        logit = self.choice.logit(read[..., 4:])
        return PairAnswers(
            self.link.location(read[..., 0]),
            self.link.steepness(read[..., 1:4]),
            np.clip(logit, -LARGEST_LOGIT, LARGEST_LOGIT),
        )

    def open(self, n: int) -> "EvolvingSessions":
        """See `UserAgent.open`."""
        if n < 1:
            raise ValueError(f"sessions to open must be at least 1, got {n}")
        return EvolvingSessions(self, n)


class EvolvingSessions:
    """Open sessions of `EvolvingUsers`; what a row's user thinks is worked out when it is asked after a change."""

    def __init__(self, agent: EvolvingUsers, n: int) -> None:
        self._agent = agent
        self._user = np.full(n, -1)
        self.state: FloatArray = np.zeros((n, agent.model.begin(np.zeros(1, np.int64)).shape[1]))
        """(n, s) where each row's user stands."""
        self._stale = np.ones(n, np.bool_)
        self._answers = PairAnswers(*(np.zeros((n, agent.n_items), np.float32) for _ in PairAnswers._fields))

    def start(self, rows: IntArray, users: IntArray) -> None:
        """See `UserSessions.start`.

        Raises:
            ValueError: a user does not exist.
        """
        _check("users", users, self._agent.n_users)
        self._user[rows] = users
        self.state[rows] = self._agent.model.begin(users)
        self._stale[rows] = True

    def react(self, rows: IntArray, slates: IntArray) -> Reaction:
        """See `UserSessions.react`.

        Raises:
            ValueError: a row has not been started, or an item does not exist.
        """
        self._started(rows)
        _check("slates", slates, self._agent.n_items)
        stale = np.asarray(rows)[self._stale[rows]]
        for block in user_blocks(stale, self._agent.n_items):
            fresh = self._agent.answers(self._user[block], self.state[block])
            for stored, part in zip(self._answers, fresh, strict=True):
                stored[block] = part
            self._stale[block] = False
        location, steepness, logit = (part[np.asarray(rows)[:, None], slates] for part in self._answers)
        return Reaction(logistic(logit), self._agent.link.distribution(location, steepness))

    def consume(self, rows: IntArray, items: IntArray, ratings: IntArray) -> None:
        """See `UserSessions.consume`.

        Raises:
            ValueError: a row has not been started, or an item or rating does not exist.
        """
        self._started(rows)
        _check("items", items, self._agent.n_items)
        _check("ratings", ratings, len(self._agent.scale))
        points = np.asarray(self._agent.scale)[ratings]
        self.state[rows] = self._agent.model.after(self._user[rows], self.state[rows], items, points)
        self._stale[rows] = True

    def _started(self, rows: IntArray) -> None:
        if len(rows) and self._user[rows].min() < 0:
            raise ValueError(f"rows {np.asarray(rows)[self._user[rows] < 0].tolist()} have not been started")


def _check(name: str, values: IntArray, limit: int) -> None:
    if values.size and not (values.min() >= 0 and values.max() < limit):
        raise ValueError(f"{name} must lie in 0..{limit - 1}, got {values.min()}..{values.max()}")


def _read(standing: Standing, users: IntArray, spread: Spread, features: ChoiceFeatures) -> FloatArray:
    """(b, m, 4 + 3 + f): the mean; three features of the spread; those of the choice."""
    opinion = standing.opinion
    parts = (opinion.mean[..., None], spread.features(users, opinion), features(users, opinion), standing.choice)
    return np.concatenate(parts, axis=-1)


def replayed(model: EvolvingModel, log: Interactions, state: FloatArray) -> FloatArray:
    """(u, s) states (u, s) of all users after they consumed the rows of a log, in its order."""
    people = np.argsort(-log.counts, kind="stable")
    for place in range(int(log.counts.max(initial=0))):
        active = people[: int((log.counts > place).sum())]
        rows = log.indptr[active] + place
        state[active] = model.after(active, state[active], log.items[rows], log.ratings[rows].astype(np.float64))
    return state


def fit_evolving(name: str, fit: EvolvingFit, train: Interactions, *, seed: int = 0, recipe: str = "") -> EvolvingUsers:
    """Users of a model, linked and calibrated on each user's last training rows.

    Args:
        name: for tables.
        fit: from rows to a model whose users know them.
        train: rows that the users may know.
        seed: draws the unseen items of the choice model.
        recipe: what else the fit depends on, for the fingerprint.

    Raises:
        ValueError: `train` is empty.
    """
    if not len(train):
        raise ValueError(f"{name} users need at least one training row, got an empty log")
    early, late = temporal_split(train, 1 - CALIBRATION_SHARE)
    model = fit(train)
    spread, features = _parts(model, train)
    judged, rows = (fit(early), late) if len(late) else (model, train)
    own = (spread, features) if judged is model else _parts(judged, early)
    unseen = sample_unseen(train, rows.users, np.random.default_rng(seed))

    def everything(users: IntArray) -> FloatArray:
        return _read(judged.standing(users, judged.begin(users)), users, *own)

    pairs = at_pairs(everything, np.tile(rows.users, 2), np.concatenate([rows.items, unseen]), rows.n_items)
    positive, negative = pairs[: len(rows)], pairs[len(rows) :]
    link = OrdinalLink(np.zeros(0, np.float32), 0.0, np.zeros(3, np.float32))
    if len(rows.scale) > 1:
        link = fit_link(positive[:, 0], positive[:, 1:4], rows.rating_index, len(rows.scale))
    known = train.fingerprint()
    weights = sha256(repr((name, FIT_VERSION, seed, recipe, known)).encode()).hexdigest()
    return EvolvingUsers(
        name,
        train.scale,
        train.n_users,
        train.n_items,
        model,
        spread,
        features,
        link,
        fit_choice(positive[:, 4:], negative[:, 4:]),
        UserFingerprint(known, weights),
    )


def _parts(model: EvolvingModel, log: Interactions) -> tuple[Spread, ChoiceFeatures]:
    means = at_pairs(
        lambda users: model.standing(users, model.begin(users)).opinion.mean, log.users, log.items, log.n_items
    )
    return fit_spread(log, means), fit_choice_features(log, None)
