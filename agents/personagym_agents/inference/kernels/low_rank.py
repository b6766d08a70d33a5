"""What users' own adapters add to a layer, compiled by Numba: every token through the factors of its user's adapter.

A run of neighbouring tokens that share an adapter is short when many adapters share a batch, and a library's product
costs more to call than to compute. Here one call serves all runs.
"""

import numpy as np
import torch

from personagym_agents.inference.kernels.matmul_tile import TILE, Floats, add_product, compiled
from personagym_agents.inference.kernels.simd import WIDTH
from personagym_agents.inference.pass_layout import Index


def suits_low_rank(answer: torch.Tensor) -> bool:
    """Whether it is made for an answer: on a processor, in float32, in vectors of `WIDTH`."""
    return answer.device.type == "cpu" and answer.dtype == torch.float32 and answer.shape[-1] % WIDTH == 0


def padded_to_lanes(factors: torch.Tensor, dim: int) -> torch.Tensor:
    """Factors with zeros behind them along a dimension, so that vectors of `WIDTH` fill it."""
    shape = list(factors.shape)
    shape[dim] = -shape[dim] % WIDTH
    return torch.cat([factors, factors.new_zeros(shape)], dim=dim).contiguous()


def add_low_rank(
    answer: torch.Tensor, tokens: torch.Tensor, downs: torch.Tensor, ups: torch.Tensor, adapters: Index, ends: Index
) -> None:
    """Add tokens (t, in) times their adapters' factors to the answer (t, out), in place.

    Args:
        answer: (t, out), out a multiple of `WIDTH`.
        tokens: (t, in).
        downs: (a, in, rank), the rank a multiple of `WIDTH`.
        ups: (a, rank, out).
        adapters: (r,) adapter of each run of neighbouring tokens.
        ends: (r,) one behind the last token of each run.
    """
    _add_low_rank(answer.numpy(), tokens.contiguous().numpy(), downs.numpy(), ups.numpy(), adapters, ends)


@compiled
def _add_low_rank(answer: Floats, tokens: Floats, downs: Floats, ups: Floats, adapters: Index, ends: Index) -> None:
    rank, begin = ups.shape[1], 0
    inner = np.empty((TILE, rank), np.float32)
    for run in range(len(ends)):
        down, up = downs[adapters[run]], ups[adapters[run]]
        for t in range(begin, ends[run], TILE):
            rows = min(TILE, ends[run] - t)
            inner[:] = 0
            for i in range(0, rank, WIDTH):
                add_product(inner, 0, i, tokens, t, rows, down, i)
            for i in range(0, answer.shape[1], WIDTH):
                add_product(answer, t, i, inner, 0, rows, up, i)
        begin = ends[run]
