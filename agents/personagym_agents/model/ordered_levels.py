"""Levels of evidence begin in order: the embeddings of neighbouring levels of a field begin near each other.

Tokens know nothing of what they spell. Forty levels of a field that begin at random have to be learned one by one, from
a fortieth of the rows each; on a smooth curve they are a number from the first step on. Training moves them freely.
"""

from collections.abc import Sequence
from typing import cast

import torch
from transformers import PreTrainedModel

_WAVES = 3
"""Cosines along a field's levels, besides the straight line."""


@torch.no_grad()
def order_levels(
    model: PreTrainedModel, fields: Sequence[Sequence[Sequence[int]]], *, share: float = 1.0, kept: float = 0.0
) -> None:
    """Give the tokens of each field's levels embeddings along a random smooth curve.

    Args:
        model: a causal LM.
        fields: the tokens of each level of each field; levels that take several tokens stay as they are.
        share: of the curve in the embeddings.
        kept: share in them of what they are: 0 where that is random, 1 where it is what spells the levels.
    """
    table = cast(torch.Tensor, model.get_input_embeddings().weight)
    spread = float(table.std())
    for levels in fields:
        whole = [(place, tokens[0]) for place, tokens in enumerate(levels) if len(tokens) == 1]
        if len(whole) < 2:
            continue
        along = torch.tensor([place / (len(levels) - 1) for place, _ in whole])
        waves = [torch.cos(torch.pi * along * wave) for wave in range(2, 2 + _WAVES)]
        curve = torch.stack([torch.ones_like(along), 3**0.5 * (2 * along - 1), *waves], dim=1)
        directions = torch.randn(curve.shape[1], table.shape[1]) * spread
        directions[1] *= 2
        directions[2:] *= 0.5
        places = [token for _, token in whole]
        table[places] = kept * table[places] + share * (curve @ directions)
