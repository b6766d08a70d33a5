"""What a policy network reads off the Dict observation: the user, the moment, and what the session has been like."""

import numpy as np
import numpy.typing as npt
import torch
from gymnasium import spaces

try:
    from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
except ImportError as error:
    raise ImportError("policies need Stable-Baselines3: pip install 'personagym[rl]'") from error

NEEDED = ("history_items", "history_ratings", "profile", "step")
"""Parts of the observation that are read; `user` is not, so a policy works for users that it has not met."""


class SessionFeatures(BaseFeaturesExtractor):
    """One row of f + 2g + 3 numbers of order 1 per observation; nothing in it is learned.

    Profile (f) and step (1) as they are; then four sums over the steps of the session in which something was consumed,
    each weighted by `forgetting ** age` and multiplied by `1 - forgetting`, so that they lie in 0..1: of 1 (how often
    users consumed of late), of the item's genres (g: what they may be tired of), of the rating's share of the scale's
    end (how much they liked it), and of genres times that share (g: what they liked).

    Args:
        observation_space: with the parts `NEEDED`; others are ignored.
        item_genres: (m, g) shares, see `personagym_env.data.tables.Catalogue.genre_shares`.
        forgetting: in 0..1 (1 excluded).

    Raises:
        ValueError: the space lacks a part, or the items do not fit it.
    """

    summed: torch.Tensor
    """(m + 1, 1 + g) what each item adds to sums: 1 and its genres; row 0 stands for no item and adds nothing."""
    weight: torch.Tensor
    """(h,) of each step, the latest last."""
    weight_of_rating: torch.Tensor
    """(h,) what a rating is multiplied by, to weigh its share of the scale's end."""

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
        age = torch.arange(items.shape[0] - 1, -1, -1, dtype=torch.float32)
        table = torch.zeros(n_items + 1, 1 + n_genres)
        table[1:, 0] = 1
        table[1:, 1:] = torch.as_tensor(item_genres)
        weight = (1 - forgetting) * forgetting**age
        # Not persistent: they come from the constructor's arguments, and weights should hold what was learned.
        self.register_buffer("summed", table, persistent=False)
        self.register_buffer("weight", weight, persistent=False)
        self.register_buffer("weight_of_rating", weight / float(ratings.high.max()), persistent=False)

    def forward(self, observations: dict[str, torch.Tensor]) -> torch.Tensor:
        """(n, f + 2g + 3) numbers of the observations."""
        items = observations["history_items"].long() + 1  # (n, h) 0 where nothing was consumed
        weights = self.weight.expand(items.shape), self.weight_of_rating * observations["history_ratings"]
        # Weighted sums of table rows: as a bag of embeddings, an array (n, h, 1 + g) is never made.
        sums = [
            torch.nn.functional.embedding_bag(items, self.summed, per_sample_weights=weight, mode="sum")
            for weight in weights
        ]
        return torch.cat([observations["profile"], observations["step"], *sums], dim=1)
