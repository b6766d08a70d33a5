"""Encodings of sessions, learned contrastively without a label.

Shapes: n rows, L events of a window, f features of an event, d width.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from personagym_env.collaborative.factors import FactorModel, FactorSettings, fit_factors
from personagym_env.data.tables import Catalogue, FloatArray, IntArray, Interactions
from personagym_env.session.cuts import SessionCuts

Floats = npt.NDArray[np.float32]
_BLOCK = 4096


@dataclass(frozen=True)
class EncoderSettings:
    """How sessions are encoded, and how that is learned."""

    window: int = 20
    """Latest events of a session that are read."""
    width: int = 32
    steps: int = 300
    """Batches of the contrastive training; 0 leaves the encoder as it was drawn."""
    batch: int = 128
    """Sessions that are told from each other."""
    temperature: float = 0.5
    mask: float = 0.3
    """Share of the events that a view lacks."""
    learning_rate: float = 3e-3


@dataclass(frozen=True, eq=False)
class EventFeatures:
    """What an encoder reads of a rating."""

    items: Floats
    """(m, f - 3) genre shares and popularity."""
    means: FactorModel
    """User and item means, by which a rating surprises."""
    centre: float
    spread: float
    """Of the ratings."""

    def of(self, users: IntArray, items: IntArray, ratings: FloatArray) -> Floats:
        """(n, f) of events: the item, the rating, the surprise, and 1 for being there."""
        surprise = ratings - self.means.means_at(users, items)
        told = ((ratings - self.centre) / self.spread, surprise / self.spread, np.ones(len(items)))
        return np.column_stack([self.items[items], *told]).astype(np.float32)


def event_features(log: Interactions, catalogue: Catalogue) -> EventFeatures:
    """Fitted on training rows."""
    popularity = np.log1p(np.bincount(log.items, minlength=log.n_items))
    popularity = (popularity - popularity.mean()) / max(float(popularity.std()), 1e-6)
    return EventFeatures(
        np.column_stack([catalogue.genre_shares, popularity]).astype(np.float32),
        fit_factors(log, FactorSettings(rank=0)),
        float(log.ratings.mean()),
        max(float(log.ratings.std()), 1e-6),
    )


def windows(events: Floats, sessions: SessionCuts, rows: IntArray, length: int) -> Floats:
    """(r, L, f) the events of a session up to rows (r,), the latest last, 0 before its first."""
    back = np.arange(length)[::-1]
    there = back < sessions.position[rows][:, None]
    return np.asarray(np.where(there[..., None], events[np.maximum(rows[:, None] - back, 0)], 0), np.float32)


class SessionEncoder(nn.Module):
    """A gated recurrent unit over events; its last state is the encoding."""

    def __init__(self, features: int, settings: EncoderSettings) -> None:
        super().__init__()
        self.settings = settings
        self.reader = nn.GRU(features, settings.width, batch_first=True)
        self.head = nn.Sequential(
            nn.Linear(settings.width, settings.width), nn.ReLU(), nn.Linear(settings.width, settings.width)
        )

    def forward(self, window: Tensor) -> Tensor:
        """(b, d) of windows (b, L, f)."""
        _, state = self.reader(window)
        return torch.as_tensor(state[0])

    @torch.no_grad()
    def encode(self, window: Floats) -> Floats:
        """(r, d) encodings of windows (r, L, f)."""
        blocks = [self(torch.from_numpy(window[begin : begin + _BLOCK])) for begin in range(0, len(window), _BLOCK)]
        return torch.cat(blocks).numpy() if blocks else np.zeros((0, self.settings.width), np.float32)


def _views(events: Floats, sessions: SessionCuts, settings: EncoderSettings, rng: np.random.Generator) -> Tensor:
    """(2 b, L, f) what came before a moment of b sessions, then what came after it, some events of each hidden."""
    long = np.flatnonzero(sessions.length > 1)
    chosen = rng.choice(long, min(settings.batch, len(long)), replace=False)
    ahead = rng.integers(1, sessions.length[chosen])  # events before the moment
    moment = sessions.first[chosen] + ahead - 1
    end = sessions.first[chosen] + np.minimum(ahead + settings.window, sessions.length[chosen]) - 1
    after = windows(events, sessions, end, settings.window)
    # Of the window that ends at `end`, what is not behind the moment is not of the second view.
    after *= (np.arange(settings.window)[::-1] < (end - moment)[:, None])[..., None]
    views = np.concatenate([windows(events, sessions, moment, settings.window), after])
    views *= (rng.random(views.shape[:2]) >= settings.mask)[..., None]
    return torch.from_numpy(views)


def train_encoder(events: Floats, sessions: SessionCuts, settings: EncoderSettings, *, seed: int = 0) -> SessionEncoder:
    """Learn to find what came after a moment of a session by what came before it, among those of other sessions.

    The loss is InfoNCE over a batch (van den Oord et al. 2018) in the form of NT-Xent (Chen et al., ICML 2020): of all
    views of the batch, the other one of the same session has to be the nearest. So an encoding holds what lasts.

    Args:
        events: (n, f) of the log's rows.
        sessions: of the log.
        settings: how.
        seed: of weights, sessions and views.
    """
    rng = np.random.default_rng(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder = SessionEncoder(events.shape[1], settings)
        optimiser = torch.optim.Adam(encoder.parameters(), settings.learning_rate)
        many = min(settings.batch, int((sessions.length > 1).sum()))
        for _ in range(settings.steps if many > 1 else 0):
            views = _views(events, sessions, settings, rng)
            found = functional.normalize(encoder.head(encoder(views)), dim=1)
            alike = found @ found.T / settings.temperature
            alike = alike.masked_fill(torch.eye(2 * many, dtype=torch.bool), -torch.inf)
            loss = functional.cross_entropy(alike, torch.arange(2 * many).roll(many))
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    return encoder.eval()
