"""LoRA adapters, one per group of users, through `peft`."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.tuners.lora import LoraLayer
from torch import nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from personagym_agents.model import quietly
from personagym_env.data.tables import IntArray

MERGED_WEIGHTS = 2**26
"""Weights that the merged copies of all adapters may have together: 256 MiB in single precision."""


Targets = Literal["all-linear", "query-key"]
"""Layers that get adapters: every linear layer below the head, or the attention's query and key projections alone."""
_QUERY_KEY = (("q_proj", "k_proj"), ("qkv_proj",), ("query_key_value",), ("c_attn",))
"""What architectures call those projections; where queries, keys and values are one layer, it is that layer."""


def _query_key_names(model: PreTrainedModel) -> list[str]:
    present = {name.rpartition(".")[2] for name, _ in model.named_modules()}
    for names in _QUERY_KEY:
        if present.issuperset(names):
            return list(names)
    raise ValueError(
        f"cannot tell the query and key projections of {type(model).__name__}: expected layers called one of "
        f"{', '.join('/'.join(names) for names in _QUERY_KEY)}; use targets 'all-linear'"
    )


def lora_config(
    model: PreTrainedModel, *, rank: int, alpha: int, dropout: float, targets: Targets = "all-linear"
) -> LoraConfig:
    """LoRA on the model.

    Raises:
        ValueError: the model has no query and key projections under a known name, and those are asked for.
    """
    return LoraConfig(
        r=rank,
        lora_alpha=alpha,
        lora_dropout=dropout,
        target_modules="all-linear" if targets == "all-linear" else _query_key_names(model),
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

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self.runs: list[tuple[int, slice]] = []
        """Adapter and rows of each run of neighbouring rows that share one."""

    def choose(self, adapters: IntArray) -> None:
        """Open the gate for rows with adapters (b,), indices into `names`; the fewer runs of equals, the faster."""
        begins = np.flatnonzero(np.diff(adapters, prepend=-1))
        ends = np.append(begins[1:], len(adapters))
        self.runs = [
            (int(adapters[begin]), slice(int(begin), int(end))) for begin, end in zip(begins, ends, strict=True)
        ]


class MixedLinear(nn.Module):
    """A linear layer whose rows pass through different adapters, at nearly the price of one.

    Rows that share an adapter are multiplied by one matrix: by `W + B A`, kept per adapter, while the copies are small
    (`merged`), else by `W` and then by the low-rank factors. Against `peft`'s own mixed batch, which walks over all
    adapters in every layer and pays for `W` and the factors, and against all factors side by side behind a mask, whose
    price grows with the number of adapters, the merged copies won wherever they fit into memory.
    """

    def __init__(self, layer: LoraLayer, gate: AdapterGate, *, merged: bool) -> None:
        super().__init__()
        self.base: nn.Module = layer.get_base_layer()
        self._gate = gate
        self._merged = merged
        self._bias: torch.Tensor | None = getattr(self.base, "bias", None)
        for name in gate.names:
            if merged:
                change: torch.Tensor = layer.get_delta_weight(name)  # type: ignore[attr-defined]
                weight = self.base.get_parameter("weight") + change
                parts = [weight.T if isinstance(self.base, Conv1D) else weight]
            else:
                down, up = (side[name].get_parameter("weight") for side in (layer.lora_A, layer.lora_B))
                parts = [down, up * layer.scaling[name]]
            for number, part in enumerate(parts):
                self.register_buffer(f"{name}_{number}", part.detach().contiguous(), persistent=False)

    def _parts(self, adapter: int) -> list[torch.Tensor]:
        name = self._gate.names[adapter]
        return [self.get_buffer(f"{name}_{number}") for number in range(1 if self._merged else 2)]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(b, L, in) to (b, L, out)."""
        if not self._merged:
            answer: torch.Tensor = self.base(x)
            for adapter, rows in self._gate.runs:
                down, up = self._parts(adapter)
                answer[rows] += nn.functional.linear(nn.functional.linear(x[rows], down), up)
            return answer
        if len(self._gate.runs) == 1:
            return nn.functional.linear(x, self._parts(self._gate.runs[0][0])[0], self._bias)
        (weight,) = self._parts(0)
        answer = x.new_empty(*x.shape[:2], len(weight))
        for adapter, rows in self._gate.runs:
            # Straight into its place: joining the runs afterwards would cost a third of the products.
            (weight,) = self._parts(adapter)
            torch.mm(x[rows].flatten(0, 1), weight.T, out=answer[rows].flatten(0, 1))
        return answer if self._bias is None else answer.add_(self._bias)


def mix_adapters(model: nn.Module, names: Sequence[str]) -> AdapterGate:
    """Replace every adapted layer by a `MixedLinear`, for inference."""
    adapted = [(name, module) for name, module in model.named_modules() if isinstance(module, LoraLayer)]
    size = sum(module.get_base_layer().get_parameter("weight").numel() for _, module in adapted)
    gate = AdapterGate(names)
    for name, module in adapted:
        parent, _, own = name.rpartition(".")
        mixed = MixedLinear(module, gate, merged=size * len(names) <= MERGED_WEIGHTS)
        setattr(model.get_submodule(parent), own, mixed)
    return gate
