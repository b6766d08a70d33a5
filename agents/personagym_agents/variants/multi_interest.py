"""Users with several interests each, learned ones and ones in words; an item is wanted by the interest it fits best.

Source: bi-level multi-interest users (arXiv:2411.09410): several interest vectors per user, the maximum over which
scores an item, beside interests of typical users in words that a language model wrote once.

Formula: w_jk = exp(a_k . tanh(V x_j)) says how much row j belongs to learned interest k; for an interest in words w_jk
is 1 where the item belongs to topic k, else 0. z_k = W sum_j w_jk x_j / sum_j w_jk, over tokens x_j of the history.
An item q scores sum_k softmax_k(z_k . q) z_k . q, a smooth maximum. Without the core there is one learned interest.

What differs: topics are clusters of items by genres and words of titles, named by the words that stand out, instead of
a language model's sentences. What is left out: aligning both levels by a loss of its own; they meet in the maximum.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from personagym_agents.classical.item_text import text_features
from personagym_agents.variants.prefixes import running_average
from personagym_agents.variants.towers import fit_tower_users
from personagym_env.data.tables import Catalogue, Dataset, IntArray, Interactions
from personagym_env.protocols import UserAgent

INTERESTS = 4
"""Learned ones."""
TOPICS = 8
_WORDS = 3
"""That name a topic."""
_FACTORS = 16
"""Of the texts, in which topics are found."""


class Topics(NamedTuple):
    """Interests that can be told."""

    of_item: IntArray
    """(m,)"""
    names: tuple[str, ...]
    """(topics,) the genres and words that stand out."""


class Interests(nn.Module):
    """Learned interests, and those of topics."""

    def __init__(self, width: int, *, interests: int, topic_of_item: Tensor | None = None) -> None:
        super().__init__()
        self.key = nn.Linear(width, width)
        self.attend = nn.Linear(width, interests)
        self.value = nn.Linear(width, width)
        self.topic_of_item = topic_of_item

    def forward(self, items: Tensor, tokens: Tensor, weights: Tensor) -> Tensor:
        """See `EncoderFactory`."""
        belongs = torch.exp(self.attend(torch.tanh(self.key(tokens))))
        if self.topic_of_item is not None:
            topics = nn.functional.one_hot(self.topic_of_item[items], int(self.topic_of_item.max()) + 1)
            belongs = torch.cat([belongs, topics.to(belongs.dtype)], dim=-1)
        states: Tensor = self.value(running_average(tokens * weights[..., None], belongs))
        return states


def find_topics(catalogue: Catalogue, seed: int) -> Topics:
    """Cluster items by their texts; one topic where these say nothing."""
    from sklearn.cluster import KMeans
    from sklearn.decomposition import TruncatedSVD

    features = text_features(catalogue)
    rank = min(_FACTORS, features.shape[1] - 1)
    if rank < 1:
        return Topics(np.zeros(len(catalogue), np.int64), ("anything",))
    factors = TruncatedSVD(rank, random_state=seed).fit_transform(features)  # type: ignore[no-untyped-call]
    distinct = len(np.unique(np.round(factors, 6), axis=0))
    found = KMeans(min(TOPICS, distinct), n_init=4, random_state=seed).fit(factors)  # type: ignore[no-untyped-call]
    of_item = np.asarray(found.labels_, np.int64)
    return Topics(of_item, tuple(_name(catalogue, of_item == topic) for topic in range(int(of_item.max()) + 1)))


def _name(catalogue: Catalogue, inside: np.ndarray) -> str:
    """The genres that a topic has more of than the catalogue; the first title where there are no genres."""
    lead = catalogue.genres[inside].mean(axis=0) - catalogue.genres.mean(axis=0)
    words = [catalogue.genre_names[genre] for genre in np.argsort(-lead)[:_WORDS] if lead[genre] > 0]
    return ", ".join(words) or f"like {catalogue.titles[int(np.argmax(inside))]}"


def interests_in_words(topics: Topics, log: Interactions, user: int, most: int = 3) -> tuple[str, ...]:
    """What a user turns to, the largest share of the rows first."""
    rows = slice(log.indptr[user], log.indptr[user + 1])
    share = np.bincount(topics.of_item[log.items[rows]], minlength=len(topics.names)) / max(log.counts[user], 1)
    return tuple(f"{share[topic]:.0%} {topics.names[topic]}" for topic in np.argsort(-share)[:most] if share[topic])


def fit_multi_interest(
    dataset: Dataset, train: Interactions, *, core: bool = True, seed: int = 0, device: str | None = None
) -> UserAgent:
    """Fit the users; they run on the processor, whatever the device.

    Args:
        dataset: genres and titles of items.
        train: rows that the users may know.
        core: several interests; one without it.
        seed: of all that is drawn.
        device: not used.

    Raises:
        ValueError: `train` is empty.
    """
    topics = torch.as_tensor(find_topics(dataset.catalogue, seed).of_item) if core else None

    def encoder(width: int) -> nn.Module:
        return Interests(width, interests=INTERESTS if core else 1, topic_of_item=topics)

    told = (core, dataset.catalogue.titles if core else ())
    return fit_tower_users("multi-interest", encoder, dataset, train, told=told, seed=seed)
