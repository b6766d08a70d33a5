"""The network of a tower: an item scores z . q, with z what an encoder reads off a user's earlier rows, q the item's.

Of several states z_k the one that fits the item counts, sum_k softmax_k(z_k . q) z_k . q, which is z . q where there is
one; q is an embedding of the item's own and one of its genres.

Shapes: b users, t rows of the longest history, K states, d width, m items, g genres, c items asked about.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

EncoderFactory = Callable[[int], nn.Module]
"""From the width d to an encoder, which reads items (b, t), their tokens (b, t, d) and how much each counts (b, t), and
gives (b, t + 1, K, d) states: number i knows the first i rows."""


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
