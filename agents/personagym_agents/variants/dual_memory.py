"""`dual-memory`: users and items both remember, and both revise what they remember when a choice goes wrong.

After AgentCF (Zhang et al., WWW 2024): for every interaction the user chooses between the item that was taken and one
drawn by popularity. Where the choice is wrong, the memories of the user and of both items are revised; where it is
right, they are reinforced. There memories are texts that a chat model rewrites
(`personagym_agents.variants.dual_memory_text`); here they are vectors, and a revision is a step of a perceptron
(Rosenblatt 1958) on both sides: with u, p and n the memories of user, taken item and other item, and s the step,

    u += s (p - n),  p += s u,  n -= s u;   s = `revise` where u . p <= u . n, else `reinforce`.

An item's memory begins with its genres and some numbers at random, a user's with nothing. The twin learns of agreement
alone: `revise` is 0, and `reinforce` what `revise` was. Memories choose; ratings are those of user and item means, of
which AgentCF says nothing. In a session the other item is the catalogue's mean by popularity, so that no chance enters,
and items, which all sessions share, stay as they are.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from personagym_agents.variants.evolving import EvolvingUsers, Standing, fit_evolving
from personagym_env.collaborative.factors import FactorModel, FactorSettings, fit_factors
from personagym_env.data.tables import Catalogue, Dataset, FloatArray, IntArray, Interactions

CHUNK = 64
"""Users who choose at the same time; what they revise is added up."""
_REDRAWS = 10
"""Times that a negative which its user has a row for is drawn again."""


@dataclass(frozen=True)
class MemorySettings:
    """How memories are formed."""

    extra: int = 16
    """Numbers of a memory beside one for each genre."""
    start: float = 0.1
    """Standard deviation of an item's extra numbers at first."""
    revise: float = 0.05
    """Step after a wrong choice."""
    reinforce: float = 0.005
    """Step after a right one."""
    length: float = 3.0
    """Longest that a memory can be, as a text has a limit: a longer one is scaled down to it."""
    passes: int = 12
    """Times that the log is lived through."""

    def agreeing(self) -> "MemorySettings":
        """Those of the twin."""
        return MemorySettings(self.extra, self.start, 0.0, self.revise, self.length, self.passes)


@dataclass(frozen=True, eq=False)
class Memories:
    """What users and items remember after a log. d: numbers of a memory."""

    users: FloatArray
    """(u, d)"""
    items: FloatArray
    """(m, d)"""
    other: FloatArray
    """(d,) the mean item by popularity."""
    settings: MemorySettings
    ratings: FactorModel
    """User and item means."""

    def begin(self, users: IntArray) -> FloatArray:
        """See `EvolvingModel.begin`: a state is a user's memory (d,)."""
        return self.users[users]

    def standing(self, users: IntArray, state: FloatArray) -> Standing:
        """See `EvolvingModel.standing`."""
        return Standing(self.ratings.predict(users), self.scores(state)[..., None])

    def scores(self, state: FloatArray) -> npt.NDArray[np.float32]:
        """(b, m) how much each item agrees with memories (b, d), over the other item."""
        return np.asarray(state @ (self.items - self.other).T, np.float32)

    def after(self, users: IntArray, state: FloatArray, items: IntArray, ratings: FloatArray) -> FloatArray:
        """See `EvolvingModel.after`."""
        gap = self.items[items] - self.other
        wrong = (state * gap).sum(axis=1) <= 0
        step = np.where(wrong, self.settings.revise, self.settings.reinforce)
        return _within(state + step[:, None] * gap, self.settings.length)


def form_memories(
    log: Interactions, catalogue: Catalogue, settings: MemorySettings | None = None, *, seed: int = 0
) -> Memories:
    """Live through a log, each user's rows in their order.

    Args:
        log: training rows.
        catalogue: for the genres that items begin with.
        settings: the defaults if None.
        seed: of the numbers that items begin with, and of the negatives.
    """
    chosen, rng = settings or MemorySettings(), np.random.default_rng(seed)
    genres = catalogue.genre_shares / np.maximum(np.linalg.norm(catalogue.genre_shares, axis=1, keepdims=True), 1e-9)
    items = np.concatenate([genres, rng.normal(0, chosen.start, (log.n_items, chosen.extra))], axis=1)
    users = np.zeros((log.n_users, items.shape[1]))
    popularity = np.bincount(log.items, minlength=log.n_items) / len(log)
    edges = np.cumsum(popularity)
    order = np.lexsort((rng.random(len(log)), log.rank_in_user))  # all first rows, then all second ones, ...
    turn = log.rank_in_user[order]
    for _ in range(chosen.passes):
        negatives = _draw_negatives(log, edges, rng)
        for begin, end in _chunks(turn):
            rows = order[begin:end]
            _choose_and_revise(users, items, log.users[rows], log.items[rows], negatives[rows], chosen, rng)
    return Memories(users, items, popularity @ items, chosen, fit_factors(log, FactorSettings(rank=0)))


def _draw_negatives(log: Interactions, edges: FloatArray, rng: np.random.Generator) -> IntArray:
    """(n,) for each row an item drawn by popularity that its user has no row for, if one is found."""
    found = np.minimum(np.searchsorted(edges, rng.random(len(log)), side="right"), log.n_items - 1)
    for _ in range(_REDRAWS):
        again = np.flatnonzero(log.contains(log.users, found))
        drawn = np.searchsorted(edges, rng.random(len(again)), side="right")
        found[again] = np.minimum(drawn, log.n_items - 1)
    return np.asarray(found)


def _chunks(turn: IntArray) -> list[tuple[int, int]]:
    """Stretches of rows of one turn, in which every user stands once at most."""
    starts = np.flatnonzero(np.diff(turn, prepend=-1))
    ends = np.append(starts[1:], len(turn))
    return [
        (begin, min(begin + CHUNK, int(end)))
        for start, end in zip(starts, ends, strict=True)
        for begin in range(int(start), int(end), CHUNK)
    ]


def _choose_and_revise(
    users: FloatArray,
    items: FloatArray,
    who: IntArray,
    taken: IntArray,
    others: IntArray,
    settings: MemorySettings,
    rng: np.random.Generator,
) -> None:
    """One choice of distinct users (b,), and what it does to the memories, in place."""
    memory = users[who]
    gap = items[taken] - items[others]
    margin = (memory * gap).sum(axis=1)
    wrong = np.where(margin == 0, rng.random(len(who)) < 0.5, margin < 0)  # who knows nothing guesses
    step = np.where(wrong, settings.revise, settings.reinforce)[:, None]
    users[who] = _within(memory + step * gap, settings.length)
    np.add.at(items, taken, step * memory)
    np.add.at(items, others, -step * memory)
    revised = np.unique(np.concatenate([taken, others]))
    items[revised] = _within(items[revised], settings.length)


def _within(memories: FloatArray, length: float) -> FloatArray:
    """Memories (b, d), none longer than that."""
    own = np.linalg.norm(memories, axis=1, keepdims=True)
    return np.asarray(memories * np.minimum(1.0, length / np.maximum(own, 1e-9)))


def fit_dual_memory(
    dataset: Dataset, train: Interactions, *, core: bool = True, seed: int = 0, device: str | None = None
) -> EvolvingUsers:
    """Users and items that learn from disagreement; with `core` off, from agreement alone.

    Raises:
        ValueError: `train` is empty.
    """
    settings = MemorySettings() if core else MemorySettings().agreeing()
    return fit_evolving(
        "dual-memory" if core else "dual-memory, agreeing",
        lambda log: form_memories(log, dataset.catalogue, settings, seed=seed),
        train,
        seed=seed,
        recipe=repr(settings),
    )
