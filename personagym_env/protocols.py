"""The seams between world, users and recommenders: batched first, numpy in and numpy out.

Shapes: n rows (users at once; one user is n = 1), k places of a slate, m items, r ratings of the scale.
"""

from typing import NamedTuple, NotRequired, Protocol, Self, TypedDict, runtime_checkable

from personagym_env.data.tables import BoolArray, Catalogue, FloatArray, IntArray, Interactions
from personagym_env.session.random import UIntArray

NO_ITEM = -1
"""Stands where a list of items has no item: an empty place of a slate, a step without consumption, padding."""
NO_GENRE = -1
"""Stands in a wish that names no genre."""
NO_WISH = (NO_GENRE, NO_GENRE, 0)
"""The instruction of a user who has said nothing."""


class Reaction(NamedTuple):
    """What users make of slates, before chance decides anything."""

    choice_probability: FloatArray
    """(n, k) probability in (0, 1) that the user would rather have the item now than skip it."""
    rating: FloatArray
    """(n, k, r) distribution over the rating scale, given that the user consumes the item; sums to 1 over r."""


class UserSessions(Protocol):
    """The open sessions of n users of one agent. Row i is one session; rows are independent of each other."""

    def start(self, rows: IntArray, users: IntArray) -> None:
        """Begin a fresh session of user `users[j]` in row `rows[j]`; forgets what the row held before.

        Args:
            rows: (b,) distinct rows in `0..n-1`.
            users: (b,) internal user ids.
        """

    def react(self, rows: IntArray, slates: IntArray) -> Reaction:
        """React to one slate per row; changes nothing, so asking twice gives the same answer.

        Args:
            rows: (b,) distinct rows that have been started.
            slates: (b, k) internal item ids, every one valid (no `NO_ITEM`); items may repeat.

        Returns:
            The reaction with leading axis b. An item's answer depends on its row's user and session alone,
            never on the other items of the slate or on the other rows.
        """

    def consume(self, rows: IntArray, items: IntArray, ratings: IntArray) -> None:
        """Tell the rows what their users consumed, so that later reactions can depend on it.

        Args:
            rows: (b,) distinct rows.
            items: (b,) internal item ids.
            ratings: (b,) index into the rating scale.
        """


@runtime_checkable
class ForgetfulSessions(UserSessions, Protocol):
    """Sessions whose memory has an end. Those who offer this are asked, and `info["dropped_lines"]` tells it."""

    @property
    def dropped_lines(self) -> IntArray:
        """(n,) lines of history that each row has forgotten since it was started, because its memory was full."""


@runtime_checkable
class UserAgent(Protocol):
    """A population of users. It decides nothing about clicks, patience or leaving; that is the world's part."""

    @property
    def name(self) -> str:
        """A short name for tables."""

    @property
    def scale(self) -> tuple[float, ...]:
        """(r,) the rating scale, ascending."""

    @property
    def n_users(self) -> int:
        """Users of the population."""

    @property
    def n_items(self) -> int:
        """Items of the catalogue that the agent knows."""

    def open(self, n: int) -> UserSessions:
        """Room for n sessions side by side; each row must be started before it is asked anything."""


@runtime_checkable
class SearchingAgent(UserAgent, Protocol):
    """Users who look for items of their own accord, whatever a recommender shows."""

    def search(self, users: IntArray, n: int, excluded: BoolArray) -> IntArray:
        """What users look at when they search.

        Args:
            users: (b,) internal user ids.
            n: items of each.
            excluded: (b, m) items that are not to be found.

        Returns:
            (b, n) distinct internal item ids, best first.

        Raises:
            ValueError: fewer than n items are left to a user.
        """


class UserFingerprint(NamedTuple):
    """What makes users answer as they do; two populations are the same exactly if it agrees."""

    rows: str
    """`Interactions.fingerprint` of the rows that they know."""
    weights: str
    """Hexadecimal hash of weights, tables and texts; or of how they were fitted to the rows, where the numbers
    themselves differ in late digits from machine to machine."""


@runtime_checkable
class FingerprintedAgent(UserAgent, Protocol):
    """Users who can tell what they are. Results of others have no benchmark hash."""

    @property
    def fingerprint(self) -> UserFingerprint | None:
        """None where they cannot tell after all."""


class Observation(TypedDict):
    """What a recommender or policy sees: the Dict observation of `PersonaRec-v0` with a leading axis n."""

    user: IntArray
    """(n,) internal user id."""
    profile: FloatArray
    """(n, f) the user's traits and taste, computed from training rows (see `personagym_env.data.traits`)."""
    history_items: IntArray
    """(n, h) items consumed in this episode, oldest first, `NO_ITEM` where none: earlier padding, or a step in
    which the user took nothing."""
    history_ratings: FloatArray
    """(n, h) the rating given for each of them, 0 where `history_items` is `NO_ITEM`."""
    step: IntArray
    """(n,) decisions taken so far in this episode, which is one session by default."""
    instruction: NotRequired[IntArray]
    """(n, 3) what the user last wished in this session: a genre that it wants, one that it does not want, `NO_GENRE`
    for none, and 1 for something newer, -1 for something older, 0 for neither. Only where `instructions` are on."""


def rows_of(observation: Observation, rows: IntArray | slice) -> Observation:
    """The same observation of some rows."""
    chosen = Observation(
        user=observation["user"][rows],
        profile=observation["profile"][rows],
        history_items=observation["history_items"][rows],
        history_ratings=observation["history_ratings"][rows],
        step=observation["step"][rows],
    )
    if "instruction" in observation:
        chosen["instruction"] = observation["instruction"][rows]
    return chosen


@runtime_checkable
class Recommender(Protocol):
    """A way to choose slates."""

    @property
    def name(self) -> str:
        """A short name for tables."""

    def fit(self, log: Interactions, catalogue: Catalogue) -> Self:
        """Learn from training rows; returns itself."""

    def recommend(self, observation: Observation, k: int, candidates: BoolArray | None = None) -> IntArray:
        """Choose a slate per row, best first.

        Args:
            observation: n rows.
            k: places of the slate.
            candidates: (n, m) which items may be shown; None means every item that the user has not consumed, neither
                in the training log nor in this episode.

        Returns:
            (n, k) distinct internal item ids in each row.

        Raises:
            ValueError: a row has fewer than k items to choose from.
        """


class Propensities(NamedTuple):
    """How probable it was that a recommender showed slates."""

    joint: FloatArray
    """(n,) probability of the slate: these items, in this order."""
    prefix: FloatArray
    """(n, k) probability that a slate begins with these items up to place j; the last column is `joint`."""
    marginal: FloatArray
    """(n, k) probability that the item of place j stands there, whatever stands at the other places."""
    marginal_error: FloatArray
    """(n, k) standard error of `marginal` where it was estimated by Monte Carlo, 0 where it was computed."""

    def __repr__(self) -> str:
        return f"Propensities({len(self.joint)} slates of {self.prefix.shape[1]})"


@runtime_checkable
class StochasticRecommender(Recommender, Protocol):
    """A recommender that draws its slates. `recommend` draws nothing and gives the slate that it takes for the best."""

    def draw(self, observation: Observation, k: int, keys: UIntArray, candidates: BoolArray | None = None) -> IntArray:
        """Draw a slate per row.

        Args:
            observation: n rows.
            k: places of the slate.
            keys: (n,) the luck of each row: the same row with the same key gets the same slate, in any batch.
            candidates: (n, m) as in `recommend`.

        Returns:
            (n, k) distinct internal item ids in each row, the most prominent place first.

        Raises:
            ValueError: a row has fewer than k items to choose from.
        """

    def propensities(
        self, observation: Observation, slates: IntArray, candidates: BoolArray | None = None
    ) -> Propensities:
        """How probable `draw` is to give slates.

        Args:
            observation: n rows.
            slates: (n, k) internal item ids; a slate that `draw` cannot give has joint propensity 0.
            candidates: (n, m) as in `recommend`.
        """


@runtime_checkable
class LoggingRecommender(StochasticRecommender, Protocol):
    """A stochastic recommender that draws slates and tells their propensities in one go, for less than both apart."""

    def draw_with_propensities(
        self, observation: Observation, k: int, keys: UIntArray
    ) -> tuple[IntArray, Propensities]:
        """What `draw` gives for the same arguments, and what `propensities` says of it."""
