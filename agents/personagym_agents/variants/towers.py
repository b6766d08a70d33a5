"""Two towers that read histories in order: one says what is chosen next, the other how it is rated.

The network is `personagym_agents.variants.tower`, its training `personagym_agents.variants.tower_training`; here they
become a rating model and users.

Shapes: b users, K states, d width, m items, g genres.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np
import torch

from personagym_agents.classical.users import ClassicalUsers, fit_users_of
from personagym_agents.variants.histories import Floats, Residuals, sequences_of
from personagym_agents.variants.tower import EncoderFactory, Tower, TowerSettings
from personagym_agents.variants.tower_training import train_side_by_side
from personagym_env.collaborative.rating_model import Opinion, at_pairs
from personagym_env.data.tables import BoolArray, Dataset, IntArray, Interactions

_ANSWER_ROWS = 8192
"""Of histories that are read at once, padding counted, when nothing is learned."""


class Answers(NamedTuple):
    """What a trained tower knows, in numbers."""

    states: Floats
    """(u, K, d)"""
    items: Floats
    """(m, d)"""
    bias: Floats
    """(m,)"""

    def scores(self, users: IntArray) -> Floats:
        """(b, m) as `Tower.scores`."""
        matched = np.einsum("bkd,md->bkm", self.states[users], self.items, optimize=True)
        if matched.shape[1] == 1:
            return np.asarray(matched[:, 0] + self.bias, np.float32)
        weights = np.exp(matched - matched.max(axis=1, keepdims=True))
        return np.asarray((weights * matched).sum(axis=1) / weights.sum(axis=1) + self.bias, np.float32)


@dataclass(frozen=True, eq=False, repr=False)
class TowerModel:
    """A `RatingModel` that says too what belongs to its users."""

    residuals: Residuals
    user_mean: Floats
    """(u,)"""
    rating: Answers
    choice: Answers

    def predict(self, users: IntArray) -> Opinion:
        """See `RatingModel.predict`; the variance is that of means of so few ratings."""
        known = self.residuals.item_mean + np.float32(self.residuals.global_mean)
        mean = self.rating.scores(users) + known + self.user_mean[users, None]
        log = self.residuals.log
        few = [
            self.residuals.noise / (1 + count)
            for count in (log.counts[users], np.bincount(log.items, minlength=log.n_items))
        ]
        return Opinion(mean, np.asarray(few[0][:, None] + few[1], np.float32))

    def means_at(self, users: IntArray, items: IntArray) -> Floats:
        """(n,) see `RatingModel.means_at`."""
        return at_pairs(lambda block: self.predict(block).mean, users, items, self.residuals.log.n_items)

    def log_affinity(self, users: IntArray) -> Floats:
        """(b, m) see `Affinity`."""
        return self.choice.scores(users)


class TrainedTowers(NamedTuple):
    """Both towers, and what their rows were told relative to."""

    residuals: Residuals
    rating: Tower
    choice: Tower

    def model(self, log: Interactions | None = None) -> TowerModel:
        """What is known of users at the end of a log, by default the one of the training."""
        residuals = self.residuals if log is None else replace(self.residuals, log=log)
        everybody = np.arange(residuals.log.n_users)
        with torch.no_grad():
            return TowerModel(
                residuals,
                residuals.user_mean(everybody, residuals.log.counts),
                _answers(residuals, self.rating.eval(), weigh=True),
                _answers(residuals, self.choice.eval(), weigh=False),
            )


def train_towers(
    log: Interactions,
    genres: BoolArray,
    encoder: EncoderFactory,
    settings: TowerSettings | None = None,
    *,
    seed: int = 0,
) -> TrainedTowers:
    """Train both towers on a log.

    Args:
        log: training rows.
        genres: (m, g) of its items.
        encoder: makes the encoders.
        settings: how; the defaults if None.
        seed: of weights, batches, lags and negatives.

    Raises:
        ValueError: the log has no rows.
    """
    settings = TowerSettings() if settings is None else settings
    residuals = Residuals.of(log)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        table = torch.as_tensor(genres, dtype=torch.float32)
        table = table / table.sum(dim=1, keepdim=True).clamp(min=1)
        if not table.shape[1]:
            table = torch.zeros(len(table), 1)  # a layer without columns is none
        rating, choice = (Tower(table, encoder, settings) for _ in range(2))
        train_side_by_side(residuals, rating, choice, settings, np.random.default_rng(seed))
    return TrainedTowers(residuals, rating, choice)


def fit_towers(
    log: Interactions,
    genres: BoolArray,
    encoder: EncoderFactory,
    settings: TowerSettings | None = None,
    *,
    seed: int = 0,
) -> TowerModel:
    """What towers that were trained on a log know of its users; see `train_towers`."""
    return train_towers(log, genres, encoder, settings, seed=seed).model()


def fit_tower_users(
    name: str,
    encoder: EncoderFactory,
    dataset: Dataset,
    train: Interactions,
    *,
    told: object,
    seed: int,
    settings: TowerSettings | None = None,
) -> ClassicalUsers:
    """Users of both towers, with link and choice model.

    Args:
        name: of the users.
        encoder: makes the encoders.
        dataset: genres of items.
        train: rows that the users may know.
        told: what decides the encoder, in plain values.
        seed: of all that is drawn.
        settings: how towers are trained; the defaults if None.
    """
    settings = TowerSettings() if settings is None else settings
    genres = dataset.catalogue.genres
    fit = partial(fit_towers, genres=genres, encoder=encoder, settings=settings, seed=seed)
    return fit_users_of(name, fit, train, told=(told, settings, genres.tolist()), seed=seed)


def _answers(residuals: Residuals, tower: Tower, *, weigh: bool) -> Answers:
    """What a tower knows of everybody at the end of the log."""
    log = residuals.log
    weights = residuals.centred if weigh else np.ones(len(log), np.float32)
    parts: dict[int, Floats] = {}
    for batch in sequences_of(log, np.arange(log.n_users), _ANSWER_ROWS):
        told = torch.as_tensor(np.where(batch.real, weights[batch.rows], 0).astype(np.float32))
        states = tower.states(torch.as_tensor(np.where(batch.real, log.items[batch.rows], 0)), told)
        last = states[torch.arange(len(batch.users)), torch.as_tensor(log.counts[batch.users])]
        parts.update(zip(batch.users.tolist(), last.numpy(), strict=True))
    return Answers(
        np.stack([parts[user] for user in range(log.n_users)]),
        tower.vectors(torch.arange(log.n_items)).numpy(),
        tower.bias.weight[:, 0].numpy(),
    )
