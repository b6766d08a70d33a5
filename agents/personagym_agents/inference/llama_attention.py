"""Attention of Llama-shaped layers in packed passes, with fewer walks over memory than `transformers` takes.

A pass is wide and its model small, so whatever is done number by number costs as much as the matrix products. Here a
rotary embedding (Su et al., arXiv 2104.09864) is written straight into its place, and queries, keys and values are made
only where a pass asks for them: the last layer's queries and outputs for the answers' tokens alone.
"""

from typing import Any, cast

import torch
from torch import nn
from transformers.models.llama.modeling_llama import LlamaAttention

from personagym_agents.inference.packed_pass import PackedPass


class PackedLlamaAttention(LlamaAttention):
    """`LlamaAttention`, which it is in all but packed passes."""

    def forward(
        self,
        hidden_states: torch.Tensor,
        position_embeddings: tuple[torch.Tensor, torch.Tensor] | None = None,
        *args: Any,
        packed_pass: PackedPass | None = None,
        **kwargs: Any,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """(1, t, d) of the tokens that ask, with rotary embeddings (1, t, head width) of their positions."""
        if packed_pass is None or position_embeddings is None:
            return super().forward(hidden_states, position_embeddings, *args, **kwargs)
        layer, tokens = self.layer_idx, hidden_states[0]
        # Either half of a rotary embedding is the same.
        cos, sin = (part[0, :, None, : self.head_dim // 2] for part in position_embeddings)

        def made(projection: nn.Module) -> torch.Tensor:
            made: torch.Tensor = projection(tokens)
            return made.view(len(tokens), -1, self.head_dim)

        if packed_pass.tells_in(layer):
            packed_pass.tell(layer, rotated(made(self.k_proj), cos, sin), made(self.v_proj))
        seen = packed_pass.ask(layer, rotated(made(self.q_proj), cos, sin), self.scaling)
        # As of any fused attention, nobody gets to see the weights.
        return self.o_proj(seen.flatten(1))[None], cast(torch.Tensor, None)


def rotated(heads: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """(t, heads, w) with rotary embeddings, cosines and sines (t, 1, w / 2); what `apply_rotary_pos_emb` gives."""
    answer = torch.empty_like(heads)
    (left, right), (to_left, to_right) = heads.chunk(2, dim=-1), answer.chunk(2, dim=-1)
    torch.mul(left, cos, out=to_left).addcmul_(right, sin, value=-1)
    torch.mul(right, cos, out=to_right).addcmul_(left, sin)
    return answer


def take_short_cuts(model: nn.Module) -> None:
    """Let the Llama attention layers of a model be `PackedLlamaAttention`; others stay as they are."""
    for module in model.modules():
        if type(module) is LlamaAttention:
            module.__class__ = PackedLlamaAttention
