"""What real behaviour can say of a recommender, and which simulated quantity each answer is to be compared with."""

from collections.abc import Callable, Mapping
from typing import Literal, Protocol, TypeVar, get_args

from personagym_env.data.tables import IntArray
from personagym_env.evaluation.core.statistics import RatioOfSums

TruthKind = Literal["rating", "choice", "joint", "shown", "full", "sessions"]
TRUTH_KINDS: tuple[TruthKind, ...] = get_args(TruthKind)
TRUTH_TITLES: Mapping[TruthKind, str] = {
    "rating": "how people rate what they chose",
    "choice": "what people go on to choose",
    "joint": "what people go on to choose, weighted by how they rate it",
    "shown": "how people rate what they were shown at random",
    "full": "how people who rated everything rate what they may be shown",
    "sessions": "sessions played by the real answers of people who rated everything",
}
"""What each kind of real value answers."""
OWN_FIGURES: Mapping[TruthKind, tuple[str, ...]] = {
    "rating": ("expected", "rating"),
    "choice": ("odds", "choice", "clicks"),
    "joint": ("odds_worth", "worth", "reward", "return"),
    "shown": ("shown", "shown_sampled"),
    "full": ("shown",),
    "sessions": (),
}
"""Simulated quantities that measure the same thing as a truth, the one of single answers first; length of a session and
retention have no truth but sessions played by real answers, where each quantity stands beside itself."""
LEAST_USERS = 30
"""Users whom a truth needs."""


class Truth(Protocol):
    """One way to know real value; judges of users and metrics are compared with it."""

    @property
    def name(self) -> str:
        """What tables call it."""

    @property
    def kind(self) -> TruthKind:
        """What it answers."""

    @property
    def description(self) -> str:
        """How it was measured, in one sentence."""

    @property
    def unit(self) -> str:
        """Of its values."""

    @property
    def users(self) -> IntArray:
        """(n,) who take part."""

    @property
    def left_out(self) -> int:
        """Users with held-out rows who do not take part, because they have too few."""

    @property
    def bounds(self) -> Mapping[str, RatioOfSums]:
        """Values that need no recommender, such as that of the best possible picks."""


def own_figures(kind: TruthKind, name: str) -> tuple[str, ...]:
    """Simulated quantities that a truth is comparable with; of sessions the one that the truth itself is."""
    return OWN_FIGURES[kind] or (name.rpartition(", ")[2],)


def check_users(truth: Truth) -> None:
    """Refuse a truth that says little.

    Raises:
        ValueError: it has fewer than `LEAST_USERS` users.
    """
    if len(truth.users) < LEAST_USERS:
        raise ValueError(
            f"{truth.name}: only {len(truth.users)} users have enough held-out rows ({truth.left_out} have too few), "
            f"and real value needs at least {LEAST_USERS}: hold out more, or lower `picks` and `least` where they are "
            "options"
        )


Known = TypeVar("Known", bound=Truth)


def known_truths(makes: Mapping[str, Callable[[], Known]], refused: dict[str, str]) -> tuple[Known, ...]:
    """The truths that a log can tell.

    Args:
        makes: name to what makes a truth, or raises a ValueError.
        refused: is told which ones cannot be made or have too few users, each with the reason.
    """
    found = []
    for name, make in makes.items():
        try:
            truth = make()
            check_users(truth)
        except ValueError as error:
            refused[name] = str(error)
        else:
            found.append(truth)
    return tuple(found)
