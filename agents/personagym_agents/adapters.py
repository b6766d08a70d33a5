"""LoRA adapters, one per persona, through `peft`."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from peft import LoraConfig, PeftModel, get_peft_model
from peft.tuners.lora import LoraLayer
from torch import nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D


def lora_config(model: PreTrainedModel, *, rank: int, alpha: int, dropout: float) -> LoraConfig:
    """LoRA on every linear layer of the model below its head."""
    return LoraConfig(
        r=rank,
        lora_alpha=alpha,
        lora_dropout=dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
        # GPT-2 and its kin store their linear layers transposed.
        fan_in_fan_out=any(isinstance(module, Conv1D) for module in model.modules()),
    )


def add_adapters(model: PreTrainedModel, names: Sequence[str], config: LoraConfig) -> PeftModel:
    """The model with one untrained adapter per name; its own weights are frozen."""
    wrapped = get_peft_model(model, config, adapter_name=names[0])
    for name in names[1:]:
        wrapped.add_adapter(name, config)
    return wrapped


@contextmanager
def mixed_adapters(model: nn.Module, names: Sequence[str] | None) -> Iterator[None]:
    """Inside, row i of every batch passes through the adapter `names[i]`; None leaves the model as it is.

    `peft` takes `adapter_names` at the top of its own model only, whose forward computes logits of the whole
    vocabulary; here the names reach the adapter layers directly.
    """
    if names is None:
        yield
        return
    chosen = list(names)

    def name_rows(
        _: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return args, kwargs | {"adapter_names": chosen}

    layers = [module for module in model.modules() if isinstance(module, LoraLayer)]
    hooks = [layer.register_forward_pre_hook(name_rows, with_kwargs=True) for layer in layers]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
