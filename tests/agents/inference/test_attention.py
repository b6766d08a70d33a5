"""Attention to a shared prefix and to one's own run equals one softmax over all that is seen, either way."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from numba.core.caching import CompileResultCacheImpl

from personagym_agents.inference.attention import Prefix, attend, attend_plainly, attend_to_prefix_and_run
from personagym_agents.inference.kernels.matmul_tile import TILE, compiled
from personagym_agents.inference.kernels.row_attention import BLOCK, attend_row_by_row
from personagym_agents.inference.pass_layout import Runs, Spans, arrange, spans_of_all, spans_of_answers

HEADS, WIDTH, SCALE = 4, 8, 0.3


def dense(query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """(heads, width) of one query (heads, width) over keys and values (t, key heads, width)."""
    keys, values = (part.repeat_interleave(HEADS // part.shape[1], dim=1) for part in (keys, values))
    weights = torch.softmax(torch.einsum("hd,thd->ht", query, keys) * SCALE, dim=-1)
    return torch.einsum("ht,thd->hd", weights, values)


def runs_of(lengths: np.ndarray) -> Runs:
    """Tokens of runs (b, 1 + k) of which only the lengths matter."""
    ends = np.cumsum(lengths.ravel())
    zeros = np.zeros(int(ends[-1]), np.int64)
    return Runs(zeros, zeros, (ends - lengths.ravel()).reshape(lengths.shape), lengths)


class Scene:
    """Questions of a pass over two rows, the second of which has stored less, and what they see."""

    def __init__(self, runs: Runs, stored: int, key_heads: int) -> None:
        torch.manual_seed(0)
        self.runs, total = runs, len(runs.tokens)
        # Large scores: a joint that forgot the log-sum-exp would be far off.
        self.queries = 4 * torch.randn(total, HEADS, WIDTH)
        self.keys, self.values = torch.randn(2, total, key_heads, WIDTH)
        self.old_keys, self.old_values = torch.randn(2, 2, key_heads, stored, WIDTH)
        self.filled = np.array([stored, max(stored - 7, 0)])

    def expected(self) -> Iterator[tuple[int, torch.Tensor]]:
        """Each token that looks at its own run, with its attention by one softmax."""
        for row in range(2):
            runs = list(zip(self.runs.begins[row], self.runs.lengths[row], strict=True))
            for begin, length in runs[1:] or runs:
                for token in range(begin, begin + length):
                    seen = (
                        torch.cat([old[row, :, : self.filled[row]].transpose(0, 1), own[begin : token + 1]])
                        for old, own in ((self.old_keys, self.keys), (self.old_values, self.values))
                    )
                    yield token, dense(self.queries[token], *seen)


@pytest.mark.parametrize("key_heads", [4, 2])
@pytest.mark.parametrize("stored", [0, 9])
def test_joined_parts_equal_one_softmax(key_heads: int, stored: int) -> None:
    runs = runs_of(np.array([[0, 3, 1, 7], [0, 2, 2, 3]]))
    scene = Scene(runs, stored, key_heads)
    layout = arrange(runs, torch.device("cpu"), torch.float32)
    mask = torch.zeros(2, 1, 1, stored)
    mask[1, ..., scene.filled[1] :] = torch.finfo(torch.float32).min
    prefix = Prefix(scene.old_keys, scene.old_values, mask) if stored else None

    def asked(questions: torch.Tensor, answers: bool) -> torch.Tensor:
        laid = layout.answers if answers else layout.everything
        assert laid is not None
        return attend_to_prefix_and_run(questions, scene.keys, scene.values, laid, layout.own_keys, prefix, SCALE)

    everything = asked(scene.queries, answers=False)
    for token, attention in scene.expected():
        torch.testing.assert_close(everything[token], attention)
    last = runs.candidate_ends
    torch.testing.assert_close(asked(scene.queries[last], answers=True), everything[last])


@pytest.mark.parametrize("key_heads", [4, 2])
@pytest.mark.parametrize("stored", [0, 8, 2 * BLOCK + TILE])
@pytest.mark.parametrize(
    "lengths",
    [
        [[0, 3, 1, 7], [0, 2, 2, 3]],
        [[0, 17, 16, 2 * BLOCK + 3], [0, 1, BLOCK, BLOCK + 1]],
        [[2 * BLOCK + 3], [1]],
    ],
)
def test_rows_equal_one_softmax(lengths: list[list[int]], stored: int, key_heads: int) -> None:
    """Runs and prefixes of one block and of several; with candidates, and of pending tokens alone."""
    runs = runs_of(np.array(lengths))
    scene = Scene(runs, stored, key_heads)

    def asked(questions: torch.Tensor, spans: Spans) -> torch.Tensor:
        old, rows = (scene.old_keys, scene.old_values), np.arange(2)
        return attend_row_by_row(questions, scene.keys, scene.values, spans, old, rows, scene.filled, SCALE)

    everything = asked(scene.queries, spans_of_all(runs))
    for token, attention in scene.expected():
        torch.testing.assert_close(everything[token], attention)
    if runs.candidates:
        last = runs.candidate_ends
        torch.testing.assert_close(asked(scene.queries[last], spans_of_answers(runs)), everything[last])


def test_a_pending_token_before_candidates_sees_itself_among_what_is_stored() -> None:
    runs = runs_of(np.array([[1, 2], [1, 3]]))
    scene = Scene(runs, 2 * TILE, HEADS)
    old, rows = (scene.old_keys, scene.old_values), np.array([1, 0])
    seen = attend_row_by_row(
        scene.queries, scene.keys, scene.values, spans_of_all(runs), old, rows, scene.filled, SCALE
    )
    for row, token in enumerate(runs.begins[:, 0]):
        kept = (side[rows[row], :, : scene.filled[row]].transpose(0, 1) for side in old)
        torch.testing.assert_close(seen[token], dense(scene.queries[token], *kept))


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


def test_functions_are_compiled_where_nothing_can_be_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CompileResultCacheImpl, "_locator_classes", [])
    double = compiled(lambda number: 2 * number)
    assert double(21) == 42
