"""LoRA adapters, one per group of users, through `peft`."""

import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from personagym_agents.inference.kernels.low_rank import add_low_rank, padded_to_lanes, suits_low_rank
from personagym_agents.inference.linear import product
from personagym_agents.model.quiet import quietly
from personagym_agents.model.settings import Targets
from personagym_env.data.tables import IntArray

if TYPE_CHECKING:
    from peft import LoraConfig, PeftModel

MERGED_WEIGHTS = 2**26
"""Weights that the merged copies of all adapters may have together: 256 MiB in single precision."""
MERGED_ADAPTERS = 8
"""Adapters that may have merged copies: with more of them, each one's share of a batch is small."""

_QUERY_KEY = (("q_proj", "k_proj"), ("qkv_proj",), ("query_key_value",), ("c_attn",))
"""What architectures call those projections; where queries, keys and values are one layer, it is that layer."""


def query_key_names(model: PreTrainedModel) -> list[str]:
    """What the query and key projections of a model are called.

    Raises:
        ValueError: it has none under a known name.
    """
    present = {name.rpartition(".")[2] for name, _ in model.named_modules()}
    for names in _QUERY_KEY:
        if present.issuperset(names):
            return list(names)
    raise ValueError(
        f"cannot tell the query and key projections of {type(model).__name__}: expected layers called one of "
        f"{', '.join('/'.join(names) for names in _QUERY_KEY)}; use targets 'all-linear'"
    )


def lora_config(
    model: PreTrainedModel,
    *,
    rank: int,
    alpha: int,
    dropout: float,
    targets: Targets = "all-linear",
    tokens: Sequence[int] = (),
) -> "LoraConfig":
    """LoRA on the model.

    Args:
        model: gets the adapters.
        rank: of their factors.
        alpha: what they are scaled by, times the rank.
        dropout: of what goes into them.
        targets: layers that get them.
        tokens: whose embeddings are trained with them.

    Raises:
        ValueError: the model has no query and key projections under a known name, and those are asked for.
    """
    from peft import LoraConfig  # here, because it takes seconds to import, and users of a bundle do without

    return LoraConfig(
        r=rank,
        lora_alpha=alpha,
        lora_dropout=dropout,
        target_modules="all-linear" if targets == "all-linear" else query_key_names(model),
        task_type="CAUSAL_LM",
        trainable_token_indices={embeddings_name(model).rpartition(".")[2]: list(tokens)} if tokens else None,
        # GPT-2 and its kin store their linear layers transposed.
        fan_in_fan_out=any(isinstance(module, Conv1D) for module in model.modules()),
    )


def embeddings_name(model: PreTrainedModel) -> str:
    """Where the embeddings of the tokens are in the model."""
    embeddings = model.get_input_embeddings()
    return next(str(name) for name, module in model.named_modules() if module is embeddings)


def add_adapters(model: PreTrainedModel, names: Sequence[str], config: "LoraConfig") -> "PeftModel":
    """The model with one untrained adapter per name; its own weights are frozen."""
    from peft import get_peft_model

    with quietly():
        wrapped = get_peft_model(model, config, adapter_name=names[0])
        for name in names[1:]:
            wrapped.add_adapter(name, config)
    return wrapped


class AdapterGate(threading.local):
    """Which adapter each token of the next pass of this thread goes through."""

    def __init__(self) -> None:
        self.adapters: list[int] = []
        """Adapter of each run of neighbouring rows that share one."""
        self.tokens: list[int] = []
        """Tokens of each run."""

    def __reduce__(self) -> tuple[type, tuple[()]]:
        """A copy in another process: what a thread has chosen stays with it."""
        return type(self), ()

    def choose(self, adapters: IntArray, counts: IntArray) -> None:
        """Open the gate for rows with adapters (b,), by their places among those mixed, and (b,) tokens.

        The fewer runs of equal adapters, the faster.
        """
        begins = np.flatnonzero(np.diff(adapters, prepend=-1))
        self.adapters = adapters[begins].tolist()
        self.tokens = np.add.reduceat(counts, begins).tolist()


class LowRank(NamedTuple):
    """What an adapter adds to one layer: x to x `down` `up`."""

    down: torch.Tensor
    """(in, rank)"""
    up: torch.Tensor
    """(rank, out), scaled."""


Factors = Mapping[str, LowRank]
"""An adapter: what it adds to each layer, by the layer's name."""


def adapter_factors(model: nn.Module, name: str) -> Factors:
    """The factors of an adapter that a model has."""
    from peft.tuners.lora import LoraLayer

    factors = {}
    for layer, module in model.named_modules():
        if isinstance(module, LoraLayer):
            down, up = (side[name].get_parameter("weight").detach() for side in (module.lora_A, module.lora_B))
            factors[layer] = LowRank(down.T, up.T * module.scaling[name])
    return factors


class MixedLinear(nn.Module):
    """A linear layer whose rows pass through different adapters, at nearly the price of one.

    Rows that share an adapter are multiplied by one matrix, `W + B A`, kept per adapter, while the copies are few and
    small (`merged`); else all rows by `W`, and then each by its adapter's factors. `benchmarks/speed/mixed_adapters.py`
    compares both with others: a merged copy of the whole model per adapter is as fast for a few adapters, and slower
    the smaller its passes get; `peft`'s own mixed batch pads, copies each adapter's rows out and back in every layer,
    and pays for `W` and the factors; all factors side by side behind a mask multiply mostly zeros, the more adapters
    the more. Merged weights are the fastest for few adapters, and slow down the fewer tokens each has; the factors
    cost the same for any number.
    """

    def __init__(self, base: nn.Module, adapters: Sequence[LowRank], gate: AdapterGate, *, merged: bool) -> None:
        super().__init__()
        self.base = base
        self._gate = gate
        self._merged = merged
        self._bias: torch.Tensor | None = getattr(base, "bias", None)
        downs, ups = (torch.stack(sides).float() for sides in zip(*adapters, strict=True))
        weight = base.get_parameter("weight").detach()
        if merged:
            kept = [torch.baddbmm((weight if isinstance(base, Conv1D) else weight.T).float(), downs, ups)]
        else:
            kept = [padded_to_lanes(downs, 2), padded_to_lanes(ups, 1)]
        # Of a adapters: (a, in, out) matrices, or (a, in, rank) and (a, rank, out).
        for number, stack in enumerate(kept):
            self.register_buffer(f"stack_{number}", stack.to(weight.dtype), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(..., in) to (..., out), tokens in the order in which the gate was opened for them."""
        tokens = x.flatten(0, -2)
        # Past `get_buffer`, which takes as long as a small product.
        stacks = tuple(cast(dict[str, torch.Tensor], self._buffers).values())
        if not self._merged:
            answer: torch.Tensor = self.base(tokens)
            ends = np.cumsum(self._gate.tokens)
            downs, ups = stacks
            if suits_low_rank(answer):
                add_low_rank(answer, tokens, downs, ups, np.array(self._gate.adapters), ends)
            else:
                for adapter, begin, end in zip(self._gate.adapters, [0, *ends], ends, strict=False):
                    answer[begin:end] += tokens[begin:end] @ downs[adapter] @ ups[adapter]
            return answer.view(*x.shape[:-1], -1)
        runs = zip(tokens.split_with_sizes(self._gate.tokens), self._gate.adapters, strict=True)
        parts = [product(asked, stacks[0][adapter].T, self._bias) for asked, adapter in runs]
        answer = parts[0] if len(parts) == 1 else torch.cat(parts)
        return answer.view(*x.shape[:-1], -1)


class TokenRows(NamedTuple):
    """Embeddings of some tokens that an adapter has in the place of its base's."""

    ids: torch.Tensor
    """(n,) the tokens."""
    rows: torch.Tensor
    """(n, d)"""


class MixedEmbedding(nn.Module):
    """Embeddings of tokens whose users have different adapters, some of whose embeddings differ.

    Args:
        base: the embeddings of all tokens.
        adapters: (a,) what each adapter has of its own, of the same tokens in all.
        gate: tells which adapter each token goes through.
    """

    def __init__(self, base: nn.Embedding, adapters: Sequence[TokenRows], gate: AdapterGate) -> None:
        super().__init__()
        self.base = base
        self._gate = gate
        ids = adapters[0].ids
        place = torch.full((base.num_embeddings,), -1, device=base.weight.device)
        place[ids] = torch.arange(len(ids), device=place.device)
        self.register_buffer("_place", place, persistent=False)
        self.register_buffer("_rows", torch.stack([one.rows for one in adapters]).to(base.weight), persistent=False)

    @property
    def weight(self) -> torch.Tensor:
        """Of the base."""
        return self.base.weight

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """(1, T) to (1, T, d), tokens in the order in which the gate was opened for them."""
        embedded: torch.Tensor = self.base(tokens)
        place = cast(torch.Tensor, self._place)[tokens[0]]
        own = torch.nonzero(place >= 0)[:, 0]
        counts = torch.tensor(self._gate.tokens, device=own.device)
        adapter = torch.tensor(self._gate.adapters, device=own.device).repeat_interleave(counts)
        embedded[0, own] = cast(torch.Tensor, self._rows)[adapter[own], place[own]]
        return embedded


def mix_tokens(model: PreTrainedModel, adapters: Sequence[TokenRows], gate: AdapterGate) -> None:
    """Let each user's tokens have the embeddings of the user's adapter, for inference."""
    name = embeddings_name(model)
    parent, _, own = name.rpartition(".")
    setattr(model.get_submodule(parent), own, MixedEmbedding(model.get_submodule(name), adapters, gate))  # type: ignore[arg-type]


def mix_adapters(model: nn.Module, adapters: Sequence[Factors]) -> AdapterGate:
    """Replace every adapted layer by a `MixedLinear`, for inference."""
    layers = {name: model.get_submodule(name) for name in adapters[0]}
    # A layer that `peft` has wrapped says what it wraps.
    bases = {
        name: cast(nn.Module, layer.get_base_layer()) if hasattr(layer, "get_base_layer") else layer  # type: ignore[operator]
        for name, layer in layers.items()
    }
    size = sum(base.get_parameter("weight").numel() for base in bases.values())
    merged = len(adapters) <= MERGED_ADAPTERS and size * len(adapters) <= MERGED_WEIGHTS
    gate = AdapterGate()
    for name, base in bases.items():
        parent, _, own = name.rpartition(".")
        own_factors = [factors[name] for factors in adapters]
        mixed = MixedLinear(base, own_factors, gate, merged=merged)
        setattr(model.get_submodule(parent), own, mixed)
    return gate
