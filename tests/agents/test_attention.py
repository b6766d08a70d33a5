"""Attention to a shared prefix and to one's own run, joined, equals one softmax over all that is seen."""

import numpy as np
import pytest
import torch

from personagym_agents.attention import Prefix, attend, attend_plainly, attend_to_prefix_and_run
from personagym_agents.layout import Runs, arrange

HEADS, WIDTH, SCALE = 4, 8, 0.3


def dense(query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """(heads, width) of one query (heads, width) over keys and values (t, key heads, width)."""
    keys, values = (part.repeat_interleave(HEADS // part.shape[1], dim=1) for part in (keys, values))
    weights = torch.softmax(torch.einsum("hd,thd->ht", query, keys) * SCALE, dim=-1)
    return torch.einsum("ht,thd->hd", weights, values)


@pytest.mark.parametrize("key_heads", [4, 2])
@pytest.mark.parametrize("stored", [0, 9])
def test_joined_parts_equal_one_softmax(key_heads: int, stored: int) -> None:
    torch.manual_seed(0)
    lengths = np.array([[0, 3, 1, 7], [0, 2, 2, 3]])
    ends = np.cumsum(lengths.ravel())
    total, begins = int(ends[-1]), (ends - lengths.ravel()).reshape(lengths.shape)
    layout = arrange(
        Runs(np.zeros(total, np.int64), np.zeros(total, np.int64), begins, lengths), torch.device("cpu"), torch.float32
    )
    # Large scores: a joint that forgot the log-sum-exp would be far off.
    queries = 4 * torch.randn(total, HEADS, WIDTH)
    keys, values = torch.randn(2, total, key_heads, WIDTH)
    old_keys, old_values = torch.randn(2, 2, key_heads, stored, WIDTH)
    filled = [stored, max(stored - 4, 0)]
    mask = torch.zeros(2, 1, 1, stored)
    mask[1, ..., filled[1] :] = torch.finfo(torch.float32).min
    prefix = Prefix(old_keys, old_values, mask) if stored else None

    def asked(questions: torch.Tensor, answers: bool) -> torch.Tensor:
        laid = layout.answers if answers else layout.everything
        assert laid is not None
        return attend_to_prefix_and_run(questions, keys, values, laid, layout.own_keys, prefix, SCALE)

    everything = asked(queries, answers=False)
    for row in range(2):
        for begin, length in zip(begins[row], lengths[row], strict=True):
            for token in range(begin, begin + length):
                seen_keys, seen_values = (
                    torch.cat([old[row, :, : filled[row]].transpose(0, 1), own[begin : token + 1]])
                    for old, own in ((old_keys, keys), (old_values, values))
                )
                torch.testing.assert_close(everything[token], dense(queries[token], seen_keys, seen_values))
    last = (begins + lengths - 1)[:, 1:].ravel()
    torch.testing.assert_close(asked(queries[last], answers=True), everything[last])


@pytest.mark.parametrize("rows", [1, 5])
@pytest.mark.parametrize("key_heads", [4, 2])
def test_both_ways_of_attending_agree(key_heads: int, rows: int) -> None:
    torch.manual_seed(0)
    query = torch.randn(2, HEADS, 5, WIDTH)
    key, value = torch.randn(2, 2, key_heads, 7, WIDTH)
    mask = torch.zeros(2, 1, rows, 7).masked_fill(torch.rand(2, 1, rows, 7) > 0.7, torch.finfo(torch.float32).min)
    fused = attend(query, key, value, SCALE, mask=mask)
    key, value = (part.repeat_interleave(HEADS // key_heads, dim=1) for part in (key, value))
    for one, other in zip(fused, attend_plainly(query, key, value, SCALE, mask=mask), strict=True):
        torch.testing.assert_close(one, other)
