"""Answers of language-model users in the style of user and item (`personagym_agents.classical.response_style`).

A document tells how widely a user's ratings spread, but not which ones the user never gives. Expected ratings stay as
the model has them. Shapes: b rows, k places, r ratings.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from personagym_agents.classical.calibration import fit_users
from personagym_agents.classical.mean_matching import with_means
from personagym_agents.classical.response_style import fit_response_style
from personagym_env.collaborative.factors import fit_factors
from personagym_env.data.tables import FloatArray, IntArray, Interactions

_LEAST = 1e-6
"""Probability of a rating at least."""


class Styles(NamedTuple):
    """What the answers of a population are multiplied by."""

    users: npt.NDArray[np.float32]
    """(u, r)"""
    items: npt.NDArray[np.float32]
    """(m, r)"""
    scale: npt.NDArray[np.float32]
    """(r,) what ratings are worth."""

    def styled(self, rating: FloatArray, users: IntArray, items: IntArray) -> FloatArray:
        """(b, k, r) distributions of (b,) users over the ratings of (b, k) items; the same expected ratings."""
        told = np.maximum(rating, _LEAST)
        tilted = told * self.users[users][:, None] * self.items[items]
        tilted /= tilted.sum(axis=-1, keepdims=True)
        return np.moveaxis(with_means(np.moveaxis(tilted, -1, 0), rating @ self.scale, self.scale), 0, -1)


def style_weights(train: Interactions) -> tuple[float, float]:
    """How far styles of users and of items go, as the later training rows bear it out for matrix factorisation.

    Raises:
        ValueError: there is no row.
    """
    user, item = fit_users(fit_factors, train, 0, with_affinity=False, with_style=True).link.style
    return round(float(user), 4), round(float(item), 4)


def styles_of(train: Interactions, weights: Sequence[float]) -> Styles:
    """Styles of the users and items of training rows, to the powers of two weights.

    Raises:
        ValueError: there is no row.
    """
    style = fit_response_style(train)
    user, item = weights
    return Styles(np.exp(user * style.users), np.exp(item * style.items), np.asarray(train.scale, np.float32))
