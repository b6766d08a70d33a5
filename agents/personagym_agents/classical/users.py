"""Classical users: a rating model, an ordinal link and a logistic choice model behind the `UserAgent` protocol.

They are the floors that every fidelity table prints, and the cheap users for quick reinforcement learning.
"""

from functools import partial
from hashlib import sha256
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from personagym_agents.classical.calibration import CalibratedUsers, FittedUsers, RatingFit, fit_users
from personagym_agents.classical.choice import ChoiceFeatures, ChoiceModel
from personagym_agents.classical.link import OrdinalLink, Spread, logistic
from personagym_agents.classical.stack import fit_stack
from personagym_agents.classical.trees import fit_trees
from personagym_env.collaborative.affinity import AffinityModel
from personagym_env.collaborative.doubly_robust import fit_doubly_robust
from personagym_env.collaborative.factors import FactorModel, FactorSettings, fit_factors
from personagym_env.collaborative.neighbours import NeighbourModel, fit_neighbours
from personagym_env.collaborative.propensity import inverse_weights
from personagym_env.collaborative.rating_model import RatingModel, user_blocks
from personagym_env.data.tables import Catalogue, FloatArray, IntArray, Interactions
from personagym_env.fit_cache.kept import kept
from personagym_env.protocols import Reaction, UserFingerprint
from personagym_env.workers import own_arrays

TABLE_CELLS = 2**23
"""Users x items up to which an agent keeps the answers of all pairs, at 12 bytes each: 96 MiB at most."""
FIT_VERSION = 2
STACK_VERSION = 4
"""Of all users but the stack, and of these; raised with every change of the fits that moves answers by more than
rounding."""
FACTOR_RANKS = {"bias": 0, "mf": FactorSettings().rank}
"""Users who can be fitted by propensities."""
LARGEST_LOGIT = 12.0
"""Keeps P(choice) inside (0, 1) in 32-bit floats."""


class PairAnswers(NamedTuple):
    """All that a reaction needs, for every item of the catalogue. Each is (b, m) float32."""

    location: npt.NDArray[np.float32]
    steepness: npt.NDArray[np.float32]
    choice_logit: npt.NDArray[np.float32]


class ClassicalUsers:
    """Users of a rating model; static within a session, so consuming changes nothing.

    Memory: with at most `table_cells` users x items, 12 bytes per pair, once, for any number of sessions (19 MB for
    ML-100K). Above that, 12 bytes per item and open session, filled in when a session starts. Where the link has a
    line, 4 bytes more, for what the line asks of a pair: worked out when the pair is first asked about.
    """

    def __init__(
        self,
        name: str,
        scale: tuple[float, ...],
        shape: tuple[int, int],
        fitted: FittedUsers,
        link: OrdinalLink,
        choice: ChoiceModel,
        *,
        table_cells: int = TABLE_CELLS,
        fingerprint: UserFingerprint | None = None,
    ) -> None:
        self.name = name
        self.fingerprint = fingerprint
        self.scale = scale
        self.n_users, self.n_items = shape
        self.link = link
        self.choice = choice
        self._fitted = fitted
        self._tilts = None if fitted.style is None else link.tilts(fitted.style)
        self.table: PairAnswers | None = None
        if self.n_users * self.n_items <= table_cells:
            blocks = [self.answers(users) for users in user_blocks(np.arange(self.n_users), self.n_items)]
            # In C order whatever the model's answers are in, since a look-up would copy a table in another.
            columns = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
            self.table = PairAnswers(*(np.ascontiguousarray(column) for column in columns))
        self.exponents = self.no_exponents(self.n_users) if self.table is not None else None

    def no_exponents(self, n: int) -> npt.NDArray[np.float32] | None:
        """(n, m) what a link with a line has found of so many users, which is nothing yet; None of other links."""
        return np.full((n, self.n_items), np.nan, np.float32) if len(self.link.line) else None

    def __repr__(self) -> str:
        return f"ClassicalUsers({self.name!r}, {self.n_users} users, {self.n_items} items)"

    def __setstate__(self, state: dict[str, Any]) -> None:
        """In another process too, what is found of pairs is kept."""
        vars(self).update(own_arrays(state))

    def answers(self, users: IntArray) -> PairAnswers:
        """What (b,) users think of every item."""
        opinion = self._fitted.model.predict(users)
        return PairAnswers(
            self.link.location(opinion.mean),
            self.link.steepness(self._fitted.spread.features(users, opinion)),
            np.clip(
                self.choice.logit(self._fitted.choice_features(users, opinion)),
                -LARGEST_LOGIT,
                LARGEST_LOGIT,
            ),
        )

    def tilt(self, users: IntArray, items: IntArray) -> npt.NDArray[np.float32] | None:
        """(b, k, r) what the styles of (b,) users and (b, k) items make of ratings; None where none are known."""
        if self._tilts is None:
            return None
        of_users, of_items = self._tilts
        return np.asarray(of_users[users][:, None] * of_items[items])

    def open(self, n: int) -> "ClassicalSessions":
        """See `UserAgent.open`."""
        if n < 1:
            raise ValueError(f"sessions to open must be at least 1, got {n}")
        return ClassicalSessions(self, n)


class ClassicalSessions:
    """Open sessions of `ClassicalUsers`."""

    def __init__(self, agent: ClassicalUsers, n: int) -> None:
        self._agent = agent
        self._n = n
        self._place = np.full(n, -1)  # where each session's answers stand in the table
        self._user = np.zeros(n, np.int64)
        if agent.table is None:
            self._answers = PairAnswers(*(np.zeros((n, agent.n_items), np.float32) for _ in PairAnswers._fields))
            self._exponents = agent.no_exponents(n)
        else:
            self._answers = agent.table
            self._exponents = agent.exponents

    def start(self, rows: IntArray, users: IntArray) -> None:
        """See `UserSessions.start`.

        Raises:
            ValueError: a row or user does not exist.
        """
        self._check("rows", rows, self._n)
        self._check("users", users, self._agent.n_users)
        self._user[rows] = users
        if self._agent.table is not None:
            self._place[rows] = users
            return
        self._place[rows] = rows
        if self._exponents is not None:
            self._exponents[rows] = np.nan
        n_items = self._agent.n_items
        for row_block, user_block in zip(user_blocks(rows, n_items), user_blocks(users, n_items), strict=True):
            for stored, fresh in zip(self._answers, self._agent.answers(user_block), strict=True):
                stored[row_block] = fresh

    def react(self, rows: IntArray, slates: IntArray) -> Reaction:
        """See `UserSessions.react`.

        Raises:
            ValueError: a row has not been started, or an item does not exist.
        """
        self._check("slates", slates, self._agent.n_items)
        pairs = self._started(rows)[:, None] * self._agent.n_items + slates
        location, steepness, choice_logit = (answers.take(pairs) for answers in self._answers)
        tilt = self._agent.tilt(self._user[rows], slates)
        exponent = None
        if self._exponents is not None:
            exponent = self._exponents.take(pairs)
            if (unknown := np.isnan(exponent)).any():
                own = None if tilt is None else tilt[unknown]
                exponent[unknown] = self._agent.link.exponent(location[unknown], steepness[unknown], own)
                self._exponents.put(pairs[unknown], exponent[unknown])
        return Reaction(
            choice_probability=logistic(choice_logit),
            rating=self._agent.link.distribution(location, steepness, tilt, exponent),
        )

    def consume(self, rows: IntArray, items: IntArray, ratings: IntArray) -> None:
        """Checks its arguments; see `UserSessions.consume`. Classical users do not change within a session.

        Raises:
            ValueError: a row has not been started, or an item or rating does not exist.
        """
        self._started(rows)
        self._check("items", items, self._agent.n_items)
        self._check("ratings", ratings, len(self._agent.scale))

    def _started(self, rows: IntArray) -> IntArray:
        self._check("rows", rows, self._n)
        place = self._place[rows]
        if len(place) and place.min() < 0:
            raise ValueError(f"rows {np.asarray(rows)[place < 0].tolist()} have not been started")
        return place

    @staticmethod
    def _check(name: str, values: IntArray, limit: int) -> None:
        if values.size and not (values.min() >= 0 and values.max() < limit):
            raise ValueError(f"{name} must lie in 0..{limit - 1}, got {values.min()}..{values.max()}")


def fit_rating_bias(log: Interactions) -> RatingModel:
    """User + item bias."""
    return fit_factors(log, FactorSettings(rank=0))


RATING_FITS: dict[str, RatingFit] = {
    "bias": fit_rating_bias,
    "mf": fit_factors,
    "knn": fit_neighbours,
    "trees": fit_trees,
    "stack": fit_stack,
}
"""Name to the function that fits the rating model of `fit_classical`."""
_READERS = ("trees", "stack")
"""Those whose fits read the catalogue too, and are not kept as a whole."""


def fit_classical(
    name: str,
    train: Interactions,
    *,
    catalogue: Catalogue | None = None,
    seed: int = 0,
    table_cells: int = TABLE_CELLS,
    propensities: FloatArray | None = None,
    doubly_robust: bool = False,
) -> ClassicalUsers:
    """Fit classical users to training rows.

    Link and choice model are fitted on each user's last rows inside `train`, as a model of the earlier rows predicts
    them, so that both know how wrong such a model is on rows that it has not seen; the model that answers is then
    fitted to all of `train`. Where no user has two rows, they are fitted on the rows that the model has seen.

    Args:
        name: "bias", "mf", "knn", "trees" or "stack".
        train: rows that the users may know.
        catalogue: of the log's items, which `trees` and `stack` read too; the others do without.
        seed: draws the unseen items.
        table_cells: users x items up to which all answers are kept in memory.
        propensities: (n,) chance of each training row to be in the log (see `collaborative.propensity`); ratings are
            then learned as if all had been observed alike, by inverse propensities. For "bias" and "mf".
        doubly_robust: whether propensities correct what is learned without them instead of weighing what is learned
            (see `collaborative.doubly_robust`); the link is fitted by inverse propensities either way.

    Raises:
        ValueError: the name is unknown or `train` is empty; or propensities do not fit.
    """
    if name not in RATING_FITS:
        raise ValueError(f"unknown classical users {name!r}; there are {', '.join(sorted(RATING_FITS))}")
    if not len(train):
        raise ValueError("classical users need at least one training row, got an empty log")
    if propensities is not None:
        return _fit_weighted(name, train, seed, table_cells, inverse_weights(propensities), doubly_robust)
    if doubly_robust:
        raise ValueError("a doubly robust fit needs propensities, got none")
    if name in _READERS:
        fit = partial(RATING_FITS[name], catalogue=catalogue)
        fitted = fit_users(fit, train, seed, with_affinity=True, with_style=name == "stack")
    else:
        fitted = _fit_named(name, train, seed)
    return ClassicalUsers(
        name,
        train.scale,
        (train.n_users, train.n_items),
        *fitted,
        table_cells=table_cells,
        fingerprint=fingerprint_of(name, train, catalogue, seed),
    )


def fit_users_of(
    name: str,
    fit: RatingFit,
    train: Interactions,
    *,
    told: object = (),
    seed: int = 0,
    table_cells: int = TABLE_CELLS,
) -> ClassicalUsers:
    """Users of any rating model, with link and choice model as `fit_classical` fits them.

    Args:
        name: of the users.
        fit: from a log to a rating model; one that is an `Affinity` too tells the choice model what it knows.
        train: rows that the users may know.
        told: what else decides the fit, in plain values, for the fingerprint.
        seed: draws the unseen items.
        table_cells: users x items up to which all answers are kept in memory.

    Raises:
        ValueError: `train` is empty.
    """
    if not len(train):
        raise ValueError(f"{name!r} users need at least one training row, got an empty log")
    recipe = sha256(repr((name, FIT_VERSION, seed, train.fingerprint(), told)).encode()).hexdigest()
    return ClassicalUsers(
        name,
        train.scale,
        (train.n_users, train.n_items),
        *fit_users(fit, train, seed, with_affinity=True),
        table_cells=table_cells,
        fingerprint=UserFingerprint(train.fingerprint(), recipe),
    )


def _fit_weighted(
    name: str, train: Interactions, seed: int, table_cells: int, weights: FloatArray, doubly_robust: bool
) -> ClassicalUsers:
    """Users whose rating model and link count rows by weights, or whose rating model is corrected by them."""
    if name not in FACTOR_RANKS:
        raise ValueError(f"propensities are for {' and '.join(FACTOR_RANKS)} users, got {name!r}")
    if weights.shape != (len(train),):
        raise ValueError(f"propensities must be {len(train)} numbers, one for each row, got {len(weights)}")
    settings = FactorSettings(rank=FACTOR_RANKS[name])

    def weigh(log: Interactions) -> FloatArray:
        found = weights[train.pairs.rows(log.users, log.items)]
        return np.asarray(found / found.mean())

    def fit(log: Interactions) -> RatingModel:
        if doubly_robust:
            return fit_doubly_robust(log, weigh(log), settings, seed=seed)
        return fit_factors(log, settings, weights=weigh(log))

    fitted = fit_users(fit, train, seed, with_affinity=name != "bias", weigh=weigh)
    told = f"{name}-{'dr' if doubly_robust else 'ips'}"
    recipe = sha256(_recipe(told, train, None, seed).encode() + weights.tobytes()).hexdigest()
    return ClassicalUsers(
        told,
        train.scale,
        (train.n_users, train.n_items),
        *fitted,
        table_cells=table_cells,
        fingerprint=UserFingerprint(train.fingerprint(), recipe),
    )


@kept(
    CalibratedUsers,
    FittedUsers,
    FactorModel,
    NeighbourModel,
    Spread,
    ChoiceFeatures,
    AffinityModel,
    OrdinalLink,
    ChoiceModel,
)
def _fit_named(name: str, train: Interactions, seed: int) -> CalibratedUsers:
    """Fit users whose rating model consists of arrays and numbers, so that it can be kept."""
    return fit_users(RATING_FITS[name], train, seed, with_affinity=name != "bias")


def fingerprint_of(name: str, train: Interactions, catalogue: Catalogue | None, seed: int = 0) -> UserFingerprint:
    """What users that `fit_classical` fits without propensities are known by, without a fit."""
    return UserFingerprint(train.fingerprint(), _recipe(name, train, catalogue, seed))


def _recipe(name: str, train: Interactions, catalogue: Catalogue | None, seed: int) -> str:
    """Hash of what the fit depends on: its own numbers differ in late digits from machine to machine."""
    read = None
    if catalogue is not None and name in _READERS:
        read = [catalogue.years.tolist(), catalogue.genres.tolist(), catalogue.titles]
    version = STACK_VERSION if name == "stack" else FIT_VERSION
    return sha256(repr((name, version, seed, train.fingerprint(), read)).encode()).hexdigest()
