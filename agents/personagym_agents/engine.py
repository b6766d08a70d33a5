"""The reaction engine: open sessions of language-model users, scored in packed passes behind cached prefixes.

A session's script is the list of token pieces of its document: header, then item, recollections and answer of each
interaction. What
of it has been encoded lies in the prefix store. The keys and values of a consumed candidate move there from the pass
that scored it, and only what is still pending, its answer, travels at the front of the next packed pass, so that
nothing is ever encoded twice.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from transformers import PreTrainedModel

from personagym_agents.adapters import AdapterGate
from personagym_agents.cache import PackedPass, PrefixStore
from personagym_agents.corpus import Corpus
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
    """Of the model's mixed adapters, None where it has none."""
    adapters: Index
    """(u,) which of the gate's adapters each user has; not read without a gate."""
    corpus: Corpus
    """Where lines, recollections and answers have their pieces."""
    answer_ids: torch.Tensor
    """(1 + r,) token of each answer."""
    window: int
    """Positions that the model has."""


class _Scored(NamedTuple):
    """One packed pass over candidates."""

    rows: Index
    """(b,) sessions."""
    candidates: Index
    """(b, k, 1 + f) pieces."""
    ends: Index
    """(b, s) last token of each piece, the candidates' behind all others."""
    cache: PackedPass

    def place_of(self, rows: IntArray) -> Index:
        """(n,) where each session stands in this pass, -1 if it does not."""
        order = np.argsort(self.rows)
        found = order[np.minimum(np.searchsorted(self.rows, rows, sorter=order), len(order) - 1)]
        return np.where(self.rows[found] == rows, found, -1)

    def tokens_of(self, place: Index, candidate: Index) -> tuple[Index, Index]:
        """(n,) first token and token behind the last of a candidate of each session."""
        width = self.candidates.shape[2]
        first = self.ends.shape[1] - width * (self.candidates.shape[1] - candidate)
        # The piece before a session's first candidate may be padding, which ends where the last real piece does.
        begin = np.where(first > 0, self.ends[place, np.maximum(first - 1, 0)] + 1, 0)
        return begin, self.ends[place, first + width - 1] + 1


class LanguageSessions:
    """See `personagym_env.protocols.UserSessions`."""

    def __init__(self, population: Population, n: int) -> None:
        self._population = population
        self._store = PrefixStore(n)
        self._user = np.zeros(n, np.int64)
        corpus = population.corpus
        self._memory = np.zeros((n, len(corpus.of_item), len(corpus.of_memory)), np.uint8)
        """(n, m, f) what the user of each session recalls about every item."""
        self._script = np.full((n, population.scripts.shape[1]), NO_PIECE)
        self._written = np.zeros(n, np.int64)
        """(n,) pieces of each script."""
        self._encoded = np.zeros(n, np.int64)
        """(n,) pieces of each script that the store holds."""
        self._filled = np.zeros(n, np.int64)
        """(n,) tokens of each row that the store holds."""
        self._passes: list[_Scored] = []
        """Of the latest reaction; their keys and values are kept in case that a candidate is consumed."""
        self.dropped_lines = np.zeros(n, np.int64)
        """(n,) history lines that left the document because the model's window was full."""

    def start(self, rows: IntArray, users: IntArray) -> None:
        """See `UserSessions.start`."""
        self._passes = []
        scripts = self._population.scripts[users]
        self._user[rows] = users
        self._memory[rows] = self._population.corpus.recall(users)
        self._script[rows] = NO_PIECE
        self._script[rows, : scripts.shape[1]] = scripts
        self._written[rows] = (scripts != NO_PIECE).sum(axis=1)
        for state in (self._encoded, self._filled, self.dropped_lines):
            state[rows] = 0
        self._encode(np.asarray(rows, np.int64))

    def consume(self, rows: IntArray, items: IntArray, ratings: IntArray) -> None:
        """See `UserSessions.consume`."""
        rows = np.asarray(rows, np.int64)
        line = self._lines(rows, np.asarray(items)[:, None])[:, 0]
        moved = self._move(rows, line)
        answer = self._population.corpus.of_answer[1 + np.asarray(ratings)]
        told = np.column_stack([line, answer])
        end = self._written[rows]
        if int(end.max(initial=0)) + told.shape[1] > self._script.shape[1]:
            self._script = np.pad(self._script, ((0, 0), (0, 16 * told.shape[1])), constant_values=NO_PIECE)
        self._script[rows[:, None], end[:, None] + np.arange(told.shape[1])] = told
        self._written[rows] = end + told.shape[1]
        self._encoded[rows] += np.where(moved, line.shape[1], 0)

    @torch.no_grad()
    def react(self, rows: IntArray, slates: IntArray) -> Reaction:
        """See `UserSessions.react`."""
        # Users of one adapter stand together, which makes large matrix products of small ones.
        order = np.argsort(self._population.adapters[self._user[rows]], kind="stable")
        chosen = np.asarray(rows, np.int64)[order]
        candidates = self._lines(chosen, np.asarray(slates)[order])
        self._make_room(chosen, candidates)
        self._passes = []
        columns = list(_blocks(candidates.shape[1], _CANDIDATES))
        logits = torch.cat(
            [
                torch.cat([self._score(chosen[some], candidates[some, few]) for few in columns], dim=1)
                for some in _blocks(len(chosen), _ROWS)
            ]
        )[np.argsort(order)]
        chance = torch.softmax(logits.double(), dim=-1)[..., 0]
        rating = torch.softmax(logits[..., 1:].double(), dim=-1)
        return Reaction((1 - chance).clamp(_EDGE, 1 - _EDGE).cpu().numpy(), rating.cpu().numpy())

    def _move(self, rows: IntArray, line: Index) -> npt.NDArray[np.bool_]:
        """(b,) whether the line (b, 1 + f) was a candidate of the latest pass and now is in the store."""
        moved = np.zeros(len(rows), np.bool_)
        untouched = self._written[rows] == self._encoded[rows]
        for scored in self._passes:
            place = scored.place_of(rows)
            same = (scored.candidates[place] == line[:, None]).all(axis=2)
            here = np.flatnonzero((place >= 0) & untouched & ~moved & same.any(axis=1))
            if len(here):
                begin, end = scored.tokens_of(place[here], same[here].argmax(axis=1))
                which, offset = _ragged(end - begin)
                to = rows[here]
                scored.cache.keep(
                    to[which], self._filled[to][which] + offset, begin[which] + offset, place[here][which]
                )
                self._filled[to] += end - begin
                moved[here] = True
        return moved

    def _lines(self, rows: IntArray, items: IntArray) -> Index:
        """(b, k, 1 + f) pieces of the lines of items (b, k), as the users of (b,) rows recall them."""
        corpus = self._population.corpus
        return corpus.with_memory(corpus.of_item[items], self._memory[rows[:, None], items])

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
            self._pass(np.sort(rows[block]), np.zeros((len(rows[block]), 0, 1), np.int64))

    def _score(self, rows: Index, candidates: Index) -> torch.Tensor:
        """(b, k, 1 + r) answer logits of the candidates' lines."""
        hidden, packed, cache = self._pass(rows, candidates)
        self._passes.append(_Scored(rows, candidates, packed.ends.numpy(), cache))
        width = candidates.shape[2]
        last = packed.ends[:, packed.ends.shape[1] - width * candidates.shape[1] :][:, width - 1 :: width]
        last = last.to(hidden.device)
        at_end = torch.take_along_dim(hidden, last[..., None], dim=1)
        return answer_logits(self._population.model, at_end, self._population.answer_ids)

    def _pass(self, rows: Index, candidates: Index) -> tuple[torch.Tensor, Packed, PackedPass]:
        """Run pending pieces and candidates (b, k, 1 + f) behind the stored prefixes; store what was pending."""
        pending = self._pending(rows)
        number = np.broadcast_to(np.arange(1, candidates.shape[1] + 1)[:, None], candidates.shape)
        asked, segment = candidates.reshape(len(rows), -1), number.reshape(len(rows), -1)
        packed = pack(
            self._population.pieces,
            np.concatenate([pending, asked], axis=1),
            np.concatenate([np.full_like(pending, PREFIX), segment], axis=1),
        )
        filled = self._filled[rows]
        stored = int(filled.max(initial=0))
        cache = PackedPass(self._store, rows, stored)
        hidden = self._forward(rows, packed, torch.from_numpy(filled), cache)
        place, token = np.nonzero(packed.segments.numpy() == PREFIX)
        cache.keep(rows[place], filled[place] + token, token, place)
        self._filled[rows] = filled + np.bincount(place, minlength=len(rows))
        self._encoded[rows] = self._written[rows]
        return hidden, packed, cache

    def _forward(self, rows: Index, packed: Packed, filled: torch.Tensor, cache: PackedPass) -> torch.Tensor:
        model = self._population.model
        dtype, device = model.dtype, model.device
        old = torch.where(torch.arange(cache.stored) < filled[:, None], 0.0, torch.finfo(dtype).min).to(dtype)
        old = old[:, None, None].expand(-1, 1, packed.tokens.shape[1], -1)
        mask = torch.cat([old, packed.mask(dtype)], dim=-1)
        if self._population.gate is not None:
            self._population.gate.choose(self._population.adapters[self._user[rows]])
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
        full = rows[tokens + lengths[candidates].sum(axis=2).max(axis=1, initial=0) > self._population.window]
        width = candidates.shape[2] + 1
        for row in full:
            script = self._script[row, : self._written[row]]
            lines = (len(script) - 1) // width
            drop = (lines + 1) // 2
            kept = np.concatenate([script[:1], script[1 + width * drop :]])
            self._script[row] = NO_PIECE
            self._script[row, : len(kept)] = kept
            self._written[row] = len(kept)
            self._encoded[row] = self._filled[row] = 0
            self.dropped_lines[row] += drop
        if len(full):
            self._encode(full)


def _ragged(lengths: Index) -> tuple[Index, Index]:
    """(sum,) which of (n,) runs each element belongs to, and its place in that run."""
    which = np.repeat(np.arange(len(lengths)), lengths)
    return which, np.arange(len(which)) - (np.cumsum(lengths) - lengths)[which]


def _blocks(count: int, size: int) -> Iterator[slice]:
    return (slice(begin, min(begin + size, count)) for begin in range(0, count, size))
