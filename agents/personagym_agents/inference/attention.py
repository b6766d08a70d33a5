"""Attention of packed passes in rectangles, where `row_attention` does not serve: other devices, types and head widths.

A stored prefix that all runs of a row share and a token's own run are looked at apart and joined by their log-sum-exp,
as Hydragen does for shared prefixes (Juravsky et al. 2024, section 3.1) and flash-decoding for parts of a long
sequence: with outputs o_p and o_s and log-sum-exp l_p and l_s the whole is o_p + (o_s - o_p) sigmoid(l_s - l_p). That
is exact; no candidate pays for looking at the others.
"""

from typing import NamedTuple

import torch

from personagym_agents.inference.pass_layout import Queries


class Prefix(NamedTuple):
    """What the rows of a pass share: the first `columns` of their stored keys and values."""

    keys: torch.Tensor
    """(b, heads, columns, head width)"""
    values: torch.Tensor
    """likewise."""
    mask: torch.Tensor
    """(b, 1, 1, columns), additive: rows have filled differently many columns."""


def attend_to_prefix_and_run(
    queries: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    questions: Queries,
    own_keys: torch.Tensor,
    prefix: Prefix | None,
    scale: float,
) -> torch.Tensor:
    """(q, heads, head width) attention of the questions.

    Args:
        queries: (q, heads, head width).
        keys: (T, key heads, head width) of the pass's tokens; each serves equally many heads of the queries.
        values: likewise.
        questions: how the queries are laid into rectangles.
        own_keys: (n, L) tokens of the bins of runs.
        prefix: what the rows have stored, None if nothing is.
        scale: of the scores.
    """
    grid, place = questions.own_grid, questions.own_place
    parts = attend(_laid(queries, grid), _laid(keys, own_keys), _laid(values, own_keys), scale, mask=questions.own_mask)
    own, own_sum = (part.transpose(1, 2).flatten(0, 1) for part in parts)
    nowhere = place == grid.numel()
    own, own_sum = (part.index_select(0, place.masked_fill(nowhere, 0)) for part in (own, own_sum))
    if prefix is None:
        return own
    parts = attend(_laid(queries, questions.grid), prefix.keys, prefix.values, scale, mask=prefix.mask)
    seen, seen_sum = (part.transpose(1, 2).flatten(0, 1).index_select(0, questions.place) for part in parts)
    share = torch.sigmoid(own_sum - seen_sum).masked_fill_(nowhere[:, None], 0.0)
    return torch.lerp(seen, own, share[..., None].to(own.dtype))


def attend(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float, *, mask: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Attention (n, heads, w, head width) and its log-sum-exp (n, heads, w).

    Args:
        query: (n, heads, w, head width).
        key: (n, key heads, L, head width).
        value: likewise.
        scale: of the scores.
        mask: (n, 1, w or 1, L), additive.
    """
    rows, heads, width, _ = query.shape
    each = heads // key.shape[1]
    if each > 1 and mask.shape[2] == 1:
        # Heads that share keys stand as further queries, so that no stored key is copied.
        output, total = attend(query.reshape(rows, -1, each * width, query.shape[3]), key, value, scale, mask=mask)
        return output.reshape(rows, heads, width, -1), total.reshape(rows, heads, width)
    if each > 1:
        key, value = (part.repeat_interleave(each, dim=1) for part in (key, value))
    if query.device.type == "cpu":
        output, total = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
            query, key, value, attn_mask=mask, scale=scale
        )
        return output, total
    return attend_plainly(query, key, value, scale, mask=mask)


def attend_plainly(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float, *, mask: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """What `attend` gives, with as many heads of keys as of queries, from matrix products alone.

    For devices whose fused kernels keep the log-sum-exp to themselves.
    """
    scores = (query @ key.transpose(2, 3)).float() * scale + mask
    total = torch.logsumexp(scores, dim=-1)
    return (scores - total[..., None]).exp().to(value.dtype) @ value, total


def _laid(tokens: torch.Tensor, grid: torch.Tensor) -> torch.Tensor:
    """(n, heads, w, head width) tokens (t, heads, head width) at the places (n, w) of a grid."""
    return tokens.index_select(0, grid.flatten()).view(*grid.shape, *tokens.shape[1:]).transpose(1, 2)
