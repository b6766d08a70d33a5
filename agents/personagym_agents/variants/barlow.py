"""Users whose vectors come from their sequences without a label: self-supervised, by redundancy reduction.

Source: Barlow Twins for sequences of users (arXiv:2505.00953), after Zbontar et al. (ICML 2021).

Formula: two views of a user's rows, each with a share masked and windows reordered, go through one encoder and a
projector; with C the cross-correlation of both views over a batch, the loss is sum_i (1 - C_ii)^2 + lambda sum_{i != j}
C_ij^2. The embedding e_u before the projector is the user's vector: e_u' W x_i corrects what user and item mean, and
e_u' V (1, x_i) says what is chosen, x_i being what the catalogue says of an item. W and V, the light head, are ridge
regressions on each user's last fifth of rows, for embeddings of the earlier ones. Without the core the encoder stays
as it was drawn, and the head is fitted all the same.

What differs: a recurrent encoder over genres, ratings and learned item vectors, and a linear head. What is left out:
nothing of the loss.
"""

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from personagym_agents.classical.choice import sample_unseen
from personagym_agents.classical.users import fit_users_of
from personagym_agents.variants.histories import Floats, Residuals, sequences
from personagym_agents.variants.values import Respects
from personagym_env.collaborative.factors import FactorModel, FactorSettings, fit_factors
from personagym_env.collaborative.rating_model import Opinion
from personagym_env.data.splits import temporal_split
from personagym_env.data.tables import BoolArray, Catalogue, Dataset, FloatArray, IntArray, Interactions
from personagym_env.protocols import UserAgent

LATEST = 60
"""Rows of each user that are read."""
WIDTH, PROJECTED = 16, 64
STEPS, _BATCH, _LEARNING_RATE = 240, 128, 0.003
_OFF_DIAGONAL = 1 / PROJECTED
"""Lambda."""
_MASKED, _WINDOW = 0.3, 4
_PRIOR = 300.0
"""Rows by which each weight of the head is shrunk to none."""


class Reader(nn.Module):
    """Reads sequences of items and centred ratings."""

    def __init__(self, genres: Tensor) -> None:
        super().__init__()
        self.genres = genres
        self.items = nn.Embedding(len(genres), WIDTH)
        self.told = nn.Linear(2 * genres.shape[1] + 1, WIDTH)
        self.cells = nn.GRU(WIDTH, WIDTH, batch_first=True)
        self.projector = nn.Sequential(nn.Linear(WIDTH, PROJECTED), nn.ReLU(), nn.Linear(PROJECTED, PROJECTED))

    def forward(self, items: Tensor, values: Tensor, real: Tensor) -> Tensor:
        """(b, d) embeddings of (b, t) items with centred ratings, where `real`."""
        genres, rating = self.genres[items], values[..., None]
        tokens = self.items(items) + self.told(torch.cat([genres, rating * genres, rating], dim=-1))
        states = self.cells(torch.tanh(tokens) * real[..., None])[0] * real[..., None]
        embedded: Tensor = states.sum(dim=1) / real.sum(dim=1, keepdim=True).clamp(min=1)
        return embedded


class Sequence(NamedTuple):
    """The latest rows of some users, oldest first."""

    items: Tensor
    """(b, t)"""
    values: Tensor
    """(b, t)"""
    real: Tensor
    """(b, t) 1 where there is a row."""

    def view(self, rng: torch.Generator) -> "Sequence":
        """The same with rows masked, and reordered within a few places."""
        shaken = torch.arange(self.items.shape[1]) + _WINDOW * torch.rand(self.items.shape, generator=rng)
        order = torch.argsort(shaken + 1e6 * (self.real == 0), dim=1)
        seen = (torch.rand(self.items.shape, generator=rng) >= _MASKED).to(self.real.dtype)
        return Sequence(*(column.gather(1, order) for column in self))._replace(real=self.real.gather(1, order) * seen)


def redundancy_loss(left: Tensor, right: Tensor) -> Tensor:
    """Barlow Twins' loss of two views (b, p): 0 where each coordinate agrees with itself and with no other."""
    one, other = ((view - view.mean(dim=0)) / (view.std(dim=0, unbiased=False) + 1e-5) for view in (left, right))
    correlation = one.T @ other / len(left)
    diagonal = torch.diagonal(correlation)
    return ((1 - diagonal) ** 2).sum() + _OFF_DIAGONAL * ((correlation**2).sum() - (diagonal**2).sum())


def read_sequences(log: Interactions) -> Sequence:
    """Everybody's latest rows."""
    told = log.take(log.rank_in_user >= (log.counts - LATEST)[log.users])
    batch = sequences(told, np.arange(log.n_users))
    values = np.where(batch.real, Residuals.of(told).centred[batch.rows], 0)
    items = np.where(batch.real, told.items[batch.rows], 0)
    return Sequence(*map(torch.as_tensor, (items, values.astype(np.float32), batch.real.astype(np.float32))))


def train_reader(log: Interactions, catalogue: Catalogue, *, core: bool, seed: int, steps: int = STEPS) -> Reader:
    """An encoder that learned from sequences alone; as it was drawn without the core."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        reader = Reader(torch.as_tensor(catalogue.genre_shares, dtype=torch.float32))
        whole, rng = read_sequences(log), torch.Generator().manual_seed(seed)
        people = torch.as_tensor(np.flatnonzero(log.counts > 1))
        optimiser = torch.optim.Adam(reader.parameters(), _LEARNING_RATE)
        for _ in range(steps if core and len(people) > 1 else 0):
            chosen = people[torch.randperm(len(people), generator=rng)[:_BATCH]]
            batch = Sequence(*(column[chosen] for column in whole))
            left, right = (reader.projector(reader(*batch.view(rng))) for _ in range(2))
            optimiser.zero_grad()
            redundancy_loss(left, right).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    return reader.eval()


def embed(reader: Reader, log: Interactions) -> FloatArray:
    """(u, d) vectors of all users of a log, of mean 0 and deviation 1."""
    with torch.no_grad():
        raw = reader(*read_sequences(log)).numpy().astype(np.float64)
    return np.asarray((raw - raw.mean(axis=0)) / (raw.std(axis=0) + 1e-6))


@dataclass(frozen=True, eq=False, repr=False)
class EmbeddedModel:
    """A `RatingModel` of vectors and a linear head."""

    bias: FactorModel
    told: Floats
    """(m, c) what is known of items, a constant first."""
    rating: Floats
    """(u, c) what each user's vector makes of it."""
    choice: Floats
    """(u, c)"""

    def predict(self, users: IntArray) -> Opinion:
        """See `RatingModel.predict`; the variance is that of the means."""
        opinion = self.bias.predict(users)
        return Opinion(opinion.mean + self.rating[users] @ self.told.T, opinion.variance)

    def means_at(self, users: IntArray, items: IntArray) -> Floats:
        """(n,) see `RatingModel.means_at`."""
        corrections = np.einsum("nc,nc->n", self.rating[users], self.told[items])
        return np.asarray(self.bias.means_at(users, items) + corrections, np.float32)

    def log_affinity(self, users: IntArray) -> Floats:
        """(b, m) see `Affinity`."""
        return np.asarray(self.choice[users] @ self.told.T, np.float32)


def fit_head(vectors: FloatArray, users: IntArray, told: FloatArray, target: FloatArray) -> FloatArray:
    """(d, c) ridge regression of targets (n,) on the products of users' vectors (u, d) and (n, c) columns."""
    width = vectors.shape[1], told.shape[1]
    columns = (vectors[users][:, :, None] * told[:, None]).reshape(len(users), -1)
    gram = columns.T @ columns + _PRIOR * np.eye(columns.shape[1])
    return np.asarray(np.linalg.solve(gram, columns.T @ target).reshape(width))


def fit_embedded(
    log: Interactions, catalogue: Catalogue, *, core: bool, seed: int, labelled: BoolArray | None = None
) -> EmbeddedModel:
    """Learn vectors from all sequences, and the head from the last fifth of the rows of those who are labelled.

    Args:
        log: training rows.
        catalogue: of their items.
        core: whether the encoder learns.
        seed: of all that is drawn.
        labelled: (u,) whose rows may teach the head; everybody's if None.
    """
    reader = train_reader(log, catalogue, core=core, seed=seed)
    respects = Respects.of(log, catalogue).values
    told = np.column_stack([np.ones(log.n_items), respects])
    early, late = temporal_split(log)
    if labelled is not None:
        late = late.take(labelled[late.users])
    bias = fit_factors(early, FactorSettings(rank=0))
    vectors = embed(reader, early)
    residual = late.ratings - bias.means_at(late.users, late.items)
    rating = fit_head(vectors, late.users, told[late.items], residual)
    unseen = sample_unseen(log, late.users, np.random.default_rng(seed))
    items, sign = np.concatenate([late.items, unseen]), np.repeat([1.0, -1.0], len(late))
    choice = fit_head(vectors, np.tile(late.users, 2), told[items], sign)
    now = embed(reader, log)
    columns = (array.astype(np.float32) for array in (told, now @ rating, now @ choice))
    return EmbeddedModel(fit_factors(log, FactorSettings(rank=0)), *columns)


def fit_barlow(
    dataset: Dataset, train: Interactions, *, core: bool = True, seed: int = 0, device: str | None = None
) -> UserAgent:
    """Fit the users; they run on the processor, whatever the device.

    Args:
        dataset: genres and years of items.
        train: rows that the users may know.
        core: the encoder learns from sequences; it stays as it was drawn without it.
        seed: of all that is drawn.
        device: not used.

    Raises:
        ValueError: `train` is empty.
    """
    catalogue = dataset.catalogue
    told = (core, catalogue.years.tolist(), catalogue.genres.tolist())
    fit = partial(fit_embedded, catalogue=catalogue, core=core, seed=seed)
    return fit_users_of("barlow", fit, train, told=told, seed=seed)
