"""`annotator`: users who say how satisfied a slate as a whole would leave them, as a reward to train recommenders by.

After UGRO (arXiv 2306.09821), where a simulated user annotates answers with satisfaction, without labels, and the
answering model is improved by that. Here the users are those of matrix factorisation, and the annotation is exact:
with P_j the chance that the item of place j is taken (`personagym_env.session.expectation`) and r_j its rating in 0..1,

    annotation = s + rate sum_j P_j (E r_j - s) + miss_rate (1 - sum_j P_j) (0 - s),

the satisfaction that the fitted world's session would have after the slate, which begins at s. The twin annotates the
chance of a click, which most recommenders are trained by. Left out: the annotations of single sentences by a large
language model, and the tuning of that model. `personagym_env.wrappers.AnnotatedReward` gives either to any learner.
"""

from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

import numpy as np

from personagym_agents.classical.users import ClassicalUsers, fit_classical
from personagym_agents.delegating import DelegatingUsers
from personagym_env.data.tables import Catalogue, Dataset, FloatArray, IntArray, Interactions
from personagym_env.protocols import UserFingerprint, UserSessions
from personagym_env.session.expectation import expect
from personagym_env.session.fitting.sessions import fit_sessions
from personagym_env.session.kernel import Dynamics, Place, initial
from personagym_env.session.parameters import SessionParameters

Quantity = Literal["satisfaction", "click"]


@dataclass(frozen=True, eq=False, repr=False)
class AnnotatingUsers(DelegatingUsers):
    """Users of matrix factorisation who annotate slates."""

    users: ClassicalUsers
    dynamics: Dynamics
    """Of the sessions that the training rows show."""
    quantity: Quantity

    def __repr__(self) -> str:
        return f"AnnotatingUsers({self.quantity!r}, {self.n_users} users, {self.n_items} items)"

    @property
    def name(self) -> str:
        """See `UserAgent.name`."""
        return "annotator" if self.quantity == "satisfaction" else "annotator of clicks"

    @property
    def fingerprint(self) -> UserFingerprint | None:
        """See `FingerprintedAgent.fingerprint`."""
        own = self.users.fingerprint
        return own and UserFingerprint(own.rows, sha256(f"{self.quantity} {own.weights}".encode()).hexdigest())

    def open(self, n: int) -> UserSessions:
        """See `UserAgent.open`."""
        return self.users.open(n)

    def annotate(self, users: IntArray, slates: IntArray) -> FloatArray:
        """(n,) what slates (n, k) of distinct new items bring users (n,) in expectation when a session opens."""
        rows = np.arange(len(users))
        sessions = self.open(len(rows))
        sessions.start(rows, users)
        nothing = np.zeros(len(rows), np.int64)
        state = initial(self.dynamics, nothing.astype(np.uint64), nothing, users)
        places = np.full(slates.shape, Place.SHOWN, np.int8)
        found = expect(
            sessions.react(rows, slates),
            slates,
            places,
            state.satisfaction,
            state.satiation,
            state.drift,
            self.dynamics,
        )
        return found.satisfaction if self.quantity == "satisfaction" else found.click


def fit_annotator(
    dataset: Dataset, train: Interactions, *, core: bool = True, seed: int = 0, device: str | None = None
) -> AnnotatingUsers:
    """Users who annotate satisfaction; with `core` off, clicks.

    Raises:
        ValueError: `train` is empty.
    """
    users = fit_classical("mf", train, seed=seed)
    return AnnotatingUsers(users, fitted_dynamics(train, dataset.catalogue), "satisfaction" if core else "click")


def fitted_dynamics(train: Interactions, catalogue: Catalogue) -> Dynamics:
    """Of sessions as the training rows show them."""
    parameters = fit_sessions(train, catalogue=catalogue).apply(SessionParameters())
    return Dynamics.of(parameters, catalogue, train.scale)
