"""Packed passes through any `transformers` decoder: pending tokens and candidates behind stored prefixes.

The tokens of all rows go through the linear layers as one sequence without padding; attention alone tells the rows
apart. The last layer is asked for the tokens whose answer is due only: of the others it gives keys and values.
"""

from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from transformers import PreTrainedModel

from personagym_agents.inference.attention import Prefix, attend_to_prefix_and_run
from personagym_agents.inference.kernels.row_attention import attend_row_by_row, suits_row_attention
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


class Edit(NamedTuple):
    """A change of what one layer gives at the last token of each candidate."""

    layer: nn.Module
    """One that `model_hooks.prepare_for_edits` knows."""
    change: Callable[[torch.Tensor], torch.Tensor]
    """From hidden states (b k, d) to others."""


class _KeysKnown(Exception):  # noqa: N818 - nothing went wrong
    """The last layer has given its keys and values. Unwinds it: no interface ends a layer early in every model."""


class PackedPass:
    """One forward pass over rows of a store; its pending tokens are added to the store.

    Args:
        model: the causal LM, made ready by `personagym_agents.inference.model_hooks`.
        store: keys and values of the prefixes.
        rows: (b,) rows of the store.
        filled: (b,) stored tokens of each row.
        runs: the pass's tokens; with candidates at most one token of each row may be pending.
        gate: of the model's mixed adapters, None where it has none.
        adapters: (b,) which of the gate's adapters each row has.
        edit: of the candidates' hidden states; None leaves them as they are.
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
        edit: Edit | None = None,
    ) -> None:
        self.runs = runs
        self.edit = edit
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

        Called within `model_hooks.packed_attention`; passes over different rows may run side by side.

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

    def edited(self, hidden: torch.Tensor) -> torch.Tensor:
        """(1, T, d) with the edit's change at the answers' tokens."""
        assert self.edit is not None
        changed = self.edit.change(hidden[0].index_select(0, self._ends))
        return hidden.index_copy(1, self._ends, changed[None].to(hidden.dtype))

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
