"""How two towers are trained: one on ratings, the other on choices, side by side.

Ratings are told relative to the means of items and of the user's earlier rows; choices are parted from items drawn
evenly, by binary cross-entropy with 5 negatives for each row. All that a row is predicted from came before it, with a
lag as held-out rows have it.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from personagym_agents.classical.cross_fitting import known_before
from personagym_agents.variants.histories import Floats, Residuals, Sequences, sequences_of
from personagym_agents.variants.tower import Tower, TowerSettings
from personagym_env.data.tables import IntArray, Interactions


def train_side_by_side(
    residuals: Residuals, rating: Tower, choice: Tower, settings: TowerSettings, rng: np.random.Generator
) -> None:
    """Train both on the log of the residuals; `rng` draws batches, lags and negatives."""
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
