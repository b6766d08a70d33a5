"""From answers in levels to the scale of a log.

A base answers in levels of its own. Its expectation and the one that it was told (`personagym_agents.memory`) are
averaged by how far each may be trusted, and go, with what tells how sure that is and how user and item use the scale,
through an ordinal link to the ratings of the log; its wish for an item goes through a logistic line, beside how often
the item is chosen and how much it belongs to the user. Both are fitted on training rows that the users asked for the
purpose do not know, so a link knows how far such answers can be trusted. What is left of it all without the base is
told by `personagym_agents.probes.link_controls`.

Shapes: n questions, l levels, r ratings, k places.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from personagym_agents.classical.choice import ChoiceModel, fit_choice
from personagym_agents.classical.gated_ridge import trust
from personagym_agents.classical.link import OrdinalLink, fit_link, logistic
from personagym_agents.classical.response_style import ScaleUse
from personagym_agents.classical.users import LARGEST_LOGIT
from personagym_agents.documents.told import Told
from personagym_agents.memory.evidence import Codes, recalled_numbers
from personagym_env.data.tables import FloatArray, IntArray, Interactions
from personagym_env.evaluation.core.pair_reactions import PairReactions
from personagym_env.protocols import Reaction

_LEAST_SPREAD = 0.1
"""Levels that every answer scatters over at least, so that a sure one has a finite logarithm."""
_FARTHEST = 3.0
"""Standard deviations beyond which an expectation tells nothing more of how sure it is."""


class Beside(NamedTuple):
    """What a link reads beside the answers."""

    expected: npt.NDArray[np.float32]
    """(..., 1) the level that users are told to expect, or (..., 0) where they recall nothing."""
    scatter: npt.NDArray[np.float32]
    """(..., 2) how widely the ratings of user and item scatter."""
    consumption: npt.NDArray[np.float32]
    """(..., c) log count of the item's ratings and, of users who recall, how much it belongs to them."""
    styles: npt.NDArray[np.float32]
    """(..., 2, r) response styles of user and item."""


def beside(use: ScaleUse, counts: IntArray, users: IntArray, items: IntArray, codes: Codes | None) -> Beside:
    """What a link reads about (...) users and items.

    Args:
        use: of the scale, by users and items of the log.
        counts: (m,) ratings of each item.
        users: whose answers are linked.
        items: what they were asked about.
        codes: (..., f) what they recall about that; None where nothing of evidence.
    """
    scatter = np.stack([use.spread.users[users], use.spread.items[items]], axis=-1)
    styles = use.style.at(users, items)
    popularity = np.log1p(counts[items])[..., None].astype(np.float32)
    if codes is None:
        return Beside(np.zeros((*items.shape, 0), np.float32), scatter, popularity, styles)
    recalled = recalled_numbers(codes)
    consumption = np.concatenate([popularity, recalled.belonging], axis=-1)
    return Beside(recalled.expected[..., None], scatter, consumption, styles)


@dataclass(frozen=True, eq=False)
class AnswerLink:
    """From what a base answers to the scale of a log."""

    scale: tuple[float, ...]
    """(r,) of the log."""
    levels: tuple[float, ...]
    """(l,) that the base answers in."""
    trust: float
    """Weight of the base's expectation against the one that it was told, from 0 to 1."""
    centre: float
    """Mean of the averaged expectations, in levels."""
    width: float
    """Their standard deviation."""
    ordinal: OrdinalLink | None
    """None where the scale has a single rating, which then is certain."""
    choice: ChoiceModel

    def rating(self, answers: FloatArray, beside: Beside) -> npt.NDArray[np.float32]:
        """(..., l) answers to (..., r) distributions over the scale."""
        if self.ordinal is None:
            return np.ones((*answers.shape[:-1], 1), np.float32)
        mean, deviation = _moments(answers, self.levels)
        place = (_averaged(mean, beside.expected, self.trust) - self.centre) / self.width
        features = _sureness(place, deviation, beside.scatter)
        of_users, of_items = self.ordinal.tilts(np.moveaxis(beside.styles, -2, 0))
        return self.ordinal.distribution(
            self.ordinal.location(place), self.ordinal.steepness(features), of_users * of_items
        )

    def choice_probability(self, wish: FloatArray, beside: Beside) -> npt.NDArray[np.float32]:
        """(...) the base's probability of a wish to that of these users."""
        logit = self.choice.logit(_wish_features(wish, beside))
        return logistic(np.clip(logit, -LARGEST_LOGIT, LARGEST_LOGIT))


def fit_answer_link(
    consumed: PairReactions,
    rows: Interactions,
    unseen: PairReactions,
    beside: tuple[Beside, Beside],
    told: Told,
) -> AnswerLink:
    """Maximum likelihood on answers about rows that the asked users did not know.

    Args:
        consumed: (n,) answers about those rows.
        rows: n of them.
        unseen: (n',) answers about items that their users have no row for.
        beside: what the link reads beside both.
        told: how the log's ratings are told in the levels that the answers are distributions over.
    """
    choice = fit_choice(
        *(_wish_features(one.choice_probability, read) for one, read in zip((consumed, unseen), beside, strict=True))
    )
    mean, deviation = _moments(consumed.rating, told.levels)
    weight = _trust(mean, beside[0].expected, np.asarray(told.values)[rows.rating_index], rows.users)
    averaged = _averaged(mean, beside[0].expected, weight)
    centre, width = float(averaged.mean()), max(float(averaged.std()), _LEAST_SPREAD)
    ordinal = None
    if len(told.ratings) > 1:
        place = (averaged - centre) / width
        features = _sureness(place, deviation, beside[0].scatter)
        ordinal = fit_link(place, features, rows.rating_index, len(told.ratings), beside[0].styles, told.ratings)
    return AnswerLink(told.ratings, told.levels, weight, centre, width, ordinal, choice)


def indifferent(shape: tuple[int, ...], levels: tuple[float, ...]) -> Reaction:
    """What a base that has nothing to say answers to (...) questions."""
    return Reaction(np.full(shape, 0.5), np.full((*shape, len(levels)), 1 / len(levels)))


def _trust(mean: FloatArray, expected: FloatArray, truth: FloatArray, users: IntArray) -> float:
    """Weight of (n,) means in their average with (n, 1) expectations, as far as (n,) told ratings bear it out.

    All are freed of their own offset first, which the ordinal link finds. Limiting case: users who recall nothing have
    only the mean.
    """
    if not expected.shape[-1]:
        return 1.0
    base, memory, wanted = (column - column.mean() for column in (mean, expected[:, 0], truth))
    return trust(base - memory, wanted - memory, users)


def _averaged(mean: FloatArray, expected: FloatArray, trust: float) -> npt.NDArray[np.float32]:
    """(...) means of (...) and (..., 1) expectations, the former where there are none of these."""
    if not expected.shape[-1]:
        return np.asarray(mean, np.float32)
    return np.asarray(trust * mean + (1 - trust) * expected[..., 0], np.float32)


def _moments(answers: FloatArray, levels: tuple[float, ...]) -> tuple[FloatArray, FloatArray]:
    """(...) mean and standard deviation of (..., l) answers, in levels."""
    values = np.asarray(levels)
    mean = answers @ values
    return mean, np.sqrt(np.maximum(answers @ values**2 - mean**2, 0))


def _sureness(place: FloatArray, deviation: FloatArray, scatter: FloatArray) -> npt.NDArray[np.float32]:
    """(..., 5) what tells how far ratings lie from what is expected: ends of a scale are surer than its middle."""
    near = np.clip(place, -_FARTHEST, _FARTHEST)[..., None]
    return np.concatenate([np.log(deviation + _LEAST_SPREAD)[..., None], scatter, near, near**2], axis=-1).astype(
        np.float32
    )


def _wish_features(wish: FloatArray, beside: Beside) -> npt.NDArray[np.float32]:
    """(..., 1 + c) the log odds of a wish, then what is known of consumption."""
    logit = np.log(wish) - np.log1p(-wish)
    return np.concatenate([logit[..., None], beside.consumption], axis=-1).astype(np.float32)
