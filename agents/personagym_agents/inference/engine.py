"""The reaction engine: open sessions of language-model users, scored in packed passes behind cached prefixes.

A session's script is the list of token pieces of its document: header, then item, recollections and answer of each
interaction. What of it has been encoded lies in the prefix store. The keys and values of a consumed candidate move
there from the pass that scored it, and only what is still pending, its answer, travels at the front of the next packed
pass, so that nothing is ever encoded twice.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol, TypeVar, cast

import numpy as np
import numpy.typing as npt
import torch
from transformers import PreTrainedModel

from personagym_agents.documents.corpus import Corpus
from personagym_agents.inference.model_hooks import packed_attention
from personagym_agents.inference.packed_pass import Edit, PackedPass
from personagym_agents.inference.pass_layout import lay_out, ragged
from personagym_agents.inference.prefix_cache import PrefixStore
from personagym_agents.inference.styles import Styles
from personagym_agents.inference.thread_pool import one_thread, side_by_side
from personagym_agents.memory.evidence import Codes
from personagym_agents.model.adapters import AdapterGate
from personagym_agents.model.causal_lm import answer_logits, decoder_of
from personagym_agents.model.packing import Segments
from personagym_env.data.tables import IntArray
from personagym_env.protocols import Reaction

Index = npt.NDArray[np.int64]
ENGINE_VERSION = 1
"""Raised with every change of how documents pass through a model, here or in the modules that this one and
`whole_documents` import of this package, that moves answers by more than rounding."""
NO_SEGMENT = -1
_T = TypeVar("_T")
_LINES_PER_ROW = 10
"""A pass over pending tokens alone takes the rows that slates of so many lines would give it."""
SHARED_FROM = 1 << 29
"""Multiply-adds of a pass in one layer from which on threads pay that share each of its products: ten milliseconds and
more, beside which they wait little for each other."""
_EDGE = 1e-6
"""Wants lie within (edge, 1 - edge), so that their logits stay finite."""


class Steering(Protocol):
    """Moves what one layer gives where users answer, by vectors that depend on the user and on the item."""

    @property
    def layer(self) -> torch.nn.Module:
        """One that `model_hooks.prepare_for_edits` knows."""

    def vectors(self, users: IntArray, slates: IntArray) -> torch.Tensor:
        """(b, k, d) what is added where users (b,) answer items (b, k)."""


class Population(NamedTuple):
    """All that sessions need to know about the users, none of which changes in a session."""

    model: PreTrainedModel
    segments: Segments
    prompts: Index
    """(u, s) pieces of each user's document before any session, `NO_SEGMENT` behind its end."""
    gate: AdapterGate | None
    """Of the model's mixed adapters, None where it has none."""
    adapters: Index
    """(u,) which of the gate's adapters each user has; not read without a gate."""
    corpus: Corpus
    """Where lines, recollections and answers have their pieces."""
    answer_ids: torch.Tensor
    """(1 + r,) token of each answer."""
    window: int
    """Positions over which the model has full attention."""
    pass_size: int
    """Most candidates of one packed pass: enough to fill the matrix products, few enough to stay in the cache."""
    styles: Styles | None = None
    """None leaves answers as the model gives them."""
    steering: Steering | None = None
    """None leaves the hidden states as they are. With it, keys and values of scored candidates are not kept: what is
    steered is an answer, and no history."""


class _Scored(NamedTuple):
    """One packed pass over candidates."""

    rows: Index
    """(b,) sessions."""
    candidates: Index
    """(b, k, 1 + f) pieces."""
    packed: PackedPass

    def place_of(self, rows: IntArray) -> Index:
        """(n,) where each session stands in this pass, -1 if it does not."""
        order = np.argsort(self.rows)
        found = order[np.minimum(np.searchsorted(self.rows, rows, sorter=order), len(order) - 1)]
        return np.where(self.rows[found] == rows, found, -1)


class LanguageSessions:
    """See `personagym_env.protocols.UserSessions`."""

    def __init__(self, population: Population, n: int) -> None:
        self._population = population
        self._store = PrefixStore(n)
        self._user = np.zeros(n, np.int64)
        corpus = population.corpus
        self._memory = np.zeros((n, len(corpus.of_item), len(corpus.of_memory)), corpus.code_type)
        """(n, m, f) what the user of each session recalls about every item."""
        self._layer_size = _weights_per_layer(population.model)
        self._script = np.full((n, population.prompts.shape[1]), NO_SEGMENT)
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

    @property
    def cached_tokens(self) -> IntArray:
        """(n,) tokens of each session's document whose keys and values are stored."""
        return self._filled.copy()

    @property
    def pending_segments(self) -> IntArray:
        """(n,) segments of each session's document that are still to be encoded."""
        return self._written - self._encoded

    def __getstate__(self) -> dict[str, Any]:
        """Everything but the latest passes: what they hold is a short cut for `consume`, and large."""
        return self.__dict__ | {"_passes": []}

    def start(self, rows: IntArray, users: IntArray) -> None:
        """See `UserSessions.start`. Costs no inference: the document is encoded when the first slate is shown."""
        self._passes = []
        prompts = self._population.prompts[users]
        self._user[rows] = users
        self._memory[rows] = self._population.corpus.recall(users)
        self._script[rows] = NO_SEGMENT
        self._script[rows, : prompts.shape[1]] = prompts
        self._written[rows] = (prompts != NO_SEGMENT).sum(axis=1)
        for state in (self._encoded, self._filled, self.dropped_lines):
            state[rows] = 0
        opened = np.asarray(rows, np.int64)
        self._make_room(opened, np.zeros(len(opened), np.int64))

    @one_thread()
    def consume(self, rows: IntArray, items: IntArray, ratings: IntArray) -> None:
        """See `UserSessions.consume`."""
        line = self._lines(rows, np.asarray(items)[:, None])[:, 0]
        moved = self._move(np.asarray(rows, np.int64), line)
        answer = self._population.corpus.of_answer[1 + np.asarray(ratings)]
        told = np.column_stack([line, answer])
        end = self._written[rows]
        if int(end.max(initial=0)) + told.shape[1] > self._script.shape[1]:
            self._script = np.pad(self._script, ((0, 0), (0, 16 * told.shape[1])), constant_values=NO_SEGMENT)
        self._script[rows[:, None], end[:, None] + np.arange(told.shape[1])] = told
        self._written[rows] = end + told.shape[1]
        self._encoded[rows] += np.where(moved, line.shape[1], 0)

    def pieces(self, row: int, item: int) -> tuple[Index, Index]:
        """Pieces (s,) of a row's document as it now is, and (1 + f,) of an item's line behind it."""
        line = self._lines(np.array([row]), np.array([[item]]))[0, 0]
        return self._script[row, : self._written[row]].copy(), line

    def recalled(self, rows: IntArray, items: IntArray) -> Codes:
        """(b, k, f) levels of what the users of (b,) rows recall about items (b, k)."""
        return self._memory[rows[:, None], items]

    def prompt(self, row: int, item: int) -> str:
        """The text behind which a row's user answers an item: the document as it now is, then the item's line."""
        segments = self._population.segments
        tokens = [
            token
            for segment in np.concatenate(self.pieces(row, item))
            for token in segments.tokens[segment, : segments.lengths[segment]].tolist()
        ]
        return str(self._population.corpus.tokenizer.decode(tokens, skip_special_tokens=True))

    @torch.no_grad()
    def react(self, rows: IntArray, slates: IntArray) -> Reaction:
        """See `UserSessions.react`."""
        # Users of one adapter stand together, which makes large matrix products of small ones.
        order = np.argsort(self._population.adapters[self._user[rows]], kind="stable")
        chosen = np.asarray(rows, np.int64)[order]
        candidates = self._lines(chosen, np.asarray(slates)[order])
        self._make_room(chosen, self._population.segments.lengths[candidates].sum(axis=2).max(axis=1))
        # A packed pass has room for one pending token per row, the answer to a line that it scored before.
        self._encode(chosen[self._pending_tokens(chosen) > 1])
        self._passes = []
        blocks = self.row_blocks(len(chosen), candidates.shape[1])
        steering = self._population.steering
        added = None if steering is None else steering.vectors(self._user[chosen], np.asarray(slates)[order])
        scored = self._pass_by_pass(
            self._score, [(chosen[some], candidates[some], None if added is None else added[some]) for some in blocks]
        )
        reaction = reaction_of(torch.cat(scored)[np.argsort(order)])
        if (styles := self._population.styles) is None:
            return reaction
        return reaction._replace(rating=styles.styled(reaction.rating, self._user[rows], slates))

    @torch.no_grad()
    def hidden_behind(self, layer: torch.nn.Module, rows: IntArray, candidates: Index) -> torch.Tensor:
        """(b, k, d) what a layer gives at the last token of candidates (b, k, p), pieces behind each row's document.

        Args:
            layer: one that `model_hooks.prepare_for_edits` knows.
            rows: (b,) started sessions.
            candidates: their pieces.
        """
        seen: list[torch.Tensor] = []
        chosen = np.asarray(rows, np.int64)

        def watch(hidden: torch.Tensor) -> torch.Tensor:
            seen.append(hidden)
            return hidden

        self._encode(chosen[self._pending_tokens(chosen) > 0])
        self._passes = []
        with packed_attention(self._population.model):
            self._pass(chosen, candidates, Edit(layer, watch))
        return seen[0].view(len(chosen), candidates.shape[1], -1)

    def _move(self, rows: Index, line: Index) -> npt.NDArray[np.bool_]:
        """(b,) whether the line (b, 1 + f) was a candidate of the latest pass and now is in the store."""
        moved = np.zeros(len(rows), np.bool_)
        if self._population.steering is not None:
            return moved
        untouched = self._written[rows] == self._encoded[rows]
        for scored in self._passes:
            place = scored.place_of(rows)
            same = (scored.candidates[place] == line[:, None]).all(axis=2)
            here = np.flatnonzero((place >= 0) & untouched & ~moved & same.any(axis=1))
            if len(here):
                run = 1 + same[here].argmax(axis=1)
                begin, length = (part[place[here], run] for part in scored.packed.runs[2:])
                which, offset = ragged(length)
                to = rows[here]
                scored.packed.keep(to[which], self._filled[to][which] + offset, begin[which] + offset)
                self._filled[to] += length
                moved[here] = True
        return moved

    def _lines(self, rows: IntArray, items: IntArray) -> Index:
        """(b, k, 1 + f) pieces of the lines of items (b, k), as the users of (b,) rows recall them."""
        corpus = self._population.corpus
        return corpus.with_memory(corpus.of_item[items], self.recalled(rows, items))

    def _pending(self, rows: Index) -> Index:
        """(b, p) pieces that are written but not encoded, `NO_SEGMENT` behind each row's last."""
        count = self._written[rows] - self._encoded[rows]
        offset = np.arange(int(count.max(initial=0)))
        place = np.minimum(self._encoded[rows][:, None] + offset, self._script.shape[1] - 1)
        return np.where(offset < count[:, None], self._script[rows[:, None], place], NO_SEGMENT)

    def _pending_tokens(self, rows: Index) -> Index:
        """(b,) tokens that are written but not encoded."""
        pending = self._pending(rows)
        return np.asarray(np.where(pending == NO_SEGMENT, 0, self._population.segments.lengths[pending]).sum(axis=1))

    def _tokens(self, rows: Index, candidates: Index) -> int:
        """That a pass over pending pieces and candidates (b, k, 1 + f) has."""
        return int(self._pending_tokens(rows).sum() + self._population.segments.lengths[candidates].sum())

    @torch.no_grad()
    def _encode(self, rows: Index) -> None:
        """Bring the store up to date with the scripts, rows of like length together."""
        rows = rows[np.argsort(self._written[rows], kind="stable")]
        nothing = np.zeros((len(rows), 0, 1), np.int64)
        blocks = self.row_blocks(len(rows), _LINES_PER_ROW)
        self._pass_by_pass(self._pass, [(np.sort(rows[some]), nothing[some]) for some in blocks])

    def _score(self, rows: Index, candidates: Index, added: torch.Tensor | None) -> torch.Tensor:
        """(b, k, 1 + r) answer logits of the candidates' lines, in several passes if one row's are too many for one."""
        logits, steering = [], self._population.steering
        for part in _blocks(candidates.shape[1], self._population.pass_size):
            edit = None
            if steering is not None and added is not None:
                edit = Edit(steering.layer, partial(torch.add, added[:, part].flatten(0, 1)))
            packed, hidden = self._pass(rows, candidates[:, part], edit)
            self._passes.append(_Scored(rows, candidates[:, part], packed))
            one = answer_logits(self._population.model, hidden, self._population.answer_ids)
            logits.append(one.view(len(rows), -1, one.shape[-1]))
        return torch.cat(logits, dim=1)

    def row_blocks(self, count: int, lines: int) -> Iterator[slice]:
        """Which of so many rows with so many lines each share a pass.

        Every thread gets one, but none of less than half the size: short operations leave threads waiting for Python.
        """
        threads = torch.get_num_threads() if self._population.model.device.type == "cpu" else 1
        most = self._population.pass_size // lines
        return _blocks(count, max(1, min(most, max(most // 2, -(-count // threads)))))

    def _pass_by_pass(self, work: Callable[..., _T], blocks: Sequence[tuple[Any, ...]]) -> list[_T]:
        """Do the work of several passes over different rows, side by side on a processor."""
        jobs = [partial(work, *block) for block in blocks]
        if not jobs:
            return []
        columns = max(int((self._filled[rows] + self._pending_tokens(rows)).max()) for rows, *_ in blocks)
        shared = max(self._tokens(*block[:2]) for block in blocks) * self._layer_size >= SHARED_FROM
        with packed_attention(self._population.model):
            if self._population.model.device.type != "cpu":
                return [job() for job in jobs]
            # Only the first pass ever knows how wide keys are; after it nothing is moved while others write.
            done = [] if self._store.keys else side_by_side([jobs.pop(0)], shared=shared)
            self._store.reserve(columns)
            return done + side_by_side(jobs, shared=shared)

    def _pass(self, rows: Index, candidates: Index, edit: Edit | None = None) -> tuple[PackedPass, torch.Tensor]:
        """Run pending pieces and candidates (b, k, 1 + f) behind the stored prefixes; store what was pending."""
        population, filled = self._population, self._filled[rows]
        packed = PackedPass(
            model=population.model,
            store=self._store,
            rows=rows,
            filled=filled,
            runs=lay_out(population.segments, filled, self._pending(rows), candidates),
            gate=population.gate,
            adapters=population.adapters[self._user[rows]],
            edit=edit,
        )
        answers = packed.run()
        self._filled[rows] += packed.runs.lengths[:, 0]
        self._encoded[rows] = self._written[rows]
        return packed, answers

    def _make_room(self, rows: Index, longest: Index) -> None:
        """Drop the older half of the history of rows whose document would outgrow the window, to be encoded afresh.

        Args:
            rows: (b,) sessions.
            longest: (b,) tokens of each one's longest candidate.

        Raises:
            ValueError: the window is too small for a document without any history.
        """
        window, width = self._population.window, 2 + len(self._population.corpus.of_memory)
        tokens = self._filled[rows] + self._pending_tokens(rows) + longest
        for row, ahead in zip(rows[tokens > window], longest[tokens > window], strict=True):
            script = self._script[row, : self._written[row]]
            sizes = self._population.segments.lengths[script]
            while sizes.sum() + ahead > window:
                lines = (len(script) - 1) // width
                if not lines:
                    raise ValueError(
                        f"a profile of {sizes.sum()} tokens and an item's line of {ahead} do not fit into the "
                        f"{window} positions of {type(self._population.model).__name__}: shorten the profiles"
                    )
                drop = (lines + 1) // 2
                script, sizes = (np.append(part[:1], part[1 + width * drop :]) for part in (script, sizes))
                self.dropped_lines[row] += drop
            self._script[row] = NO_SEGMENT
            self._script[row, : len(script)] = script
            self._written[row] = len(script)
            self._encoded[row] = self._filled[row] = 0


@one_thread()
def reaction_of(logits: torch.Tensor) -> Reaction:
    """What answer logits (..., 1 + r) mean: skip, then each rating."""
    chance = torch.softmax(logits.double(), dim=-1)[..., 0]
    rating = torch.softmax(logits[..., 1:].double(), dim=-1)
    return Reaction((1 - chance).clamp(_EDGE, 1 - _EDGE).cpu().numpy(), rating.cpu().numpy())


def _weights_per_layer(model: PreTrainedModel) -> float:
    decoder = cast(PreTrainedModel, decoder_of(model))
    return float(decoder.num_parameters(exclude_embeddings=True) / model.config.num_hidden_layers)


def _blocks(count: int, size: int) -> Iterator[slice]:
    return (slice(begin, min(begin + size, count)) for begin in range(0, count, size))
