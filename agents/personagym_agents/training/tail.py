"""The inner tail: each user's latest training rows, held out of a training to say when it should stop.

They are asked as held-out rows are: behind the profile and the history of the rows before them. Shapes: n training
rows, u users.
"""

from typing import NamedTuple

import numpy as np
import torch
from transformers import PreTrainedModel

from personagym_agents.documents.corpus import Corpus
from personagym_agents.documents.profile import FoldedProfileWriter, ProfileWriter
from personagym_agents.documents.window import window_of, within_window
from personagym_agents.model.causal_lm import answer_logits, hidden_states, multiplies_halves
from personagym_agents.model.packing import PREFIX, Segments, pack
from personagym_agents.training.sampling import NONE, Epoch, Hand, Sequences, write_headers
from personagym_env.data.tables import BoolArray, FloatArray, IntArray, Interactions

_AT_ONCE = 24
"""Candidates of one sequence."""
_BATCH = 32
"""Sequences of one pass."""


class TailErrors(NamedTuple):
    """Of each user's tail rows, as sums."""

    surprise: FloatArray
    """(u,) negative log likelihoods, in nats."""
    squares: FloatArray
    """(u,) squared errors of expected ratings, in levels squared."""
    rows: FloatArray
    """(u,) how many."""


def tail_rows(train: Interactions, share: float) -> BoolArray:
    """(n,) whether a row is among the last `share` of its user's; fewer than `1 / share` rows have no tail."""
    count = train.counts[train.users]
    return np.asarray(train.rank_in_user >= count - np.floor(share * count))


def tail_documents(corpus: Corpus, writer: ProfileWriter, tail: BoolArray, history_lines: int) -> Epoch:
    """Documents that ask for the tail rows (n,) of a corpus that was built for training."""
    train, examples = corpus.train, corpus.examples
    assert examples is not None, "a corpus without occasions has no lines of its rows"
    folds = writer.fold_of_row if isinstance(writer, FoldedProfileWriter) else np.zeros(len(train), np.int64)
    hands: list[Hand] = []
    asked: list[IntArray] = []
    for user in np.unique(train.users[tail]):
        rows = np.arange(train.indptr[user], train.indptr[user + 1])
        for fold in np.unique(folds[rows[tail[rows]]]):
            known, due = (rows[(tail[rows] == late) & (folds[rows] == fold)] for late in (False, True))
            shown = known[max(0, len(known) - history_lines) :]
            told = np.setdiff1d(rows[~tail[rows]], shown)
            for begin in range(0, len(due), _AT_ONCE):
                hands.append(Hand(int(user), shown, told, int(fold)))
                asked.append(due[begin : begin + _AT_ONCE])
    width = 1 + len(corpus.of_memory)
    columns = 1 + (width + 1) * history_lines + width * _AT_ONCE
    segment, block, rating = (np.full((len(hands), columns), fill) for fill in (NONE, PREFIX, NONE))
    history = corpus.without_memory(corpus.of_row)
    candidates = corpus.with_memory(corpus.of_row, examples.own)
    answers = corpus.of_answer[1 + train.rating_index]
    for row, (hand, due) in enumerate(zip(hands, asked, strict=True)):
        begin = 1 + (width + 1) * len(hand.shown)
        end = begin + width * len(due)
        segment[row, 0] = len(corpus.encoded) + row
        segment[row, 1:begin] = np.column_stack([history[hand.shown], answers[hand.shown]]).ravel()
        segment[row, begin:end] = candidates[due].ravel()
        block[row, begin:end] = np.repeat(np.arange(1, len(due) + 1), width)
        block[row, end:] = len(due)
        rating[row, begin + width - 1 : end : width] = train.rating_index[due]
    segments = Segments.of(corpus.encoded + (write_headers(hands, corpus, writer) if hands else []))
    nothing = np.full_like(rating, NONE)
    users = np.array([hand.user for hand in hands], np.int64)
    return Epoch(segments, Sequences(segment, block, rating, nothing, nothing, users))


class Tail:
    """The tail of a corpus, ready to be asked again and again.

    Args:
        corpus: was built for training.
        writer: writes the profiles.
        rows: (n,) which training rows they are, see `tail_rows`.
        history_lines: of a document.
        model: whose window limits the documents.
        tokens: of the documents at most, those of users drawn at random; None for all.
    """

    def __init__(
        self,
        corpus: Corpus,
        writer: ProfileWriter,
        rows: BoolArray,
        history_lines: int,
        model: PreTrainedModel,
        *,
        tokens: int | None = None,
    ) -> None:
        self.corpus = corpus
        self.rows = rows
        epoch = tail_documents(corpus, writer, self.rows, history_lines)
        self.epoch = within_window(epoch, corpus, window_of(model)) if self.rows.any() else epoch
        lengths = self.epoch.lengths
        self._order = np.argsort(lengths, kind="stable")
        if tokens is not None and len(lengths):
            turn = np.random.default_rng(0).permutation(corpus.train.n_users)[self.epoch.sequences.user]
            drawn = np.argsort(turn, kind="stable")
            left_out = drawn[np.cumsum(lengths[drawn]) > max(tokens, lengths[drawn[0]])]
            self._order = self._order[~np.isin(self._order, left_out)]

    def batches(self, users: BoolArray) -> list[IntArray]:
        """Sequences of some users (u,), of like length together."""
        order = self._order[users[self.epoch.sequences.user[self._order]]]
        return [order[begin : begin + _BATCH] for begin in range(0, len(order), _BATCH)]

    @torch.no_grad()
    def ask(self, model: PreTrainedModel, batch: IntArray) -> TailErrors:
        """Errors of a model as it stands on some of the sequences."""
        sequences, corpus = self.epoch.sequences, self.corpus
        packed = pack(self.epoch.segments, sequences.segment[batch], sequences.block[batch]).to(model.device)
        row, column = np.nonzero(sequences.rating[batch] != NONE)
        device = model.device
        with torch.autocast(device.type, torch.bfloat16, enabled=multiplies_halves(device)):
            states = hidden_states(model, packed)
        hidden = states[torch.from_numpy(row), packed.ends[torch.from_numpy(row), column]].float()
        answers = torch.tensor(corpus.answers.ids, device=model.device)
        chances = answer_logits(model, hidden, answers)[:, 1:].double().log_softmax(dim=-1).cpu().numpy()
        truth = sequences.rating[batch][row, column]
        surprise = -(corpus.target[truth] * chances).sum(axis=1)
        levels = np.asarray(corpus.levels)
        squares = (np.exp(chances) @ levels - corpus.target[truth] @ levels) ** 2
        owner, size = sequences.user[batch][row], corpus.train.n_users
        return TailErrors(
            np.bincount(owner, surprise, minlength=size).astype(np.float64),
            np.bincount(owner, squares, minlength=size).astype(np.float64),
            np.bincount(owner, minlength=size).astype(np.float64),
        )
