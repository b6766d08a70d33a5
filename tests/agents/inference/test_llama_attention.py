"""Short cuts of Llama's attention give what `transformers` gives."""

from collections.abc import Callable

import torch
from transformers import PreTrainedModel
from transformers.models.llama.modeling_llama import LlamaAttention, apply_rotary_pos_emb

from personagym_agents.inference.llama_attention import PackedLlamaAttention, rotated, take_short_cuts


def test_rotary_embeddings_are_those_of_transformers() -> None:
    torch.manual_seed(0)
    heads, angle = torch.randn(7, 4, 8), torch.randn(7, 4)
    cos, sin = (torch.cat([part, part], dim=-1)[None] for part in (angle.cos(), angle.sin()))
    expected, _ = apply_rotary_pos_emb(heads.transpose(0, 1)[None], heads.transpose(0, 1)[None], cos, sin)
    own = rotated(heads, angle.cos()[:, None], angle.sin()[:, None])
    torch.testing.assert_close(own, expected[0].transpose(0, 1))


def test_other_passes_and_other_architectures_stay_as_they_are(tiny_model: Callable[..., PreTrainedModel]) -> None:
    tokens = torch.randint(0, 100, (2, 9), generator=torch.Generator().manual_seed(1))
    for architecture in ("llama", "qwen2"):
        usual, short = (tiny_model(architecture) for _ in range(2))
        take_short_cuts(short)
        shortened = [type(module) for module in short.modules() if isinstance(module, LlamaAttention)]
        assert shortened == ([PackedLlamaAttention] * 2 if architecture == "llama" else [])
        with torch.no_grad():
            torch.testing.assert_close(short(tokens).logits, usual(tokens).logits)
