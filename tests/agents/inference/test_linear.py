"""Products of packed passes are those of `nn.Linear`, and all other passes keep torch's own."""

import pytest
import torch
from torch import nn
from transformers import PretrainedConfig

from personagym_agents.inference import linear as products
from personagym_agents.inference.linear import PACKED, PackedLinear, product, take_faster_products


@pytest.mark.parametrize("onednn", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_products_are_those_of_a_linear_layer(onednn: bool, bias: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "HAS_ONEDNN", onednn)
    layer = nn.Linear(24, 40, bias=bias)
    for tokens in (torch.randn(7, 24), torch.randn(1, 7, 24), torch.randn(0, 24)):
        with torch.no_grad():
            torch.testing.assert_close(product(tokens, layer.weight, layer.bias), layer(tokens))


def test_layers_take_the_faster_product_in_packed_passes_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    model, config = nn.Sequential(nn.Linear(8, 8), nn.ReLU()), PretrainedConfig()
    take_faster_products(model, config)
    assert type(model[0]) is PackedLinear
    asked = []
    monkeypatch.setattr(products, "product", lambda tokens, *_: asked.append(len(tokens)) or tokens)
    model(torch.randn(3, 8)).sum().backward()
    assert not asked
    config._attn_implementation = PACKED
    model(torch.randn(5, 8))
    assert asked == [5]
