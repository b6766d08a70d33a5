"""How packed passes get into a `transformers` model: its attention interface, and hooks around its last layer."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import nn
from transformers import AttentionInterface, PreTrainedModel

from personagym_agents.inference.linear import PACKED, take_faster_products
from personagym_agents.inference.llama_attention import take_short_cuts
from personagym_agents.inference.packed_pass import PackedPass
from personagym_agents.model.causal_lm import decoder_of

_HARMLESS = frozenset(
    ("position_ids", "cache_position", "use_cache", "output_attentions", "output_hidden_states", "is_causal")
)
"""Arguments of an attention call that change nothing here: positions are in the keys already, or are not at all."""


def prepare_for_packed_passes(model: PreTrainedModel) -> None:
    """Make a model ready for packed passes; in all other passes it works as before.

    Raises:
        ValueError: the architecture does not use the attention interface of `transformers`.
    """
    last = layers_of(model)[-1]
    if _before_last in last._forward_pre_hooks.values():
        return
    last.register_forward_pre_hook(_before_last, with_kwargs=True)
    last.register_forward_hook(_after_last, with_kwargs=True)
    take_short_cuts(model)
    take_faster_products(decoder_of(model), model.config)


def layers_of(model: PreTrainedModel) -> nn.ModuleList:
    """The layers of a model's decoder.

    Raises:
        ValueError: the architecture does not use the attention interface of `transformers`.
    """
    count = model.config.num_hidden_layers
    stacks = [part for part in decoder_of(model).children() if isinstance(part, nn.ModuleList) and len(part) == count]
    if not model._supports_attention_backend or len(stacks) != 1:
        raise ValueError(
            f"{type(model).__name__} cannot score packed candidates: expected a decoder of {count} layers whose "
            "attention goes through the attention interface of `transformers`"
        )
    return stacks[0]


def prepare_for_edits(layer: nn.Module) -> None:
    """Let packed passes edit what a layer gives, see `PackedPass`; comes after `prepare_for_packed_passes`."""
    if _edited not in layer._forward_hooks.values():
        layer.register_forward_hook(_edited, with_kwargs=True)


@contextmanager
def packed_attention(model: PreTrainedModel) -> Iterator[None]:
    """Let packed passes go through the model, until the end of the block."""
    usual = model.config._attn_implementation
    model.config._attn_implementation = PACKED
    try:
        yield
    finally:
        model.config._attn_implementation = usual


def _before_last(layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    packed: PackedPass | None = kwargs.get("packed_pass")
    return None if packed is None else packed.only_answers(layer, args, kwargs)


def _after_last(layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> Any:
    packed: PackedPass | None = kwargs.get("packed_pass")
    return None if packed is None else _with_hidden(output, packed.back_in_place)


def _edited(layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> Any:
    packed: PackedPass | None = kwargs.get("packed_pass")
    if packed is None or packed.edit is None or packed.edit.layer is not layer:
        return None
    return _with_hidden(output, packed.edited)


def _with_hidden(output: Any, change: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    """What a layer gives, with its hidden states changed; some architectures give a tuple that begins with them."""
    return (change(output[0]), *output[1:]) if isinstance(output, tuple) else change(output)


def _interface(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    packed_pass: PackedPass,
    scaling: float | None = None,
    dropout: float = 0.0,
    sliding_window: int | None = None,
    **others: Any,
) -> tuple[torch.Tensor, None]:
    """What `transformers` calls in place of its own attention. No document outgrows a sliding window (`window_of`).

    Raises:
        ValueError: the architecture asks for something else than causal attention.
    """
    asked = {**others, "attention_mask": attention_mask, "dropout": dropout or None}
    unknown = [name for name, given in asked.items() if given is not None and name not in _HARMLESS]
    if unknown:
        raise ValueError(
            f"{type(module).__name__} asks for {', '.join(unknown)} in its attention, which packed passes do not "
            "know: expected plain causal attention"
        )
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    layer, (queries, keys, values) = (
        cast(int, module.layer_idx),
        (part[0].transpose(0, 1) for part in (query, key, value)),
    )
    if packed_pass.tells_in(layer):
        packed_pass.tell(layer, keys, values)
    return packed_pass.ask(layer, queries, scale)[None], None


AttentionInterface.register(PACKED, _interface)
