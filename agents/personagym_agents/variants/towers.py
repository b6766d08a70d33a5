"""Two towers that read histories in order: one says what is chosen next, the other how it is rated.

A tower scores an item by z . q, with q the item's vector (an embedding of its own and one of its genres) and z the
state that an encoder reads off the user's earlier rows. Of several states z_k the one that fits the item counts,
sum_k softmax_k(z_k . q) z_k . q, which is z . q where there is one. Ratings are told relative to the means of items
and of the user's earlier rows; choices are parted from items drawn evenly, by binary cross-entropy with 5 negatives
for each row. All that a row is predicted from came before it, with a lag as held-out rows have it.

Shapes: b users, t rows of the longest history, K states, d width, m items, g genres, c items asked about.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from personagym_agents.classical.cross_fitting import known_before
from personagym_agents.classical.users import ClassicalUsers, fit_users_of
from personagym_agents.variants.histories import Floats, Residuals, Sequences, sequences_of
from personagym_env.collaborative.rating_model import Opinion, at_pairs
from personagym_env.data.tables import BoolArray, Dataset, IntArray, Interactions

EncoderFactory = Callable[[int], nn.Module]
"""From the width d to an encoder, which reads items (b, t), their tokens (b, t, d) and how much each counts (b, t), and
gives (b, t + 1, K, d) states: number i knows the first i rows."""
_ANSWER_ROWS = 8192
"""Of histories that are read at once, padding counted, when nothing is learned."""


@dataclass(frozen=True)
class TowerSettings:
    """How towers are trained; chosen on each user's last fifth of the training rows of ML-100K."""

    width: int = 32
    epochs: int = 16
    batch_rows: int = 2048
    learning_rate: float = 0.01
    rating_decay: float = 1.0
    """Weight decay of AdamW, for the tower of ratings."""
    choice_decay: float = 0.1
    """For that of choices, which has five times as many questions to learn from."""
    dropout: float = 0.2
    negatives: int = 5


class Tower(nn.Module):
    """One question about items."""

    genres: Tensor

    def __init__(self, genres: Tensor, encoder: EncoderFactory, settings: TowerSettings) -> None:
        super().__init__()
        width = settings.width
        self.register_buffer("genres", genres)
        self.read = nn.Embedding(len(genres), width)
        self.asked = nn.Embedding(len(genres), width)
        self.of_genres = nn.Linear(genres.shape[1], width, bias=False)
        self.bias = nn.Embedding(len(genres), 1)
        self.encoder = encoder(width)
        self.dropout = nn.Dropout(settings.dropout)
        for table in (self.read, self.asked):
            nn.init.normal_(table.weight, std=0.3 / width**0.5)
        nn.init.zeros_(self.bias.weight)

    def states(self, items: Tensor, weights: Tensor) -> Tensor:
        """(b, t + 1, K, d) by (b, t) items and how much each counts."""
        tokens = self.read(items) + self.of_genres(self.genres[items])
        states: Tensor = self.encoder(items, self.dropout(tokens), weights)
        return states

    def vectors(self, items: Tensor) -> Tensor:
        """(..., d) of items that are asked about."""
        found: Tensor = self.asked(items) + self.of_genres(self.genres[items])
        return found

    def scores(self, states: Tensor, items: Tensor) -> Tensor:
        """(n, c) by (n, K, d) states and (n, c) items."""
        matched = torch.einsum("nkd,ncd->nkc", states, self.vectors(items))
        found: Tensor = (torch.softmax(matched, dim=1) * matched).sum(dim=1) + self.bias(items)[..., 0]
        return found


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
        _train(residuals, rating, choice, settings, np.random.default_rng(seed))
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


def _train(
    residuals: Residuals, rating: Tower, choice: Tower, settings: TowerSettings, rng: np.random.Generator
) -> None:
    log = residuals.log
    towers = ((rating, settings.rating_decay), (choice, settings.choice_decay))
    groups = [{"params": list(tower.parameters()), "weight_decay": decay} for tower, decay in towers]
    optimiser = torch.optim.AdamW(groups, settings.learning_rate)
    people = np.flatnonzero(log.counts)
    for _ in range(settings.epochs):
        known = known_before(log, rng)
        batches = list(sequences_of(log, rng.permutation(people), settings.batch_rows))
        for number in rng.permutation(len(batches)):
            batch = batches[number]
            optimiser.zero_grad()
            loss = _rating_loss(residuals, rating, batch, known) + _choice_loss(
                log, choice, batch, known, settings, rng
            )
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()


def _states_before(
    tower: Tower, log: Interactions, weights: Floats, batch: Sequences, known: IntArray
) -> tuple[Tensor, IntArray]:
    """(n, K, d) the states before each real row of a batch, and (n,) these rows."""
    told = torch.as_tensor(np.where(batch.real, weights[batch.rows], 0).astype(np.float32))
    states = tower.states(torch.as_tensor(log.items[batch.rows]), told)
    person, place = np.nonzero(batch.real)
    rows = batch.rows[person, place]
    return states[torch.as_tensor(person), torch.as_tensor(known[rows])], rows


def _rating_loss(residuals: Residuals, tower: Tower, batch: Sequences, known: IntArray) -> Tensor:
    log = residuals.log
    states, rows = _states_before(tower, log, residuals.centred, batch, known)
    expected = tower.scores(states, torch.as_tensor(log.items[rows])[:, None])[:, 0]
    target = residuals.values[rows] - residuals.user_mean(log.users[rows], known[rows])
    return functional.mse_loss(expected, torch.as_tensor(target))


def _choice_loss(
    log: Interactions,
    tower: Tower,
    batch: Sequences,
    known: IntArray,
    settings: TowerSettings,
    rng: np.random.Generator,
) -> Tensor:
    states, rows = _states_before(tower, log, np.ones(len(log), np.float32), batch, known)
    drawn = rng.integers(0, log.n_items, (len(rows), settings.negatives))
    scores = tower.scores(states, torch.as_tensor(np.concatenate([log.items[rows, None], drawn], axis=1)))
    label = torch.zeros_like(scores)
    label[:, 0] = 1.0
    return functional.binary_cross_entropy_with_logits(scores, label)


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
