"""The reaction engine: open sessions of language-model users, scored in packed passes behind cached prefixes.

A session's script is the list of token pieces of its document: header, then line and answer of each interaction. What
of it has been encoded lies in the prefix store; what was consumed since is pending and travels at the front of the
next packed pass, so that nothing is ever encoded twice.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from transformers import PreTrainedModel

from personagym_agents.adapters import AdapterGate
from personagym_agents.cache import PackedPass, PrefixStore
from personagym_agents.model import answer_logits, decoder_of
from personagym_agents.packing import PREFIX, Packed, Pieces, pack
from personagym_env.data.tables import IntArray
from personagym_env.protocols import Reaction

Index = npt.NDArray[np.int64]
NO_PIECE = -1
_ROWS = 64
"""Rows of one packed pass: enough to fill the matrix products, few enough to stay in the processor's cache."""
_CANDIDATES = 16
"""Candidates per row of one packed pass: they do not see each other, yet attention is computed over all of them."""
_EDGE = 1e-6
"""Wants lie within (edge, 1 - edge), so that their logits stay finite."""


class Population(NamedTuple):
    """All that sessions need to know about the users, none of which changes in a session."""

    model: PreTrainedModel
    pieces: Pieces
    scripts: Index
    """(u, s) pieces of each user's document before any session, `NO_PIECE` behind its end."""
    gate: AdapterGate | None
    """Of the model's stacked adapters, None where it has none."""
    adapters: Index
    """(u,) which of the gate's adapters each user has; not read without a gate."""
    of_item: Index
    """(m,) piece of each item's line."""
    of_answer: Index
    """(1 + r,) piece of each answer."""
    answer_ids: torch.Tensor
    """(1 + r,) token of each answer."""
    window: int
    """Positions that the model has."""


class LanguageSessions:
    """See `personagym_env.protocols.UserSessions`."""

    def __init__(self, population: Population, n: int) -> None:
        self._population = population
        self._store = PrefixStore(n)
        self._user = np.zeros(n, np.int64)
        self._script = np.full((n, population.scripts.shape[1]), NO_PIECE)
        self._written = np.zeros(n, np.int64)
        """(n,) pieces of each script."""
        self._encoded = np.zeros(n, np.int64)
        """(n,) pieces of each script that the store holds."""
        self._filled = np.zeros(n, np.int64)
        """(n,) tokens of each row that the store holds."""
        self.dropped_lines = np.zeros(n, np.int64)
        """(n,) history lines that left the document because the model's window was full."""

    def start(self, rows: IntArray, users: IntArray) -> None:
        """See `UserSessions.start`."""
        scripts = self._population.scripts[users]
        self._user[rows] = users
        self._script[rows] = NO_PIECE
        self._script[rows, : scripts.shape[1]] = scripts
        self._written[rows] = (scripts != NO_PIECE).sum(axis=1)
        for state in (self._encoded, self._filled, self.dropped_lines):
            state[rows] = 0
        self._encode(np.asarray(rows, np.int64))

    def consume(self, rows: IntArray, items: IntArray, ratings: IntArray) -> None:
        """See `UserSessions.consume`."""
        end = self._written[rows]
        if int(end.max(initial=0)) + 2 > self._script.shape[1]:
            self._script = np.pad(self._script, ((0, 0), (0, 32)), constant_values=NO_PIECE)
        self._script[rows, end] = self._population.of_item[items]
        self._script[rows, end + 1] = self._population.of_answer[1 + np.asarray(ratings)]
        self._written[rows] = end + 2

    @torch.no_grad()
    def react(self, rows: IntArray, slates: IntArray) -> Reaction:
        """See `UserSessions.react`."""
        chosen = np.asarray(rows, np.int64)
        candidates: Index = self._population.of_item[np.asarray(slates)]
        self._make_room(chosen, candidates)
        columns = list(_blocks(candidates.shape[1], _CANDIDATES))
        logits = torch.cat(
            [
                torch.cat([self._score(chosen[some], candidates[some, few]) for few in columns], dim=1)
                for some in _blocks(len(chosen), _ROWS)
            ]
        )
        chance = torch.softmax(logits.double(), dim=-1)[..., 0]
        rating = torch.softmax(logits[..., 1:].double(), dim=-1)
        return Reaction((1 - chance).clamp(_EDGE, 1 - _EDGE).cpu().numpy(), rating.cpu().numpy())

    def _pending(self, rows: Index) -> Index:
        """(b, p) pieces that are written but not encoded, `NO_PIECE` behind each row's last."""
        count = self._written[rows] - self._encoded[rows]
        offset = np.arange(int(count.max(initial=0)))
        place = np.minimum(self._encoded[rows][:, None] + offset, self._script.shape[1] - 1)
        return np.where(offset < count[:, None], self._script[rows[:, None], place], NO_PIECE)

    @torch.no_grad()
    def _encode(self, rows: Index) -> None:
        """Bring the store up to date with the scripts, rows of like length together."""
        rows = rows[np.argsort(self._written[rows], kind="stable")]
        for block in _blocks(len(rows), _ROWS):
            self._pass(np.sort(rows[block]), np.zeros((len(rows[block]), 0), np.int64))

    def _score(self, rows: Index, candidates: Index) -> torch.Tensor:
        """(b, k, 1 + r) answer logits of the candidates' lines."""
        hidden, packed = self._pass(rows, candidates)
        last = packed.ends[:, packed.ends.shape[1] - candidates.shape[1] :].to(hidden.device)
        at_end = torch.take_along_dim(hidden, last[..., None], dim=1)
        return answer_logits(self._population.model, at_end, self._population.answer_ids)

    def _pass(self, rows: Index, candidates: Index) -> tuple[torch.Tensor, Packed]:
        """Run pending pieces and candidates (b, k) behind the stored prefixes; store what was pending."""
        pending = self._pending(rows)
        segment = np.concatenate(
            [np.zeros_like(pending), np.arange(1, candidates.shape[1] + 1) + 0 * candidates], axis=1
        )
        packed = pack(self._population.pieces, np.concatenate([pending, candidates], axis=1), segment)
        filled = self._filled[rows]
        stored = int(filled.max(initial=0))
        cache = PackedPass(self._store, rows, stored)
        hidden = self._forward(rows, packed, torch.from_numpy(filled), cache)
        place, token = np.nonzero(packed.segments.numpy() == PREFIX)
        cache.keep(rows[place], filled[place] + token, token, place)
        self._filled[rows] = filled + np.bincount(place, minlength=len(rows))
        self._encoded[rows] = self._written[rows]
        return hidden, packed

    def _forward(self, rows: Index, packed: Packed, filled: torch.Tensor, cache: PackedPass) -> torch.Tensor:
        model = self._population.model
        dtype, device = model.dtype, model.device
        old = torch.where(torch.arange(cache.stored) < filled[:, None], 0.0, torch.finfo(dtype).min).to(dtype)
        old = old[:, None, None].expand(-1, 1, packed.tokens.shape[1], -1)
        mask = torch.cat([old, packed.mask(dtype)], dim=-1)
        if self._population.gate is not None:
            self._population.gate.choose(self._population.adapters[self._user[rows]], dtype, device)
        outputs = decoder_of(model)(
            input_ids=packed.tokens.to(device),
            attention_mask=mask.to(device),
            position_ids=(packed.positions + filled[:, None]).clamp(max=self._population.window - 1).to(device),
            past_key_values=cache,
            use_cache=True,
        )
        hidden: torch.Tensor = outputs.last_hidden_state
        return hidden

    def _make_room(self, rows: Index, candidates: Index) -> None:
        """Drop the older half of the history of rows whose document would outgrow the window, and encode afresh."""
        lengths = self._population.pieces.lengths
        pending = self._pending(rows)
        tokens = self._filled[rows] + np.where(pending == NO_PIECE, 0, lengths[pending]).sum(axis=1)
        full = rows[tokens + lengths[candidates].max(axis=1, initial=0) > self._population.window]
        for row in full:
            script = self._script[row, : self._written[row]]
            lines = (len(script) - 1) // 2
            drop = (lines + 1) // 2
            kept = np.concatenate([script[:1], script[1 + 2 * drop :]])
            self._script[row] = NO_PIECE
            self._script[row, : len(kept)] = kept
            self._written[row] = len(kept)
            self._encoded[row] = self._filled[row] = 0
            self.dropped_lines[row] += drop
        if len(full):
            self._encode(full)


def _blocks(count: int, size: int) -> Iterator[slice]:
    return (slice(begin, min(begin + size, count)) for begin in range(0, count, size))
