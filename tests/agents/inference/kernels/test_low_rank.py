"""Every token goes through the factors of its own adapter, whatever the lengths of runs."""

import numpy as np
import pytest
import torch

from personagym_agents.inference.kernels.low_rank import add_low_rank, padded_to_lanes, suits_low_rank
from personagym_agents.inference.kernels.matmul_tile import TILE
from personagym_agents.inference.kernels.simd import WIDTH


@pytest.mark.parametrize("rank", [5, WIDTH, WIDTH + 1])
def test_each_run_goes_through_its_own_factors(rank: int) -> None:
    torch.manual_seed(0)
    lengths, adapters, width = [1, TILE - 1, TILE, 3 * TILE + 2], np.array([2, 0, 2, 1]), 3 * WIDTH
    tokens, downs, ups = torch.randn(sum(lengths), 7), torch.randn(3, 7, rank), torch.randn(3, rank, width)
    before = torch.randn(len(tokens), width)
    answer = before.clone()
    add_low_rank(answer, tokens, padded_to_lanes(downs, 2), padded_to_lanes(ups, 1), adapters, np.cumsum(lengths))
    own = [part @ downs[one] @ ups[one] for part, one in zip(tokens.split(lengths), adapters, strict=True)]
    torch.testing.assert_close(answer, before + torch.cat(own))


def test_other_types_and_widths_are_left_to_torch() -> None:
    assert suits_low_rank(torch.zeros(2, WIDTH))
    assert not suits_low_rank(torch.zeros(2, WIDTH + 1))
    assert not suits_low_rank(torch.zeros(2, WIDTH, dtype=torch.bfloat16))
