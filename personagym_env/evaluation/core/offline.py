"""Ask a recommender for lists before any session has begun, and measure them against held-out items."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from personagym_env.data.splits import Split
from personagym_env.data.tables import BoolArray, FloatArray, IntArray, Interactions
from personagym_env.evaluation.core import metrics
from personagym_env.evaluation.core.statistics import RatioOfSums, Statistic
from personagym_env.protocols import NO_ITEM, Observation, Recommender

Progress = Callable[[int], None]
"""Called with the work done since the last call, in the unit that the caller of the function reads in its docs."""

USERS_PER_CALL = 1024
"""Users whom a recommender is asked about at once, so that (n, m) masks and scores stay small."""


def opening_observation(users: IntArray, profiles: FloatArray, history_length: int) -> Observation:
    """What a recommender sees of `users` (n,) at the first step of a session.

    Args:
        users: (n,) internal user ids.
        profiles: (u, f) profile features of all users.
        history_length: places h of the session history, all empty.
    """
    n = len(users)
    return Observation(
        user=users,
        profile=profiles[users],
        history_items=np.full((n, history_length), NO_ITEM, np.int64),
        history_ratings=np.zeros((n, history_length), np.float32),
        step=np.zeros(n, np.int64),
    )


def opening_scores(
    score: Callable[[Observation], FloatArray], profiles: FloatArray, history_length: int
) -> Callable[[IntArray, IntArray], FloatArray]:
    """What a recommender thinks of pairs before any session has begun.

    Args:
        score: of the recommender, from n users to (n, m).
        profiles: (u, f) profile features of all users.
        history_length: places of the (empty) session history.

    Returns:
        A function from users (n,) and items (n,) to (n,) scores.
    """

    def scores(users: IntArray, items: IntArray) -> FloatArray:
        found = np.empty(len(users))
        people, place = np.unique(users, return_inverse=True)
        for start in range(0, len(people), USERS_PER_CALL):
            block = people[start : start + USERS_PER_CALL]
            rows = np.flatnonzero((place >= start) & (place < start + len(block)))
            answer = score(opening_observation(block, profiles, history_length))
            found[rows] = answer[place[rows] - start, items[rows]]
        return found

    return scores


def opening_slates(
    recommender: Recommender,
    users: IntArray,
    profiles: FloatArray,
    k: int,
    *,
    history_length: int,
    candidates: Callable[[IntArray], BoolArray] | None = None,
    progress: Progress | None = None,
) -> IntArray:
    """The recommender's first slate for each user, (n, k).

    Args:
        recommender: a fitted recommender.
        users: (n,) internal user ids.
        profiles: (u, f) profile features of all users.
        k: places of the slate.
        history_length: places of the (empty) session history.
        candidates: gives the (b, m) allowed items of b users; every item that the user has not consumed by default.
        progress: told how many users were answered.

    Raises:
        ValueError: the recommender answers with another shape, with an item twice in a slate, or outside `candidates`.
    """
    slates = np.empty((len(users), k), np.int64)
    for start in range(0, len(users), USERS_PER_CALL):
        block = users[start : start + USERS_PER_CALL]
        allowed = None if candidates is None else candidates(block)
        answer = np.asarray(
            recommender.recommend(opening_observation(block, profiles, history_length), k, candidates=allowed)
        )
        check_answer(recommender.name, answer, (len(block), k), allowed)
        slates[start : start + len(block)] = answer
        if progress is not None:
            progress(len(block))
    return slates


def check_answer(name: str, answer: IntArray, shape: tuple[int, int], allowed: BoolArray | None = None) -> None:
    """Hold recommender `name` to its contract.

    Raises:
        ValueError: `answer` has another shape than (n, k), an item twice in a row, or an item outside `allowed` (n, m).
    """
    if answer.shape != shape:
        raise ValueError(f"recommender {name!r} was asked for slates of shape {shape} and gave {answer.shape}")
    if np.any(np.diff(np.sort(answer, axis=1), axis=1) == 0):
        raise ValueError(f"recommender {name!r} gave a slate that holds an item twice")
    if allowed is not None and not np.take_along_axis(allowed, answer, axis=1).all():
        raise ValueError(f"recommender {name!r} gave an item that was not among the candidates")


def listed_users(split: Split, k: int) -> IntArray:
    """(n,) users with held-out items and at least k items outside their training rows, which a list can be made of."""
    return np.flatnonzero((split.test.counts > 0) & (split.train.n_items - split.train.counts >= k))


def liked_from(log: Interactions) -> float:
    """The least rating of the scale that is no lower than the mean rating of the log: from here on, a sign of liking.

    Raises:
        ValueError: the log is empty.
    """
    if not len(log):
        raise ValueError("what counts as liked is read off the mean rating, and the log has no rows")
    scale, mean = np.asarray(log.scale), log.ratings.mean(dtype=np.float64)
    return float(scale[np.searchsorted(scale, mean - 1e-6)])


class TopLists(NamedTuple):
    """What a recommender puts first for every user whom a list can be made for."""

    users: IntArray
    """(n,) see `listed_users`."""
    slates: IntArray
    """(n, k) items, best first."""

    def of(self, users: IntArray) -> IntArray:
        """(b, k) the lists of some of the users, who are given in ascending order."""
        return np.asarray(self.slates[np.searchsorted(self.users, users)])


def top_lists(
    recommender: Recommender,
    split: Split,
    profiles: FloatArray,
    *,
    k: int = 10,
    history_length: int,
    candidates: Callable[[IntArray], BoolArray] | None = None,
    progress: Progress | None = None,
) -> TopLists:
    """The lists of a fitted recommender, before any session has begun; see `measure_offline`."""
    users = listed_users(split, k)
    return TopLists(
        users,
        opening_slates(
            recommender, users, profiles, k, history_length=history_length, candidates=candidates, progress=progress
        ),
    )


def measure_lists(lists: TopLists, split: Split) -> Mapping[str, Statistic]:
    """RecBole's ranking metrics of lists, over all listed users who have a relevant item.

    Args:
        lists: of users with held-out items.
        split: training rows, and those held-out rows that count as relevant.

    Returns:
        See `measure_offline`.
    """
    train, test = split
    relevant = test.counts[lists.users]
    users, slates, relevant = (column[relevant > 0] for column in (*lists, relevant))
    hits = metrics.find_hits(slates, users, test)
    item_counts = np.bincount(train.items, minlength=train.n_items)
    per_user = {
        "recall": metrics.recall(hits, relevant),
        "ndcg": metrics.ndcg(hits, relevant),
        "mrr": metrics.reciprocal_rank(hits),
        "hit": metrics.hit(hits),
        "novelty": metrics.novelty(slates, item_counts, train.n_users),
        "popularity": metrics.average_popularity(slates, item_counts),
    }
    means: dict[str, Statistic] = {
        name: RatioOfSums.of_users(users, values, test.n_users) for name, values in per_user.items()
    }
    return means | {"coverage": metrics.ItemCoverage.of_slates(slates, users, (test.n_users, test.n_items))}


def measure_offline(
    recommender: Recommender,
    split: Split,
    profiles: FloatArray,
    *,
    k: int = 10,
    history_length: int,
    candidates: Callable[[IntArray], BoolArray] | None = None,
    progress: Progress | None = None,
) -> Mapping[str, Statistic]:
    """RecBole's ranking metrics of a fitted recommender over all users with held-out items and room for a list.

    Users with fewer than k items outside their training rows are left out: no list can be made for them.

    Args:
        recommender: fitted on `split.train`, or on a part of it.
        split: training rows, and held-out rows, all of which count as relevant.
        profiles: (u, f) profile features of all users.
        k: length of the lists.
        history_length: places of the (empty) session history.
        candidates: see `opening_slates`; needed where the recommender was fitted on a part of `split.train`.
        progress: told how many users were answered.

    Returns:
        Name to statistic: recall, ndcg, mrr, hit, coverage, novelty (bits) and popularity (training ratings).
    """
    lists = top_lists(
        recommender,
        split,
        profiles,
        k=k,
        history_length=history_length,
        candidates=candidates,
        progress=progress,
    )
    return measure_lists(lists, split)
