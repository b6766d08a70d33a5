"""Attention of packed passes on a processor, row by row: each row looks at what it has stored and no further.

A library's fused kernel wants rectangles: rows padded to the longest prefix, runs that share a bin behind a mask, and
both parts of the attention joined afterwards. Here a head of a row is done at a time, with the softmax kept up to date
from one block of keys to the next (Milakov and Gimelshein 2018; Dao et al. 2022). Questions stand in the lanes of the
vector unit, so that keys and values are read as they lie and nothing is ever summed across lanes.
"""

from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.polynomial import Chebyshev, Polynomial
from torch.profiler import record_function

from personagym_agents.inference.kernels.matmul_tile import TILE, Floats, add_product, compiled
from personagym_agents.inference.kernels.simd import (
    WIDTH,
    larger,
    load,
    round_half_up,
    spread,
    store,
    two_to_whole,
    where_above,
)
from personagym_agents.inference.pass_layout import Index, Spans
from personagym_agents.inference.thread_pool import side_by_side

BLOCK = 64
"""Keys that are looked at at a time: their scores stay in the fastest cache."""
_NEVER = np.float32(-1e30)
"""The score of what a question does not see."""
_LEAST = np.float32(-126)
"""Lower powers of two are no normal numbers; what is that unlikely counts as nothing."""
_P0, _P1, _P2, _P3, _P4, _P5 = (
    np.float32(p) for p in Chebyshev.interpolate(np.exp2, 5, [-0.5, 0.5]).convert(kind=Polynomial).coef
)
"""2 ** x in -1/2..1/2, with an error below 1e-7."""


class Workspace(NamedTuple):
    """Space in which a head of a row is worked on."""

    asked: Floats
    """(head width, lanes) the questions, scaled."""
    limit: Floats
    """(1, lanes) how many keys of a block each question sees."""
    scores: Floats
    """(`BLOCK`, `WIDTH`) of the lanes at work; then their weights."""
    softmax: Floats
    """(2, lanes) highest score so far, and the sum of weights so far."""
    seen: Floats
    """(head width, lanes) sum of weighted values so far."""
    keys: Floats
    """(`BLOCK`, head width) a block of a run's keys."""
    values: Floats
    """likewise."""


def suits_row_attention(queries: torch.Tensor) -> bool:
    """Whether it is made for queries: on a processor, in float32, heads a multiple of `TILE` numbers wide."""
    return queries.device.type == "cpu" and queries.dtype == torch.float32 and queries.shape[-1] % TILE == 0


def attend_row_by_row(
    queries: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    spans: Spans,
    stored: tuple[torch.Tensor, torch.Tensor],
    at: Index,
    visible: Index,
    scale: float,
) -> torch.Tensor:
    """(q, heads, head width) attention of the questions; rows are shared among as many threads as torch has.

    Args:
        queries: (q, heads, head width), the width a multiple of `TILE`.
        keys: (T, key heads, head width) of the pass's tokens; each serves equally many heads of the queries.
        values: likewise.
        spans: what the questions see of them.
        stored: keys and values (n, key heads, columns, head width) of all prefixes, columns a multiple of `TILE`.
        at: (b,) which of the prefixes is whose.
        visible: (b,) columns that each row sees.
        scale: of the scores.
    """
    answer = torch.empty(queries.shape)
    asked, own_keys, own_values, kept_keys, kept_values = (
        part.contiguous().numpy() for part in (queries, keys, values, *stored)
    )
    factor = np.float32(scale * np.log2(np.e))

    def attend(rows: slice) -> None:
        mine = spans._replace(rows=spans.rows[rows.start : rows.stop + 1])
        _attend(
            asked, own_keys, own_values, *mine, kept_keys, kept_values, at[rows], visible[rows], factor, answer.numpy()
        )

    size = -(-len(at) // torch.get_num_threads())
    shares = [slice(begin, min(begin + size, len(at))) for begin in range(0, len(at), size)]
    with record_function("attend_row_by_row"):
        side_by_side([partial(attend, rows) for rows in shares])
    return answer


@compiled
def _power(x: Any) -> Any:
    """2 ** x of lanes that are at most 0."""
    x = larger(x, spread(_LEAST))
    whole = round_half_up(x)
    r = x - whole
    p = spread(_P4) + spread(_P5) * r
    p = spread(_P3) + p * r
    p = spread(_P2) + p * r
    p = spread(_P1) + p * r
    return (spread(_P0) + p * r) * two_to_whole(whole)


@compiled
def _add_values(seen: Floats, values: Floats, weights: Floats, size: int, c: int, i: int) -> None:
    """Add coordinates c:c + TILE of the weighted values to what lanes i:i + WIDTH have seen."""
    s0, s1, s2, s3 = load(seen, c, i), load(seen, c + 1, i), load(seen, c + 2, i), load(seen, c + 3, i)
    s4, s5, s6, s7 = load(seen, c + 4, i), load(seen, c + 5, i), load(seen, c + 6, i), load(seen, c + 7, i)
    for j in range(size):
        weight = load(weights, j, 0)
        s0 = s0 + spread(values[j, c]) * weight
        s1 = s1 + spread(values[j, c + 1]) * weight
        s2 = s2 + spread(values[j, c + 2]) * weight
        s3 = s3 + spread(values[j, c + 3]) * weight
        s4 = s4 + spread(values[j, c + 4]) * weight
        s5 = s5 + spread(values[j, c + 5]) * weight
        s6 = s6 + spread(values[j, c + 6]) * weight
        s7 = s7 + spread(values[j, c + 7]) * weight
    store(seen, c, i, s0)
    store(seen, c + 1, i, s1)
    store(seen, c + 2, i, s2)
    store(seen, c + 3, i, s3)
    store(seen, c + 4, i, s4)
    store(seen, c + 5, i, s5)
    store(seen, c + 6, i, s6)
    store(seen, c + 7, i, s7)


@compiled
def _weigh(scores: Floats, size: int, i: int, softmax: Floats, seen: Floats) -> None:
    """Turn a block's scores for lanes i:i + WIDTH into weights, all weights so far being relative to one maximum."""
    before = load(softmax, 0, i)
    highest = before
    for j in range(size):
        highest = larger(highest, load(scores, j, 0))
    kept = _power(before - highest)
    total = load(softmax, 1, i) * kept
    for j in range(size):
        weight = _power(load(scores, j, 0) - highest)
        total = total + weight
        store(scores, j, 0, weight)
    store(softmax, 0, i, highest)
    store(softmax, 1, i, total)
    for c in range(len(seen)):
        store(seen, c, i, load(seen, c, i) * kept)


@compiled
def _look(work: Workspace, keys: Floats, values: Floats, size: int, first: int, behind: int, limited: bool) -> None:
    """Let questions look at a block of keys.

    Args:
        work: with what the questions have seen before.
        keys: (size, head width), with what does not matter up to a multiple of `TILE`.
        values: (size, head width).
        size: keys of the block, at most `BLOCK`.
        first: lane that looks.
        behind: lane behind the last that looks; the rest of the last vector looks as well.
        limited: whether some see less than all of them.
    """
    asked, limit, scores, softmax, seen, _, _ = work
    for i in range(first, behind, WIDTH):
        for j in range(0, size, TILE):
            for k in range(j, j + TILE):
                store(scores, k, 0, spread(np.float32(0)))
            add_product(scores, j, 0, keys, j, TILE, asked, i)
        if limited:
            sees = load(limit, 0, i)
            for j in range(size):
                store(scores, j, 0, where_above(sees, spread(np.float32(j)), load(scores, j, 0), spread(_NEVER)))
        _weigh(scores, size, i, softmax, seen)
        for c in range(0, len(seen), TILE):
            _add_values(seen, values, scores, size, c, i)


@compiled
def _look_at_prefix(work: Workspace, keys: Floats, values: Floats, visible: int, count: int) -> None:
    """Let all questions look at what their row has stored, keys and values (columns, head width) of a head."""
    for begin in range(0, visible, BLOCK):
        _look(work, keys[begin:], values[begin:], min(BLOCK, visible - begin), 0, count, False)


@compiled
def _look_at_runs(work: Workspace, keys: Floats, values: Floats, begins: Index, ends: Index) -> None:
    """Let each question look at its own run among the pass's keys and values (T, head width) of a head."""
    first, count = 0, len(begins)
    while first < count:
        behind = first + 1
        while behind < count and begins[behind] == begins[first]:
            behind += 1
        for begin in range(begins[first], ends[behind - 1], BLOCK):
            size = min(BLOCK, ends[behind - 1] - begin)
            for j in range(size):
                for c in range(keys.shape[1]):
                    work.keys[j, c], work.values[j, c] = keys[begin + j, c], values[begin + j, c]
            # Earlier questions of the run see nothing of this block, nor do others that fill up its last vector.
            while ends[first] <= begin:
                first += 1
            for i in range(first, behind):
                work.limit[0, i] = ends[i] - begin
            for i in range(behind, behind + WIDTH):
                work.limit[0, i] = 0
            _look(work, work.keys, work.values, size, first, behind, True)
        first = behind


@compiled
def _attend(
    queries: Floats,
    keys: Floats,
    values: Floats,
    rows: Index,
    begins: Index,
    ends: Index,
    stored_keys: Floats,
    stored_values: Floats,
    at: Index,
    visible: Index,
    factor: np.float32,
    answer: Floats,
) -> None:
    """Write the attention of some rows' questions into the answer; the factor makes scores exponents of two."""
    heads, width = queries.shape[1:]
    each = heads // keys.shape[1]
    # The last vector of a run reaches behind the last question.
    lanes = int((rows[1:] - rows[:-1]).max()) + WIDTH
    work = Workspace(
        np.zeros((width, lanes), np.float32),
        np.empty((1, lanes), np.float32),
        np.empty((BLOCK, WIDTH), np.float32),
        np.empty((2, lanes), np.float32),
        np.empty((width, lanes), np.float32),
        np.zeros((BLOCK, width), np.float32),
        np.empty((BLOCK, width), np.float32),
    )
    for row in range(len(at)):
        first, count = rows[row], rows[row + 1] - rows[row]
        for head in range(heads):
            shared = head // each
            for i in range(count):
                for c in range(width):
                    work.asked[c, i] = queries[first + i, head, c] * factor
            work.seen[:, : count + WIDTH], work.softmax[0], work.softmax[1] = 0, _NEVER, 0
            _look_at_prefix(work, stored_keys[at[row], shared], stored_values[at[row], shared], visible[row], count)
            _look_at_runs(
                work, keys[:, shared], values[:, shared], begins[first : first + count], ends[first : first + count]
            )
            for i in range(count):
                for c in range(width):
                    answer[first + i, head, c] = work.seen[c, i] / work.softmax[1, i]
