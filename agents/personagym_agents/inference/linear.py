"""Products with weights in packed passes, by the faster of the two libraries that torch has for them on a processor.

torch's own `linear` asks its BLAS, which on some processors is half as fast as oneDNN, which comes with torch as well
and compiles each product for the processor at hand. `benchmarks/speed/engine.py` measures both.
"""

from typing import cast

import torch
from torch import nn
from transformers import PretrainedConfig

PACKED = "personagym_packed"
"""Name of the attention of packed passes, which a model's config holds as long as such passes go through it."""
HAS_ONEDNN = cast(bool, torch.backends.mkldnn.is_available())  # type: ignore[no-untyped-call]
"""Whether this build of torch has the other library."""


def product(tokens: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    """(..., out) tokens (..., in) times weight (out, in), plus bias (out,); without gradients."""
    fits = tokens.device.type == "cpu" and tokens.dtype == torch.float32
    # torch's compiler has ways of its own, and takes no such product as its input.
    if fits and HAS_ONEDNN and not torch.compiler.is_compiling():
        answer: torch.Tensor = torch.ops.mkldnn._linear_pointwise(tokens, weight, bias, "none", [], "")
        return answer
    return nn.functional.linear(tokens, weight, bias)


class PackedLinear(nn.Linear):
    """`nn.Linear`, which it is in all but packed passes."""

    config: PretrainedConfig
    """Of the model that it belongs to."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """(..., in) to (..., out)."""
        if self.config._attn_implementation != PACKED:
            return super().forward(input)
        return product(input, self.weight, self.bias)


def take_faster_products(model: nn.Module, config: PretrainedConfig) -> None:
    """Let the linear layers of a model be `PackedLinear`; others stay as they are."""
    for module in model.modules():
        if type(module) is nn.Linear:
            module.__class__ = PackedLinear
            cast(PackedLinear, module).config = config
