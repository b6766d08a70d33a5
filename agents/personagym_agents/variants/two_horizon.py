"""Users with a profile of their latest items and one of all, fused by a learned gate.

Source: LLM-TUP (arXiv:2508.08454): a short-term summary of the last 3 items and a long-term one, embedded apart, fused
by learned attention weights, trained with binary cross-entropy and 5 negatives.

Formula: s = W_s mean(last 3 tokens), l = W_l mean(all tokens), g = softmax(MLP(s, l)), z = g_1 s + g_2 l; without the
core z = W_l mean(all tokens), one profile.

What differs: profiles are means of learned item vectors instead of a language model's summaries in MiniLM's space, and
a second tower of the same kind predicts ratings. What is left out: the summaries themselves, so nothing can be read.
"""

import torch
from torch import Tensor, nn

from personagym_agents.variants.prefixes import running_mean
from personagym_agents.variants.towers import fit_tower_users
from personagym_env.data.tables import Dataset, Interactions
from personagym_env.protocols import UserAgent

SHORT = 3
"""Latest rows of the short-term profile."""


class OneHorizon(nn.Module):
    """One profile, of all rows."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.long = nn.Linear(width, width)

    def forward(self, items: Tensor, tokens: Tensor, weights: Tensor) -> Tensor:
        """See `EncoderFactory`; K is 1."""
        states: Tensor = self.long(running_mean(tokens * weights[..., None]))
        return states[:, :, None]


class TwoHorizons(OneHorizon):
    """Two profiles and a gate."""

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.short = nn.Linear(width, width)
        self.gate = nn.Sequential(nn.Linear(2 * width, width), nn.ReLU(), nn.Linear(width, 2))

    def forward(self, items: Tensor, tokens: Tensor, weights: Tensor) -> Tensor:
        """See `EncoderFactory`; K is 1."""
        told = tokens * weights[..., None]
        horizons = torch.stack([self.short(running_mean(told, SHORT)), self.long(running_mean(told))], dim=-2)
        opening = torch.softmax(self.gate(horizons.flatten(-2)), dim=-1)
        return (opening[..., None] * horizons).sum(dim=-2, keepdim=True)


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
    return fit_tower_users("two-horizon", TwoHorizons if core else OneHorizon, dataset, train, told=core, seed=seed)
