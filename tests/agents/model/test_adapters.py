"""Adapters: which layers get one, and that mixed rows pass through the right one whichever way they are computed."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from peft.tuners.lora import LoraLayer
from torch import nn
from transformers import PreTrainedModel

from personagym_agents.bundle.settings import paper_settings
from personagym_agents.model.adapters import adapter_factors, add_adapters, lora_config, mix_adapters

NAMES = ("group-0", "group-1", "group-2")


def with_random_adapters(model: PreTrainedModel) -> PreTrainedModel:
    torch.manual_seed(5)
    wrapped = add_adapters(model, NAMES, lora_config(model, rank=2, alpha=4, dropout=0.0))
    with torch.no_grad():
        for name, parameter in wrapped.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.3)
    return model


@pytest.mark.parametrize(
    ("architecture", "layers"),
    [
        ("llama", {"q_proj", "k_proj"}),
        ("phi3", {"qkv_proj"}),
        ("gpt2", {"c_attn"}),
        ("gpt_neox", {"query_key_value"}),
    ],
)
def test_paper_preset_adapts_queries_and_keys_alone(
    tiny_model: Callable[..., PreTrainedModel], architecture: str, layers: set[str]
) -> None:
    settings = paper_settings("some/model").adapters
    model = tiny_model(architecture)
    config = lora_config(model, rank=2, alpha=settings.alpha, dropout=settings.dropout, targets=settings.targets)
    add_adapters(model, ["one"], config)
    adapted = {name.rpartition(".")[2] for name, module in model.named_modules() if isinstance(module, LoraLayer)}
    assert adapted == layers
    assert (settings.rank, settings.alpha, settings.training.epochs) == (256, 32, 2)


def test_model_without_known_projections_is_refused() -> None:
    with pytest.raises(ValueError, match="use targets 'all-linear'"):
        lora_config(nn.Sequential(nn.Linear(2, 2)), rank=2, alpha=1, dropout=0.0, targets="query-key")  # type: ignore[arg-type]


@pytest.mark.parametrize("merged_weights", [0, 2**26])
@pytest.mark.parametrize("architecture", ["llama", "gpt2"])
def test_mixed_rows_equal_one_adapter_at_a_time(
    tiny_model: Callable[..., PreTrainedModel],
    monkeypatch: pytest.MonkeyPatch,
    architecture: str,
    merged_weights: int,
) -> None:
    monkeypatch.setattr("personagym_agents.model.adapters.MERGED_WEIGHTS", merged_weights)
    reference, mixed = (with_random_adapters(tiny_model(architecture)) for _ in range(2))
    gate = mix_adapters(mixed, [adapter_factors(mixed, name) for name in NAMES])
    tokens = torch.randint(0, 100, (5, 7), generator=torch.Generator().manual_seed(1))
    adapters = np.array([2, 0, 0, 1, 2])
    gate.choose(adapters, np.full(5, 7))
    with torch.no_grad():
        together = mixed(tokens).logits
        for row, adapter in enumerate(adapters):
            for module in reference.modules():
                if isinstance(module, LoraLayer):
                    module.set_adapter(NAMES[adapter])
            alone = reference(tokens[row : row + 1]).logits[0]
            torch.testing.assert_close(together[row], alone, atol=1e-4, rtol=1e-4)
