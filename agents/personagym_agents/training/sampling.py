"""What one training epoch shows: every training row once, as a history line or as a candidate, in packed sequences.

The profile that opens a sequence sums up rows of the same user that the sequence does not show, so no answer that the
loss asks for can be read off the text before it.
"""

from collections.abc import Callable, Sequence
from copy import deepcopy
from functools import lru_cache, partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from personagym_agents.documents.corpus import Corpus
from personagym_agents.documents.profile import FoldedProfileWriter, ProfileWriter
from personagym_agents.model.packing import PREFIX, Segments
from personagym_agents.training.settings import SamplingOptions
from personagym_env.data.tables import BoolArray, IntArray, Interactions
from personagym_env.data.traits import user_traits

Index = npt.NDArray[np.int64]
NONE = -1
"""No piece, no rating to learn, no choice to learn."""


class Sequences(NamedTuple):
    """Sequences of an epoch, N of them with s piece columns."""

    segment: Index
    """(N, s) pieces in order, `NONE` where there is none."""
    block: Index
    """(N, s) `PREFIX` or the candidate's number."""
    rating: Index
    """(N, s) rating index to be predicted at the piece's end, or `NONE`."""
    chosen: Index
    """(N, s) 1 at the end of a consumed candidate, 0 of a sampled unseen item, or `NONE`."""
    item: Index
    """(N, s) item of the line that an answer is due on at the piece's end, or `NONE`."""
    user: Index
    """(N,) whose sequence it is."""


class Epoch(NamedTuple):
    """The sequences of an epoch and the pieces that they are made of."""

    segments: Segments
    sequences: Sequences

    def of_users(self, users: BoolArray) -> "Epoch":
        """The sequences of some users (u,) alone."""
        return self._kept(users[self.sequences.user])

    @property
    def lengths(self) -> IntArray:
        """(N,) tokens of each sequence."""
        segment = self.sequences.segment
        return np.asarray(np.where(segment == NONE, 0, self.segments.lengths[segment]).sum(axis=1))

    def of_tokens(self, most: int) -> "Epoch":
        """The first sequences that hold so many tokens at most, and one at least."""
        keep = np.cumsum(self.lengths) <= most
        keep[:1] = True
        return self._kept(keep)

    def _kept(self, keep: BoolArray) -> "Epoch":
        return self._replace(sequences=Sequences(*(column[keep] for column in self.sequences)))


def _deal(count: int, lines: int, rng: np.random.Generator) -> list[Index]:
    """Cut the `count` rows of a user, in order of time, into hands of at most `lines` rows from a random offset on.

    So histories stand right before their candidates, as they do when users are asked.
    """
    return np.split(np.arange(count), np.arange(int(rng.integers(1, lines + 1)), count, lines))


class Hand(NamedTuple):
    """What one sequence shows of a user."""

    user: int
    shown: Index
    """Rows that the sequence shows."""
    told: Index
    """Rows that the profile sums up."""
    fold: int
    """Of the shown rows."""


def _hands(
    train: Interactions, kept: BoolArray, folds: IntArray, options: SamplingOptions, rng: np.random.Generator
) -> list[Hand]:
    hands = []
    for user in np.flatnonzero(train.counts):
        rows = np.arange(train.indptr[user], train.indptr[user + 1])
        rows = rows[kept[rows]]
        for fold in np.unique(folds[rows]):
            inside = rows[folds[rows] == fold]
            for places in _deal(len(inside), options.lines, rng):
                others = np.setdiff1d(rows, inside[places])
                told = others[rng.random(len(others)) < rng.random() ** 0.5]
                hands.append(Hand(int(user), inside[places], told, int(fold)))
    return hands


def write_headers(hands: Sequence[Hand], corpus: Corpus, writer: ProfileWriter) -> list[list[int]]:
    """Token lists of the profiles that sum up what each sequence does not show."""
    train = corpus.train
    rows = np.concatenate([hand.told for hand in hands])
    told = Interactions.from_columns(
        np.repeat(np.arange(len(hands)), [len(hand.told) for hand in hands]),
        train.items[rows],
        train.ratings[rows],
        None if train.timestamps is None else train.timestamps[rows],
        n_users=len(hands),
        n_items=train.n_items,
        scale=train.scale,
    )
    traits = user_traits(told, corpus.dataset.catalogue, corpus.crowd)
    people = np.array([hand.user for hand in hands])
    if isinstance(writer, FoldedProfileWriter):
        writer = writer.without_folds(np.array([hand.fold for hand in hands]))
    return corpus.encode_headers(writer.write(people, traits, corpus.dataset.catalogue, corpus.dataset.users))


def sample_epoch(
    corpus: Corpus,
    writer: ProfileWriter,
    options: SamplingOptions,
    rng: np.random.Generator,
    held_out: BoolArray | None = None,
) -> Epoch:
    """Draw the sequences of one epoch, in random order.

    Args:
        corpus: texts and training rows, with their occasions.
        writer: writes the profiles.
        options: how documents are drawn.
        rng: draws.
        held_out: (n,) rows that are neither shown nor told; None for none.

    Raises:
        ValueError: the corpus was not built for training.
    """
    train, examples = corpus.train, corpus.examples
    if examples is None:
        raise ValueError("the corpus needs the occasions of its training rows (`draw_cross_fitted_examples`)")
    folds = writer.fold_of_row if isinstance(writer, FoldedProfileWriter) else np.zeros(len(train), np.int64)
    kept = np.ones(len(train), np.bool_) if held_out is None else ~held_out
    hands = _hands(train, kept, folds, options, rng)
    most = max(len(hand.shown) for hand in hands)
    width = 1 + len(corpus.of_memory)  # pieces of a line, the last of which an answer is due on
    columns = 1 + (width + 1) * most + 2 * width * (int(most * options.candidate_share) + 1)
    segment, block, rating, chosen, item = (
        np.full((len(hands), columns), fill) for fill in (NONE, PREFIX, NONE, NONE, NONE)
    )
    answer = corpus.of_answer[1 + train.rating_index]
    hidden = rng.random(len(train)) < options.hidden_titles
    history_line = corpus.without_memory(np.where(hidden, corpus.of_row_untitled, corpus.of_row))
    recalling = rng.random(len(train)) < options.recalling
    history_line[recalling] = corpus.with_memory(corpus.of_row, examples.own)[recalling]
    candidate_line = corpus.with_memory(corpus.of_row, examples.own)
    other = (np.arange(len(train)), rng.integers(0, examples.unseen.shape[1], len(train)))
    unseen = examples.unseen[other]
    # Who has rated everything has nothing to skip: what was drawn for them in its place teaches no choice.
    skipped = np.where(train.contains(train.users, unseen), NONE, 0)
    unseen_line = corpus.with_memory(corpus.of_item[unseen], examples.recalled[other])
    blank = rng.random(len(train)) < options.forgetful
    candidate_line[blank] = corpus.without_memory(corpus.of_row)[blank]
    unseen_line[blank] = corpus.without_memory(corpus.of_item[unseen])[blank]
    for row, hand in enumerate(hands):
        positives = max(1, int(len(hand.shown) * options.candidate_share))
        history, candidates = hand.shown[:-positives], hand.shown[-positives:]
        begin = 1 + (width + 1) * len(history)
        end = begin + width * 2 * positives
        segment[row, 0] = len(corpus.encoded) + row
        segment[row, 1:begin] = np.column_stack([history_line[history], answer[history]]).ravel()
        segment[row, begin:end] = np.concatenate([candidate_line[candidates], unseen_line[candidates]]).ravel()
        block[row, begin:end] = np.repeat(np.arange(1, 2 * positives + 1), width)
        block[row, end:] = 2 * positives
        told, asked = slice(width, begin, width + 1), slice(begin + width - 1, end, width)
        rating[row, told] = train.rating_index[history]
        rating[row, asked] = np.concatenate([train.rating_index[candidates], np.full(positives, NONE)])
        chosen[row, asked] = np.concatenate([np.ones(positives, np.int64), skipped[candidates]])
        item[row, told] = train.items[history]
        item[row, asked] = np.concatenate([train.items[candidates], unseen[candidates]])
        if not options.choices:
            chosen[row, asked] = NONE
            segment[row, begin + width * positives : end] = item[row, begin + width * positives : end] = NONE
    segments = Segments.of(corpus.encoded + write_headers(hands, corpus, writer))
    order = rng.permutation(len(hands))
    user = np.array([hand.user for hand in hands])
    return Epoch(segments, Sequences(*(array[order] for array in (segment, block, rating, chosen, item, user))))


class Epochs:
    """The epochs of a training, each drawn from the seed and its number alone.

    Args:
        corpus: texts and training rows, with their occasions.
        writer: writes the profiles.
        options: how documents are drawn.
        seed: of all epochs.
        kept: latest epochs that stay in memory, for trainings that take turns in showing them to different users.
        held_out: (n,) rows that are neither shown nor told; None for none.
    """

    def __init__(
        self,
        corpus: Corpus,
        writer: ProfileWriter,
        options: SamplingOptions,
        *,
        seed: int,
        kept: int = 1,
        held_out: BoolArray | None = None,
    ) -> None:
        self.corpus = corpus
        self.seed = seed
        self._made_with = (partial(Epochs, seed=seed, kept=kept, held_out=held_out), (corpus, writer, options))

        @lru_cache(maxsize=kept)
        def draw(number: int) -> tuple[Epoch, np.random.Generator]:
            rng = np.random.default_rng([seed, number])
            return sample_epoch(corpus, writer, options, rng, held_out), rng

        self._draw = draw

    def __reduce__(self) -> tuple[Callable[..., "Epochs"], tuple[Any, ...]]:
        """A copy in another process, which draws them again."""
        return self._made_with

    def draw(self, number: int) -> tuple[Epoch, np.random.Generator]:
        """An epoch, and a generator that goes on from its draws."""
        epoch, rng = self._draw(number)
        return epoch, deepcopy(rng)
