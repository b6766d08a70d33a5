"""Adapters as `peft` saves them, read without it: its import takes longer than all else that a bundle's users need.

Weights are stored in half precision.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn
from transformers.pytorch_utils import Conv1D

from personagym_agents.model.adapters import Factors, LowRank, TokenRows

if TYPE_CHECKING:
    from peft import LoraConfig

_CONFIG, _WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
_PREFIX = "base_model.model."
_TOKENS = ".token_adapter.trainable_tokens_delta"
_PLAIN: dict[str, tuple[Any, ...]] = {
    "peft_type": ("LORA",),
    "bias": ("none",),
    "use_dora": (False, None),
    "use_rslora": (False, None),
    "rank_pattern": ({}, None),
    "alpha_pattern": ({}, None),
    "modules_to_save": (None, []),
    "layer_replication": (None, []),
}
"""What a plain LoRA adapter says in its configuration; an adapter of another kind computes otherwise."""


def read_adapter(model: nn.Module, place: Path) -> Factors:
    """What an adapter adds to the layers of a model, which is left as it is.

    Raises:
        ValueError: a file is missing or damaged, the adapter is no plain LoRA, or does not belong to the model.
    """
    scale = _scale(place)
    weights = {name: weight for name, weight in _weights(place).items() if not name.endswith(_TOKENS)}
    names = sorted({name.rpartition(".lora_")[0] for name in weights})
    modules = dict(model.named_modules())
    factors = {}
    for name in names:
        layer, sides = name.removeprefix(_PREFIX), [f"{name}.lora_{side}.weight" for side in "AB"]
        if layer not in modules or not all(side in weights for side in sides):
            raise ValueError(
                f"the adapter at {place} has {name!r}, which is no adapted layer of {type(model).__name__}"
            )
        down, up = (weights.pop(side) for side in sides)
        weight = modules[layer].get_parameter("weight")
        inner, outer = weight.shape if isinstance(modules[layer], Conv1D) else reversed(weight.shape)
        if down.shape != (len(down), inner) or up.shape != (outer, len(down)):
            raise ValueError(
                f"the adapter at {place} has factors of shapes {tuple(down.shape)} and {tuple(up.shape)} for layer "
                f"{layer!r}, which needs (rank, {inner}) and ({outer}, rank): it belongs to another base"
            )
        down, up = (side.to(weight.device, torch.float32) for side in (down, up))
        factors[layer] = LowRank(down.T, up.T * scale)
    if weights or not factors:
        raise ValueError(f"the adapter at {place} has weights of no LoRA layer: {sorted(weights)[:5]}")
    return factors


def write_adapter(place: Path, factors: Factors, config: "LoraConfig") -> None:
    """Write what an adapter adds to the layers of a base as `peft` would save it.

    Args:
        place: folder of the adapter.
        factors: by the layers' names.
        config: of the adapter, whose scale the factors have.
    """
    place.mkdir(parents=True, exist_ok=True)
    tensors, scale = {}, config.lora_alpha / config.r
    for layer, (down, up) in factors.items():
        for side, weight in (("A", down.T), ("B", up.T / scale)):
            tensors[f"{_PREFIX}{layer}.lora_{side}.weight"] = weight.detach().cpu().half().contiguous()
    save_file(tensors, place / _WEIGHTS)
    config.save_pretrained(str(place))


def read_token_rows(model: nn.Module, place: Path) -> TokenRows | None:
    """The embeddings that an adapter has of its own; None where it has none.

    Raises:
        ValueError: a file is missing or damaged, or the embeddings do not belong to the model.
    """
    found = [weight for name, weight in _weights(place).items() if name.endswith(_TOKENS)]
    config = _config(place)
    indices = config.get("trainable_token_indices") or {}
    ids = next(iter(indices.values()), []) if isinstance(indices, dict) else indices
    if not found and not ids:
        return None
    table = model.get_input_embeddings().weight  # type: ignore[operator]
    fits = len(found) == 1 and isinstance(ids, list) and all(isinstance(token, int) for token in ids)
    if not fits or found[0].shape != (len(ids), table.shape[1]) or not 0 <= min(ids) <= max(ids) < len(table):
        raise ValueError(
            f"the adapter at {place} has embeddings of shapes {[tuple(some.shape) for some in found]} for tokens of "
            f"its {_CONFIG}, which needs ({len(ids)}, {table.shape[1]}) of tokens below {len(table)}"
        )
    return TokenRows(torch.tensor(ids), found[0])


def _weights(place: Path) -> dict[str, torch.Tensor]:
    try:
        return load_file(place / _WEIGHTS)
    except (OSError, SafetensorError) as error:
        raise ValueError(f"the adapter at {place} has no {_WEIGHTS} that can be read: {error}") from error


def _config(place: Path) -> dict[str, Any]:
    try:
        config = json.loads((place / _CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"the adapter at {place} has no {_CONFIG} that can be read: {error!r}") from error
    if not isinstance(config, dict):
        raise ValueError(f"the adapter at {place} has no {_CONFIG} that can be read: it holds {type(config).__name__}")
    return config


def _scale(place: Path) -> float:
    """By what the product of the factors is multiplied."""
    config = _config(place)
    try:
        other = {name: config[name] for name, plain in _PLAIN.items() if config.get(name, plain[0]) not in plain}
        alpha, rank = float(config["lora_alpha"]), int(config["r"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"the adapter at {place} has no {_CONFIG} that can be read: {error!r}") from error
    if other or rank < 1:
        raise ValueError(f"the adapter at {place} is no plain LoRA: its {_CONFIG} has {other or {'r': rank}}")
    return alpha / rank
