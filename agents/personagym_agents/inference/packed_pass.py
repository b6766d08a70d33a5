"""Packed passes through any `transformers` decoder: pending tokens and candidates behind stored prefixes.

The tokens of all rows go through the linear layers as one sequence without padding; attention alone tells the rows
apart, through the attention interface of `transformers`. The last layer is asked for the tokens whose answer is due
only: of the others it gives keys and values.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from transformers import AttentionInterface, PreTrainedModel

from personagym_agents.inference.attention import Prefix, attend_to_prefix_and_run
from personagym_agents.inference.kernels.row_attention import attend_row_by_row, suits_row_attention
from personagym_agents.inference.linear import PACKED, take_faster_products
from personagym_agents.inference.llama_attention import take_short_cuts
from personagym_agents.inference.pass_layout import (
    Layout,
    Queries,
    Runs,
    Spans,
    arrange,
    ragged,
    spans_of_all,
    spans_of_answers,
)
from personagym_agents.inference.prefix_cache import PrefixStore
from personagym_agents.model.adapters import AdapterGate
from personagym_agents.model.causal_lm import decoder_of

Index = npt.NDArray[np.int64]
COLUMNS = 16
"""The prefix is read in multiples of so many columns, which fused kernels take up to a fifth faster than what lies
between, masked columns included. Divides what a store grows by."""
_HARMLESS = frozenset(
    ("position_ids", "cache_position", "use_cache", "output_attentions", "output_hidden_states", "is_causal")
)
"""Arguments of an attention call that change nothing here: positions are in the keys already, or are not at all."""


class _KeysKnown(Exception):  # noqa: N818 - nothing went wrong
    """The last layer has given its keys and values. Unwinds it: no interface ends a layer early in every model."""


class PackedPass:
    """One forward pass over rows of a store; its pending tokens are added to the store.

    Args:
        model: the causal LM, made ready by `prepare_for_packed_passes`.
        store: keys and values of the prefixes.
        rows: (b,) rows of the store.
        filled: (b,) stored tokens of each row.
        runs: the pass's tokens; with candidates at most one token of each row may be pending.
        gate: of the model's mixed adapters, None where it has none.
        adapters: (b,) which of the gate's adapters each row has.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        store: PrefixStore,
        rows: Index,
        filled: Index,
        runs: Runs,
        gate: AdapterGate | None,
        adapters: Index,
    ) -> None:
        self.runs = runs
        self._model, self._device = model, model.device
        self._store, self._gate, self._adapters = store, gate, adapters
        self._layers: int = model.config.num_hidden_layers
        self._ends = self._moved_here(runs.candidate_ends)[0]
        self._answering = False
        self._fresh: list[tuple[torch.Tensor, torch.Tensor]] = []
        """Per layer the keys and values (T, heads, head width) of the pass's own tokens."""
        row, offset = ragged(runs.lengths[:, 0])
        self._pending = self._moved_here(rows[row], filled[row] + offset, runs.begins[row, 0] + offset)
        self._rows, self._visible = rows, filled + runs.lengths[:, 0] if runs.candidates else filled

    def run(self) -> torch.Tensor:
        """(b k, d) hidden states of each candidate's last token, (0,) in a pass without candidates.

        Called within `packed_attention`; passes over different rows may run side by side.

        Raises:
            ValueError: the model's attention does something that packed passes do not know.
        """
        self._open_gate(self.runs.per_row)
        tokens, positions = self._moved_here(self.runs.tokens, self.runs.positions)
        answers = torch.empty(0)
        with suppress(_KeysKnown):
            outputs = decoder_of(self._model)(
                input_ids=tokens[None], position_ids=positions[None], use_cache=False, packed_pass=self
            )
            answers = outputs.last_hidden_state[0, self._ends]
        if len(self._fresh) != self._layers:
            raise ValueError(
                f"{type(self._model).__name__} cannot score packed candidates: expected causal attention in each of "
                f"its {self._layers} layers, found it in {len(self._fresh)}"
            )
        return answers

    def keep(self, rows: Index, columns: Index, tokens: Index) -> None:
        """Move (t,) tokens of the pass into (t,) columns of (t,) rows of the store."""
        for layer in range(self._layers):
            self._write(layer, *self._moved_here(rows, columns, tokens))

    def tells_in(self, layer: int) -> bool:
        """Whether the layer's keys and values are still to be told."""
        return len(self._fresh) <= layer

    def tell(self, layer: int, keys: torch.Tensor, values: torch.Tensor) -> None:
        """Take a layer's keys and values (T, heads, head width) of all tokens; unwinds the last layer."""
        self._fresh.append((keys, values))
        self._write(layer, *self._pending)
        if layer == self._layers - 1:
            raise _KeysKnown

    def ask(self, layer: int, queries: torch.Tensor, scale: float) -> torch.Tensor:
        """(q, heads, head width) attention of queries (q, heads, head width), once the layer's keys are told."""
        fresh = self._fresh[layer]
        if suits_row_attention(queries):
            spans = self._spans_of_answers if self._answering else self._spans_of_all
            stored = self._store.keys[layer], self._store.values[layer]
            return attend_row_by_row(queries, *fresh, spans, stored, self._rows, self._visible, scale)
        questions = cast(Queries, self._layout.answers) if self._answering else self._layout.everything
        return attend_to_prefix_and_run(
            queries, *fresh, questions, self._layout.own_keys, self._prefix_of(layer), scale
        )

    def only_answers(self, layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run the last layer up to its keys and values; give back its arguments for the answers' tokens alone."""
        if not self.runs.candidates:
            return None
        with suppress(_KeysKnown):
            layer.forward(*args, **kwargs)
        self._answering = True
        self._open_gate(np.full(len(self.runs.lengths), self.runs.candidates))
        return self._of_answers(args), {name: self._of_answers(value) for name, value in kwargs.items()}

    def back_in_place(self, hidden: torch.Tensor) -> torch.Tensor:
        """(1, T, d) with the answers' (1, b k, d) in their places: some models insist on the shape they were given."""
        return hidden.new_zeros(1, len(self.runs.tokens), hidden.shape[2]).index_copy_(1, self._ends, hidden)

    @cached_property
    def _spans_of_all(self) -> Spans:
        return spans_of_all(self.runs)

    @cached_property
    def _spans_of_answers(self) -> Spans:
        return spans_of_answers(self.runs)

    @cached_property
    def _layout(self) -> Layout:
        return arrange(self.runs, self._device, self._model.dtype)

    @cached_property
    def _mask(self) -> torch.Tensor:
        """(b, 1, 1, columns) additive, of what each row has stored."""
        columns = -(-int(self._visible.max()) // COLUMNS) * COLUMNS
        hidden = np.where(np.arange(columns) < self._visible[:, None], 0.0, torch.finfo(self._model.dtype).min)
        return torch.from_numpy(hidden[:, None, None]).to(self._device, self._model.dtype)

    def _prefix_of(self, layer: int) -> Prefix | None:
        if not self._mask.shape[3]:
            return None
        rows = self._rows
        # Consecutive rows are a view; others have to be gathered.
        whole = bool((rows[1:] == rows[:-1] + 1).all())
        some = slice(int(rows[0]), int(rows[-1]) + 1) if whole else self._moved_here(rows)[0]
        return Prefix(*self._store.read(layer, some, self._mask.shape[3]), self._mask)

    def _of_answers(self, argument: Any) -> Any:
        """Of whatever has an entry per token of the pass, the answers' entries; all else as it is."""
        if isinstance(argument, tuple):
            return tuple(self._of_answers(part) for part in argument)
        if isinstance(argument, torch.Tensor) and argument.shape[:2] == (1, len(self.runs.tokens)):
            return argument.index_select(1, self._ends)
        return argument

    def _open_gate(self, counts: Index) -> None:
        if self._gate is not None:
            self._gate.choose(self._adapters, counts)

    def _write(self, layer: int, rows: torch.Tensor, columns: torch.Tensor, tokens: torch.Tensor) -> None:
        if len(tokens):
            keys, values = (part.index_select(0, tokens) for part in self._fresh[layer])
            self._store.write(layer, rows, columns, keys, values)

    def _moved_here(self, *parts: Index) -> list[torch.Tensor]:
        return [torch.from_numpy(part).to(self._device) for part in parts]


def prepare_for_packed_passes(model: PreTrainedModel) -> None:
    """Make a model ready for packed passes; in all other passes it works as before.

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
    last = stacks[0][-1]
    if _before_last in last._forward_pre_hooks.values():
        return
    last.register_forward_pre_hook(_before_last, with_kwargs=True)
    last.register_forward_hook(_after_last, with_kwargs=True)
    take_short_cuts(model)
    take_faster_products(decoder_of(model), model.config)


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
    if packed is None:
        return None
    if isinstance(output, tuple):
        return (packed.back_in_place(output[0]), *output[1:])
    return packed.back_in_place(output)


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
