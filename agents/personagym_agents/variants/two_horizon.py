"""Users with a profile of their latest items and one of all, fused by a learned gate.

Source: LLM-TUP (arXiv:2508.08454): a short-term summary of the last 3 items and a long-term one, embedded apart, fused
by learned attention weights, trained with binary cross-entropy and 5 negatives.

Formula: s = W_s mean(last 3 tokens), l = W_l mean(all tokens), g = softmax(MLP(s, l)), z = g_1 s + g_2 l; without the
core z = W_l mean(all tokens), one profile.

What differs: profiles are means of learned item vectors instead of a language model's summaries in MiniLM's space, and
a second tower of the same kind predicts ratings. What is left out: the summaries themselves, so nothing can be read.
"""

from functools import partial

import torch
from torch import Tensor, nn

from personagym_agents.classical.users import fit_users_of
from personagym_agents.variants.towers import TowerSettings, fit_towers
from personagym_env.data.tables import Dataset, Interactions
from personagym_env.protocols import UserAgent

SHORT = 3
"""Latest rows of the short-term profile."""


class OneHorizon(nn.Module):
    """One profile, of all rows."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.long = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """(b, t, d) tokens to (b, t + 1, 1, d) states."""
        states: Tensor = self.long(running_mean(tokens))
        return states[:, :, None]


class TwoHorizons(OneHorizon):
    """Two profiles and a gate."""

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.short = nn.Linear(width, width)
        self.gate = nn.Sequential(nn.Linear(2 * width, width), nn.ReLU(), nn.Linear(width, 2))

    def forward(self, tokens: Tensor) -> Tensor:
        """(b, t, d) tokens to (b, t + 1, 1, d) states."""
        horizons = torch.stack([self.short(running_mean(tokens, SHORT)), self.long(running_mean(tokens))], dim=-2)
        weights = torch.softmax(self.gate(horizons.flatten(-2)), dim=-1)
        return (weights[..., None] * horizons).sum(dim=-2, keepdim=True)


def running_mean(tokens: Tensor, window: int | None = None) -> Tensor:
    """(b, t + 1, d) mean of the first i tokens, or of the last `window` of them; 0 for i = 0."""
    summed = from_nothing(torch.cumsum(tokens, dim=1))
    count = torch.arange(summed.shape[1]).clamp(min=1)
    if window is None:
        return summed / count[:, None]
    earlier = (torch.arange(summed.shape[1]) - window).clamp(min=0)
    return (summed - summed[:, earlier]) / count.clamp(max=window)[:, None]


def from_nothing(states: Tensor) -> Tensor:
    """(b, t + 1, ...) with a state of zeros before the first row."""
    return torch.cat([torch.zeros_like(states[:, :1]), states], dim=1)


def fit_two_horizon(
    dataset: Dataset, train: Interactions, *, core: bool = True, seed: int = 0, device: str | None = None
) -> UserAgent:
    """Fit the users; they run on the processor, whatever the device.

    Args:
        dataset: genres of items.
        train: rows that the users may know.
        core: two profiles; one without it.
        seed: of all that is drawn.
        device: not used.

    Raises:
        ValueError: `train` is empty.
    """
    settings = TowerSettings()
    encoder = TwoHorizons if core else OneHorizon
    fit = partial(fit_towers, genres=dataset.catalogue.genres, encoder=encoder, settings=settings, seed=seed)
    told = (core, settings, dataset.catalogue.genres.tolist())
    return fit_users_of("two-horizon", fit, train, told=told, seed=seed)
