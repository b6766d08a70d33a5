"""What a policy network reads off the Dict observation: the user, the moment, and what the session has been like."""

import numpy as np
import numpy.typing as npt
import torch
from gymnasium import spaces

try:
    from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
except ImportError as error:
    raise ImportError("policies need Stable-Baselines3: pip install personagym[rl]") from error

NEEDED = ("history_items", "history_ratings", "profile", "step")
"""Parts of the observation that are read; `user` is not, so a policy works for users that it has not met."""


class SessionFeatures(BaseFeaturesExtractor):
    """One row of f + 2g + 3 numbers of order 1 per observation; nothing in it is learned.

    Profile (f) and step (1) as they are; then three sums over the steps of the session in which something was consumed,
    each weighted by `forgetting ** age` and multiplied by `1 - forgetting`, so that they lie in 0..1: of 1 (how often
    users consumed of late), of the rating's share of the scale's end (how much they liked it), of the item's genres (g:
    what they may be tired of), and of genres times that share (g: what they liked).

    Args:
        observation_space: with the parts `NEEDED`; others are ignored.
        item_genres: (m, g) shares, see `personagym_env.data.tables.Catalogue.genre_shares`.
        forgetting: in 0..1 (1 excluded).

    Raises:
        ValueError: the space lacks a part, or the items do not fit it.
    """

    genres: torch.Tensor
    """(m + 1, g) shares; row 0 stands for no item."""
    weight: torch.Tensor
    """(h,) of each step, the latest last."""

    def __init__(
        self, observation_space: spaces.Dict, item_genres: npt.NDArray[np.floating], forgetting: float = 0.8
    ) -> None:
        if missing := set(NEEDED) - set(observation_space.spaces):
            raise ValueError(f"the observation lacks {sorted(missing)}, got {sorted(observation_space.spaces)}")
        if not 0 <= forgetting < 1:
            raise ValueError(f"forgetting must lie in 0..1, 1 excluded, got {forgetting}")
        items, ratings = observation_space["history_items"], observation_space["history_ratings"]
        assert isinstance(items, spaces.Box)
        assert isinstance(ratings, spaces.Box)
        n_items, n_genres = item_genres.shape
        if int(items.high.max()) != n_items - 1:
            raise ValueError(f"item_genres has {n_items} items, the observation {int(items.high.max()) + 1}")
        profile = observation_space["profile"].shape
        assert profile is not None
        super().__init__(observation_space, profile[0] + 2 * n_genres + 3)
        self.largest_rating = float(ratings.high.max())
        age = torch.arange(items.shape[0] - 1, -1, -1, dtype=torch.float32)
        table = torch.zeros(n_items + 1, n_genres)
        table[1:] = torch.as_tensor(item_genres)
        # Not persistent: they come from the constructor's arguments, and weights should hold what was learned.
        self.register_buffer("genres", table, persistent=False)
        self.register_buffer("weight", (1 - forgetting) * forgetting**age, persistent=False)

    def forward(self, observations: dict[str, torch.Tensor]) -> torch.Tensor:
        """(n, f + 2g + 3) numbers of the observations."""
        items = observations["history_items"].long() + 1  # (n, h) 0 where nothing was consumed
        weight = self.weight * (items > 0)  # (n, h)
        liked = weight * observations["history_ratings"] / self.largest_rating
        # Weighted sums of table rows: as a bag of embeddings, an array (n, h, g) is never made.
        consumed, enjoyed = (
            torch.nn.functional.embedding_bag(items, self.genres, per_sample_weights=one, mode="sum")
            for one in (weight, liked)
        )  # each (n, g)
        moment = torch.stack([weight.sum(dim=1), liked.sum(dim=1)], dim=1)
        return torch.cat([observations["profile"], observations["step"], moment, consumed, enjoyed], dim=1)
