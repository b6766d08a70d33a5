"""`satisfaction`: whether users stay, read by a small head from encodings of sessions that were learned without labels.

After Contrastive satisfaction prediction (arXiv 2010.11230). An encoder reads the session so far (genres, popularity,
rating and surprise of each item) and learns to find what came next in the session among what came next in others
(`personagym_agents.variants.session_encoder`). A ridge logistic regression on the encoding and
`log(1 + position)` then says whether the session goes on,

    P(stay) = logistic(w . encoding + v log(1 + position) + c),

from as few labels as there are: label is whether a row ends its session (a pause of 30 minutes), the only sign of
dissatisfaction that a log of ratings has. Ratings and choices are those of matrix factorisation: what they lack is the
law of leaving, which the kernel otherwise fits as a hazard of satisfaction and duration. The twin has the encoder as it
was drawn. Left out: utterances, and satisfaction that people were asked for.
"""

from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

import numpy as np

from personagym_agents.classical.users import ClassicalSessions, ClassicalUsers, fit_classical
from personagym_agents.delegating import DelegatingUsers
from personagym_agents.variants.session_encoder import (
    EncoderSettings,
    EventFeatures,
    Floats,
    SessionEncoder,
    event_features,
    train_encoder,
    windows,
)
from personagym_env.data.tables import BoolArray, Dataset, FloatArray, IntArray, Interactions
from personagym_env.protocols import Reaction, UserFingerprint
from personagym_env.session.cuts import SessionCuts, cut_sessions

FIT_VERSION = 1
"""Raised with every change of the fit that moves answers by more than rounding."""
LABELS = 1_000
"""Rows whose ends of sessions the head of named users has seen, drawn at random."""
_RIDGE = 10.0


@dataclass(frozen=True, eq=False)
class StayingHead:
    """P(stay) = logistic(intercept + weights . features)."""

    intercept: float
    weights: FloatArray
    """(d + 1,) of the encoding and of `log(1 + position)`."""

    def staying(self, features: FloatArray) -> FloatArray:
        """(n,) chance that sessions with features (n, d + 1) go on."""
        return np.asarray(1 / (1 + np.exp(-(self.intercept + features @ self.weights))))


def fit_head(features: FloatArray, stayed: BoolArray) -> StayingHead:
    """Ridge logistic regression on standardised features; the share of those who stayed where all rows agree."""
    share = (stayed.sum() + 0.5) / (len(stayed) + 1)
    if stayed.all() or not stayed.any():
        return StayingHead(float(np.log(share / (1 - share))), np.zeros(features.shape[1]))
    # Here, because users who are only asked do without.
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    scaler: Any = StandardScaler()  # type: ignore[no-untyped-call]
    model: Any = LogisticRegression(C=1 / _RIDGE, max_iter=1000)  # type: ignore[no-untyped-call]
    model.fit(scaler.fit_transform(features.astype(np.float64)), stayed)
    weights = model.coef_[0] / scaler.scale_
    return StayingHead(float(model.intercept_[0] - weights @ scaler.mean_), weights)


@dataclass(frozen=True, eq=False)
class SessionFeatures:
    """What a head reads."""

    events: EventFeatures
    encoder: SessionEncoder

    def of_window(self, window: Floats, position: IntArray) -> FloatArray:
        """(n, d + 1) of windows (n, L, f) that end at positions (n,) of their sessions."""
        return np.column_stack([self.encoder.encode(window), np.log1p(position)])

    def of_log(self, log: Interactions, sessions: SessionCuts, rows: IntArray) -> FloatArray:
        """(r, d + 1) after rows (r,) of a log of the same users and items."""
        events = self.events.of(log.users, log.items, log.ratings)
        window = windows(events, sessions, rows, self.encoder.settings.window)
        return self.of_window(window, sessions.position[rows])


def learn_features(
    train: Interactions, dataset: Dataset, *, core: bool = True, seed: int = 0, settings: EncoderSettings | None = None
) -> SessionFeatures:
    """Features of sessions, learned from training rows without their ends; with `core` off, not learned."""
    chosen = settings or EncoderSettings()
    chosen = chosen if core else replace(chosen, steps=0)
    events = event_features(train, dataset.catalogue)
    told = events.of(train.users, train.items, train.ratings)
    return SessionFeatures(events, train_encoder(told, cut_sessions(train), chosen, seed=seed))


@dataclass(frozen=True, eq=False, repr=False)
class StayingUsers(DelegatingUsers):
    """Users of matrix factorisation whose sessions know whether they would stay."""

    name: str
    users: ClassicalUsers
    features: SessionFeatures
    head: StayingHead
    fingerprint: UserFingerprint

    def __repr__(self) -> str:
        return f"StayingUsers({self.name!r}, {self.n_users} users, {self.n_items} items)"

    def open(self, n: int) -> "StayingSessions":
        """See `UserAgent.open`."""
        return StayingSessions(self, n)


class StayingSessions:
    """Open sessions of `StayingUsers`, which remember what was consumed in them."""

    def __init__(self, agent: StayingUsers, n: int) -> None:
        self._agent, self._sessions = agent, ClassicalSessions(agent.users, n)
        self._user = np.zeros(n, np.int64)
        width = agent.features.events.items.shape[1] + 3
        self._window = np.zeros((n, agent.features.encoder.settings.window, width), np.float32)
        self._position = np.zeros(n, np.int64)

    def start(self, rows: IntArray, users: IntArray) -> None:
        """See `UserSessions.start`."""
        self._sessions.start(rows, users)
        self._user[rows], self._window[rows], self._position[rows] = users, 0, 0

    def react(self, rows: IntArray, slates: IntArray) -> Reaction:
        """See `UserSessions.react`."""
        return self._sessions.react(rows, slates)

    def consume(self, rows: IntArray, items: IntArray, ratings: IntArray) -> None:
        """See `UserSessions.consume`."""
        self._sessions.consume(rows, items, ratings)
        told = self._agent.features.events.of(self._user[rows], items, np.asarray(self._agent.scale)[ratings])
        self._window[rows] = np.concatenate([self._window[rows, 1:], told[:, None]], axis=1)
        self._position[rows] += 1

    def staying(self, rows: IntArray) -> FloatArray:
        """(b,) chance that users of rows who consumed something go on after it."""
        features = self._agent.features.of_window(self._window[rows], self._position[rows])
        return self._agent.head.staying(features)


def fit_satisfaction(
    dataset: Dataset,
    train: Interactions,
    *,
    core: bool = True,
    seed: int = 0,
    device: str | None = None,
    settings: EncoderSettings | None = None,
) -> StayingUsers:
    """Users who know whether they would stay; with `core` off, by an encoder that has learned nothing.

    Raises:
        ValueError: `train` is empty or has no timestamps.
    """
    if train.timestamps is None or not len(train):
        raise ValueError("satisfaction users need training rows with timestamps, by which sessions end")
    features = learn_features(train, dataset, core=core, seed=seed, settings=settings)
    sessions = cut_sessions(train)
    known = np.flatnonzero(sessions.telling if sessions.telling.any() else ~sessions.censored)
    labelled = np.random.default_rng(seed).permutation(known)[:LABELS]
    head = fit_head(features.of_log(train, sessions, labelled), ~sessions.last[labelled])
    name = "satisfaction" if core else "satisfaction, unlearned"
    recipe = (name, FIT_VERSION, seed, features.encoder.settings, train.fingerprint())
    weights = sha256(repr(recipe).encode()).hexdigest()
    users = fit_classical("mf", train, seed=seed)
    return StayingUsers(name, users, features, head, UserFingerprint(train.fingerprint(), weights))
