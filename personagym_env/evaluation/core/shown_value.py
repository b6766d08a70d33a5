"""What an item is worth that is shown to a user, rather than chosen by the user.

A log says what people think of what they chose. An item that somebody would not have chosen is liked less than an
expectation from chosen items tells, so that the value of what is shown is the expected rating plus a multiple of the
log odds of choosing it. The multiple is fitted on held-out rows of the log alone: among these, too, those whom nobody
expected to be chosen are rated lower than expected.
"""

from dataclasses import dataclass

import numpy as np

from personagym_env.data.tables import FloatArray, IntArray
from personagym_env.evaluation.core.pair_reactions import PairReactions
from personagym_env.evaluation.core.statistics import Interval, interval, user_resamples
from personagym_env.protocols import Reaction

LEAST_CHANCE = 1e-4
"""Choice probabilities are kept so far from 0 and 1, where log odds know no end."""


def choice_logit(probability: FloatArray) -> FloatArray:
    """Log odds of choosing."""
    p = np.clip(np.asarray(probability, np.float64), LEAST_CHANCE, 1 - LEAST_CHANCE)
    return np.asarray(np.log(p / (1 - p)))


def choice_odds(probability: FloatArray) -> FloatArray:
    """Odds of choosing: how many times as often as an item drawn at random this one is consumed.

    Users learn to choose between what was consumed and as many items drawn at random, so that their odds are the ratio
    of the two densities (Sugiyama, Suzuki, Kanamori, "Density Ratio Estimation in Machine Learning", 2012, chapter 4).
    What a list holds of what a user goes on to consume is therefore the sum of its odds, over the number of items to
    choose from. A sum of probabilities undervalues what is consumed far more often than chance has it.
    """
    return np.asarray(np.exp(choice_logit(probability)))


def shown_value(reaction: Reaction | PairReactions, scale: tuple[float, ...], weight: float | FloatArray) -> FloatArray:
    """(...) value of items in rating points: E[rating | consumed] + weight x log odds of choosing.

    It may leave the scale, as it orders items and is no forecast of a rating.

    Args:
        reaction: choice probabilities (...), and distributions (..., r) over the rating scale.
        scale: (r,) rating points.
        weight: of the log odds, in rating points; 0 is the expected rating.
    """
    return np.asarray(reaction.rating @ np.asarray(scale) + weight * choice_logit(reaction.choice_probability))


@dataclass(frozen=True, eq=False)
class ShownWeight:
    """The weight of the log odds, as two halves of the users give it."""

    weight: Interval
    """From all users, with its interval over users."""
    by_half: tuple[float, float]
    """Of users of even number, and of odd number."""

    def of_users(self, users: IntArray) -> FloatArray:
        """(n,) the weight that the *other* half of the users gave, as nobody's own rows may weigh their values."""
        return np.asarray(np.array(self.by_half)[1 - users % 2])


def fit_shown_weight(
    users: IntArray,
    ratings: FloatArray,
    expected: FloatArray,
    probability: FloatArray,
    *,
    n_users: int,
    rng: np.random.Generator,
    resamples: int = 500,
) -> ShownWeight:
    """Regress real ratings of held-out rows on the expected rating and the log odds of choosing (least squares).

    The weight is the slope of the log odds over that of the expected rating, which is what the log odds are worth in
    points of the expectation. Where the expectation orders nothing (its slope is not above 0), the weight is the slope
    itself. It is never below 0: a log whose ratings fall with the odds says nothing of what is shown.

    Args:
        users: (n,) who rated.
        ratings: (n,) real ratings.
        expected: (n,) what simulated users expected.
        probability: (n,) with which they would have chosen the item.
        n_users: users of the log.
        rng: resamples the users.
        resamples: behind the interval.

    Raises:
        ValueError: there are fewer than three rows in a half of the users.
    """
    if min((users % 2 == half).sum() for half in (0, 1)) < 3:
        raise ValueError(f"the weight of what is shown needs three held-out rows in each half, got {len(users)} rows")
    columns = np.stack([np.ones(len(users)), expected, choice_logit(probability)], axis=1)  # (n, 3)
    products = columns[:, :, None] * np.concatenate([columns, ratings[:, None]], axis=1)[:, None]  # (n, 3, 4)
    moments = np.zeros((n_users, 12))
    np.add.at(moments, users, products.reshape(-1, 12))
    even = np.arange(n_users) % 2 == 0
    weights = np.concatenate([user_resamples(n_users, resamples, rng), [even, ~even]]).astype(np.float64)
    found = _slopes((weights @ moments).reshape(-1, 3, 4))
    return ShownWeight(interval(found[:-2]), (float(found[-2]), float(found[-1])))


def _slopes(moments: FloatArray) -> FloatArray:
    """(b,) weights from sums (b, 3, 4) of products of constant, expectation and log odds, and with the rating."""
    ridge = 1e-9 * np.eye(3) * np.trace(moments[:, :, :3], axis1=1, axis2=2)[:, None, None]
    _, rating, odds = np.linalg.solve(moments[:, :, :3] + ridge, moments[:, :, 3:])[..., 0].T
    return np.asarray(np.maximum(0.0, odds / np.where(rating > 0, np.maximum(rating, 0.1), 1.0)))
