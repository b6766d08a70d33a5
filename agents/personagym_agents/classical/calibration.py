"""From a rating model to users: the link and the choice model, on rows that the model has not seen."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from personagym_agents.classical.choice import (
    ChoiceFeatures,
    ChoiceModel,
    fit_choice,
    fit_choice_features,
    sample_unseen,
)
from personagym_agents.classical.link import OrdinalLink, Spread, fit_link, fit_spread
from personagym_agents.classical.response_style import ResponseStyle, fit_response_style
from personagym_env.collaborative.affinity import Affinity, fit_affinity
from personagym_env.collaborative.rating_model import Opinion, RatingModel, at_pairs
from personagym_env.data.splits import temporal_split
from personagym_env.data.tables import FloatArray, IntArray, Interactions

CALIBRATION_SHARE = 0.2
"""Each user's last part of the training rows, on which link and choice model are fitted."""
CALIBRATION_ROWS = 50_000
"""Rows that link and choice model are fitted on at most, drawn at random."""
CALIBRATION_CELLS = 2**28
"""Users x items that are worked out for those rows at most: of a large catalogue the rows of fewer users."""
Weigh = Callable[[Interactions], FloatArray]
"""From some training rows (n,) to how much each counts."""
RatingFit = Callable[..., RatingModel]
"""From a log, which is all of the training rows or the earlier ones of each user, to a rating model of it."""


class FittedUsers(NamedTuple):
    """A rating model with what was read off the same log: spreads and features of the choice."""

    model: RatingModel
    spread: Spread
    choice_features: ChoiceFeatures
    style: ResponseStyle | None = None
    """How users and items use the scale; None of users who know nothing of that."""


class CalibratedUsers(NamedTuple):
    """All that `fit_classical` fits."""

    fitted: FittedUsers
    link: OrdinalLink
    choice: ChoiceModel


def fit_users(
    fit: RatingFit,
    train: Interactions,
    seed: int,
    *,
    with_affinity: bool,
    with_style: bool = False,
    weigh: Weigh | None = None,
) -> CalibratedUsers:
    """Users of a rating model.

    Args:
        fit: gives the rating model.
        train: rows that the users may know.
        seed: draws the unseen items.
        with_affinity: whether choices go by co-consumption too.
        with_style: whether ratings go by response styles too.
        weigh: how much each row counts in the link; None for all alike.
    """
    early, late = temporal_split(train, 1 - CALIBRATION_SHARE)
    parts = _fit_parts(train, fit, with_affinity, with_style)
    calibration_parts = _fit_parts(early, fit, with_affinity, with_style) if len(late) else parts
    return CalibratedUsers(parts, *_calibrate(calibration_parts, late if len(late) else train, train, seed, weigh))


def _fit_parts(log: Interactions, fit: RatingFit, with_affinity: bool, with_style: bool) -> FittedUsers:
    model = fit(log)
    means = model.means_at(log.users, log.items)
    affinity = fit_affinity(log) if with_affinity else None
    own = model if isinstance(model, Affinity) else None
    style = fit_response_style(log) if with_style else None
    return FittedUsers(model, fit_spread(log, means), fit_choice_features(log, affinity, own), style)


def _calibrate(
    parts: FittedUsers, rows: Interactions, seen: Interactions, seed: int, weigh: Weigh | None = None
) -> tuple[OrdinalLink, ChoiceModel]:
    """Fit link and choice model on rows that `parts` has not seen; items of `seen` are no negatives.

    Where rows have weights, the link is fitted on rows drawn by them. What is chosen is selection itself, unweighted.
    """
    rng = np.random.default_rng(seed)
    if len(rows) > CALIBRATION_ROWS:
        rows = rows.take(rng.choice(len(rows), CALIBRATION_ROWS, replace=False))
    people = np.flatnonzero(rows.counts)
    most = max(1, CALIBRATION_CELLS // rows.n_items)
    if len(people) > most:
        rows = rows.take(np.isin(rows.users, rng.choice(people, most, replace=False)))
    unseen = sample_unseen(seen, rows.users, rng)

    def everything(users: IntArray) -> FloatArray:
        opinion: Opinion = parts.model.predict(users)
        columns = (
            opinion.mean[..., None],
            parts.spread.features(users, opinion),
            parts.choice_features(users, opinion),
        )
        return np.concatenate(columns, axis=-1)

    items = np.concatenate([rows.items, unseen])
    pairs = at_pairs(everything, np.tile(rows.users, 2), items, rows.n_items)
    positive, negative = pairs[: len(rows)], pairs[len(rows) :]
    known = 0 if parts.style is None else len(parts.style)
    link = OrdinalLink(np.zeros(0, np.float32), 0.0, np.zeros(3, np.float32), np.zeros(known, np.float32))
    if len(rows.scale) > 1:
        told = np.arange(len(rows))
        if weigh is not None:
            weights = weigh(rows)
            told = rng.choice(told, len(told), p=weights / weights.sum())
        read = positive[told, 0], positive[told, 1:4], rows.rating_index[told], len(rows.scale)
        if parts.style is None:
            link = fit_link(*read)
        else:
            link = fit_link(*read, parts.style.at(rows.users[told], rows.items[told]), rows.scale)
    return link, fit_choice(positive[:, 4:], negative[:, 4:])
