"""Sums over everything up to each row, which give the states before all rows of a history in one pass.

Shapes: b users, t rows, and whatever follows; state number i knows the first i rows.
"""

import torch
from torch import Tensor


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


def running_average(values: Tensor, weights: Tensor) -> Tensor:
    """(b, t + 1, K, d) means of the first i values (b, t, d), each counted by its weights (b, t, K); 0 for i = 0."""
    summed = from_nothing(torch.cumsum(weights[..., None] * values[:, :, None], dim=1))
    mass = from_nothing(torch.cumsum(weights, dim=1))
    return summed / mass.clamp(min=1e-6)[..., None]
