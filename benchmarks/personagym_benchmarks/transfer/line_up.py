"""Do users put recommenders in the order that real people do, on a log that their base has not read?

The engine is that of the agreement study. Recommenders that fit in seconds know one half of each user's training rows;
users know both halves, so that the very populations that answer elsewhere judge here too.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from personagym_benchmarks.transfer.asking import Asked, Asker
from personagym_benchmarks.transfer.board import LineUp
from personagym_benchmarks.transfer.questions import Figures, Questions
from personagym_env.data.splits import Split
from personagym_env.data.tables import FloatArray, IntArray
from personagym_env.data.traits import profile_features, user_traits
from personagym_env.env import HISTORY_LENGTH
from personagym_env.evaluation.core.closed_pool import ClosedPool
from personagym_env.evaluation.core.data_overlap import deal_rows
from personagym_env.evaluation.core.offline import liked_from
from personagym_env.evaluation.core.statistics import RatioOfSums, kendall_tau, stack
from personagym_env.evaluation.fidelity.fidelity_test import Answers
from personagym_recommenders import RecommenderContext, available, make_contestants

LEAST_RECOMMENDERS = 16
MOST_ITEMS = 20_000
"""Items of a catalogue up to which recommenders that compare all pairs of items fit in minutes."""
LEAST_USERS = 30
"""Users whose held-out items are enough for the picks; where there are fewer, fewer items are picked."""
PICKS = (5, 3, 2)


class OrderAgreement:
    """Kendall's tau of what a judge says of recommenders with what real people say; a `Statistic`.

    Args:
        said: what the judge says of each recommender.
        real: the mean real rating of its picks.
    """

    def __init__(self, said: Sequence[RatioOfSums], real: Sequence[RatioOfSums]) -> None:
        self._said, self._real = said, real

    def resampled(self, weights: FloatArray) -> FloatArray:
        """(b,) see `Statistic`."""
        return kendall_tau(stack(self._said, weights), stack(self._real, weights))


def choose_pool(questions: Questions) -> ClosedPool:
    """The pool of those with twice as many held-out items as are picked.

    Raises:
        ValueError: the catalogue is too large for the recommenders, or too few users have held-out items enough for
            any number of picks.
    """
    if questions.log.n_items > MOST_ITEMS:
        raise ValueError(f"recommenders of {questions.log.n_items:,} items take hours; up to {MOST_ITEMS:,} take part")
    pools = [ClosedPool(questions.test.split.test, k, 2 * k) for k in PICKS]
    found = next((pool for pool in pools if len(pool.users) >= LEAST_USERS), None)
    if found is None:
        raise ValueError(
            f"{len(pools[-1].users)} of the users who are asked have {pools[-1].least} held-out items, and "
            f"{LEAST_USERS} are needed to tell recommenders apart"
        )
    return found


def pick_all(
    asker: Asker, pool: ClosedPool, split: Split, rng: np.random.Generator
) -> tuple[dict[str, IntArray], dict[str, str]]:
    """What each recommender picks, (n, k), by name; and why others are left out.

    Raises:
        ValueError: the training rows cannot be halved, or fewer than `LEAST_RECOMMENDERS` take part.
    """
    log, dataset, context = deal_rows(split.train, "alternate", rng).recommenders, asker.dataset, asker.context
    surroundings = RecommenderContext(liked_from(log))
    chosen, left_out = available(log, dataset.catalogue, surroundings, slow=False, online=False)
    names = [name for name, spec in chosen.items() if "RecBole" not in spec.needs]
    profiles = profile_features(user_traits(log, dataset.catalogue))
    picks = {}
    for name, _, recommender in make_contestants(names, surroundings):
        with context.bar(f"{dataset.name}, line-up: {name}", None):
            try:
                recommender.fit(log, dataset.catalogue)
            except ValueError as error:  # such as one that needs more memory than there is
                left_out[name] = str(error)
                continue
            picks[name] = pool.picks(recommender, profiles, history_length=HISTORY_LENGTH)
    if len(picks) < LEAST_RECOMMENDERS:
        raise ValueError(f"{LEAST_RECOMMENDERS} recommenders are needed, and {len(picks)} can take part: {left_out}")
    return picks, left_out


def judge_all(
    asker: Asker, questions: Questions, split: Split, asked: Sequence[Asked], rng: np.random.Generator
) -> tuple[LineUp | None, Mapping[str, Figures]]:
    """Who was judged, and by population that expects ratings its agreement, called `tau`.

    Raises:
        ValueError: see `choose_pool` and `pick_all`.
    """
    pool = choose_pool(questions)
    picks, _ = pick_all(asker, pool, split, rng)
    told = ClosedPool(questions.log, pool.k, pool.least)  # the same rows, of users by their place among the asked
    real = [told.value(some) for some in picks.values()]
    agreements: dict[str, Figures] = {}
    for one in asked:
        expected = expected_ratings(one.answers, questions.log.scale)
        if expected is not None:
            said = [told.value(some, expected) for some in picks.values()]
            agreements[one.name] = {"tau": OrderAgreement(said, real)}
    return LineUp(tuple(picks), pool.k, len(pool.users)), agreements


def expected_ratings(answers: Answers, scale: tuple[float, ...]) -> FloatArray | None:
    """(n,) what a population expects of the held-out rows; None if it expects nothing, or said something unreadable."""
    if answers.ratings is None:
        return answers.points
    return np.asarray(answers.ratings @ np.asarray(scale)) if answers.readable.all() else None
