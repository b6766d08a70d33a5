"""The LoRA factors of many adapters side by side, trained together: each sequence passes through its own.

One batch holds sequences of many groups of users, so that all adapters of a kind are trained at the price of one, and
each takes as many steps as it would take alone on all batches.

Shapes: a adapters, b sequences, L tokens.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from personagym_agents.model.adapters import Factors, LowRank, query_key_names
from personagym_agents.model.settings import Targets

Snapshot = list[torch.Tensor]
"""The factors of all adapters, in the order of `AdapterStack.parameters`."""


class StackedLinear(nn.Module):
    """A frozen linear layer, and what each adapter adds to it."""

    def __init__(self, base: nn.Module, count: int, rank: int, scale: float, dropout: float) -> None:
        super().__init__()
        self.base = base
        inner, outer = _shape(base)
        # As `peft` begins: one side at random, the other 0, so that an untrained adapter adds nothing.
        down = torch.empty(inner, rank)
        nn.init.kaiming_uniform_(down.T, a=math.sqrt(5))
        device = base.get_parameter("weight").device
        self.down = nn.Parameter(down.expand(count, inner, rank).to(device).clone())
        self.up = nn.Parameter(torch.zeros(count, rank, outer, device=device))
        self.scale = scale
        self.dropout = nn.Dropout(dropout)
        self.chosen: torch.Tensor | None = None
        """(b,) adapter of each sequence of the next pass; None for none."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(b, L, in) to (b, L, out)."""
        answer: torch.Tensor = self.base(x)
        if self.chosen is None:
            return answer
        if len(self.down) == 1:
            return torch.add(answer, self.dropout(x) @ self.down[0] @ self.up[0], alpha=self.scale)
        low = torch.bmm(self.dropout(x), self.down[self.chosen].to(x.dtype))
        return torch.add(answer, torch.bmm(low, self.up[self.chosen].to(low.dtype)), alpha=self.scale)


class AdapterStack:
    """The adapters of a model; `stacked` puts them in.

    Args:
        model: a causal LM, whose own weights are left as they are.
        count: of adapters.
        rank: of each.
        alpha: what they are scaled by, times their rank.
        dropout: within the adapters.
        targets: layers that get adapters.
    """

    def __init__(
        self, model: PreTrainedModel, count: int, *, rank: int, alpha: int, dropout: float, targets: Targets
    ) -> None:
        self.count = count
        self._model = model
        self.layers = {
            name: StackedLinear(model.get_submodule(name), count, rank, alpha / rank, dropout)
            for name in target_layers(model, targets)
        }

    @property
    def parameters(self) -> list[nn.Parameter]:
        """Of all layers; each has a leading axis of adapters."""
        return [side for layer in self.layers.values() for side in (layer.down, layer.up)]

    def choose(self, adapters: torch.Tensor | None) -> None:
        """Say which adapter (b,) each sequence of the next pass goes through; None for none."""
        for layer in self.layers.values():
            layer.chosen = adapters

    def train(self, mode: bool) -> None:
        """Whether dropout is on."""
        for layer in self.layers.values():
            layer.dropout.train(mode)

    @torch.no_grad()
    def begin_as(self, starts: Sequence[Factors]) -> None:
        """Give each adapter (a,) the factors of one that was trained before."""
        for name, layer in self.layers.items():
            layer.down.copy_(torch.stack([start[name].down for start in starts]))
            layer.up.copy_(torch.stack([start[name].up for start in starts]) / layer.scale)

    def snapshot(self) -> Snapshot:
        """A copy of all factors."""
        return [parameter.detach().clone() for parameter in self.parameters]

    def factors(self, snapshot: Snapshot, number: int) -> Factors:
        """One adapter out of a snapshot."""
        sides = iter(snapshot)
        return {
            name: LowRank(next(sides)[number].clone(), next(sides)[number] * layer.scale)
            for name, layer in self.layers.items()
        }

    @contextmanager
    def stacked(self) -> Iterator[None]:
        """The model has the adapters until the context ends."""
        frozen = [parameter for parameter in self._model.parameters() if parameter.requires_grad]
        for parameter in frozen:
            parameter.requires_grad_(False)
        _put(self._model, self.layers.items())
        try:
            yield
        finally:
            _put(self._model, ((name, layer.base) for name, layer in self.layers.items()))
            for parameter in frozen:
                parameter.requires_grad_(True)


def target_layers(model: PreTrainedModel, targets: Targets) -> list[str]:
    """Names of the linear layers that get adapters: never the head.

    Raises:
        ValueError: the model has no query and key projections under a known name, and those are asked for.
    """
    head = model.get_output_embeddings()  # type: ignore[no-untyped-call]
    linear = {name: part for name, part in model.named_modules() if isinstance(part, nn.Linear | Conv1D)}
    wanted = None if targets == "all-linear" else query_key_names(model)
    return [
        name
        for name, part in linear.items()
        if part is not head and (wanted is None or name.rpartition(".")[2] in wanted)
    ]


def _shape(layer: nn.Module) -> tuple[int, int]:
    weight = layer.get_parameter("weight")
    inner, outer = weight.shape if isinstance(layer, Conv1D) else reversed(weight.shape)
    return int(inner), int(outer)


def _put(model: nn.Module, layers: Iterable[tuple[str, nn.Module]]) -> None:
    for name, layer in layers:
        parent, _, own = name.rpartition(".")
        setattr(model.get_submodule(parent), own, layer)
