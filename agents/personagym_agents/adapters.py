"""LoRA adapters, one per persona, through `peft`."""

from collections.abc import Sequence

import numpy as np
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.tuners.lora import LoraLayer
from torch import nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from personagym_agents.model import quietly
from personagym_env.data.tables import IntArray


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
    with quietly():
        wrapped = get_peft_model(model, config, adapter_name=names[0])
        for name in names[1:]:
            wrapped.add_adapter(name, config)
    return wrapped


class AdapterGate:
    """Which adapter each row of the next batch passes through."""

    def __init__(self, names: Sequence[str], rank: int) -> None:
        self.names = tuple(names)
        self._rank = rank
        self.open = torch.zeros(0, len(names) * rank)
        """(b, K * rank) 1 in the columns of the row's adapter, 0 elsewhere."""

    def choose(self, adapters: IntArray, dtype: torch.dtype, device: torch.device) -> None:
        """Open the gate for rows with adapters (b,), indices into `names`, for a model of that type on that device."""
        chosen = torch.from_numpy(np.asarray(adapters, np.int64)).to(device)
        one_hot = nn.functional.one_hot(chosen, len(self.names)).to(dtype)
        self.open = one_hot.repeat_interleave(self._rank, dim=1)


class StackedLinear(nn.Module):
    """A linear layer with all its adapters side by side, for any mix in a batch: `W x + B (gate * (A x))`.

    `peft`'s own mixed batch gathers and scatters rows once per adapter and layer; this multiplies by the stacked
    low-rank factors, of which each row's gate keeps its own.
    """

    def __init__(self, layer: LoraLayer, gate: AdapterGate) -> None:
        super().__init__()
        self.base: nn.Module = layer.get_base_layer()
        down: list[torch.Tensor] = [layer.lora_A[name].get_parameter("weight") for name in gate.names]
        up: list[torch.Tensor] = [
            layer.lora_B[name].get_parameter("weight") * layer.scaling[name] for name in gate.names
        ]
        self.down = nn.Parameter(torch.cat(down, dim=0).detach(), requires_grad=False)
        self.up = nn.Parameter(torch.cat(up, dim=1).detach(), requires_grad=False)
        self._gate = gate

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(b, L, in) to (b, L, out)."""
        low = nn.functional.linear(x, self.down) * self._gate.open[:, None]
        answer: torch.Tensor = self.base(x) + nn.functional.linear(low, self.up)
        return answer


def stack_adapters(model: nn.Module, names: Sequence[str]) -> AdapterGate:
    """Replace every adapted layer by a `StackedLinear`, for inference; the adapters have one rank."""
    adapted = [(name, module) for name, module in model.named_modules() if isinstance(module, LoraLayer)]
    gate = AdapterGate(names, adapted[0][1].r[names[0]])
    for name, module in adapted:
        parent, _, own = name.rpartition(".")
        setattr(model.get_submodule(parent), own, StackedLinear(module, gate))
    return gate
