"""What of training documents fits into a model's positions. In sessions `personagym_agents.inference.engine` does.

Shapes: N sequences with s piece columns, as `Sequences` has them.
"""

from dataclasses import replace

import numpy as np
from transformers import PreTrainedModel

from personagym_agents.documents.corpus import Corpus
from personagym_agents.model.packing import PREFIX
from personagym_agents.training.sampling import NONE, Epoch
from personagym_agents.training.settings import SamplingOptions

_HISTORY_SHARE = 0.75
"""Of a window, for history lines; the rest is for the profile and a candidate."""


def window_of(model: PreTrainedModel) -> int:
    """Positions over which a model has full attention: all that it has, or its sliding window if that is shorter."""
    limits = (getattr(model.config, name, None) for name in ("max_position_embeddings", "sliding_window"))
    return min((int(limit) for limit in limits if limit), default=2048)


def fitting(options: SamplingOptions, corpus: Corpus, window: int) -> SamplingOptions:
    """The options, with no more lines than whose history fits if they are as long as the corpus's are on average."""
    lengths = np.array([len(ids) for ids in corpus.encoded])
    line = corpus.without_memory(corpus.of_row)
    # And the answer, which is one token.
    typical = float(lengths[line].sum(axis=1).mean()) + 1
    if options.candidate_share == 1:
        return options  # no history
    lines = int(_HISTORY_SHARE * window / typical / (1 - options.candidate_share))
    return replace(options, lines=max(1, min(options.lines, lines)))


def within_window(epoch: Epoch, corpus: Corpus, window: int) -> Epoch:
    """The epoch, whose sequences lack as many of their oldest history lines as do not fit.

    Args:
        epoch: drawn from the corpus.
        corpus: says of how many pieces a line is.
        window: positions of the model.

    Raises:
        ValueError: a profile and a candidate alone do not fit.
    """
    sequences = epoch.sequences
    lengths = np.where(sequences.segment == NONE, 0, epoch.segments.lengths[sequences.segment])  # (N, s)
    history = (sequences.block == PREFIX) & (np.arange(lengths.shape[1]) > 0)
    asked = np.zeros((len(lengths), int(sequences.block.max(initial=0)) + 1), np.int64)
    np.add.at(asked, (np.arange(len(lengths))[:, None], sequences.block), lengths)
    needed = lengths[:, 0] + asked[:, 1:].max(axis=1, initial=0)
    if len(needed) and needed.max() > window:
        raise ValueError(
            f"a profile and an item's line of {needed.max()} tokens together do not fit into the model's {window} "
            "positions: shorten the profiles"
        )
    told = np.where(history, lengths, 0)
    behind = np.cumsum(told[:, ::-1], axis=1)[:, ::-1]  # (N, s) tokens of the history from each piece on
    # A line stays or goes as a whole: by what stands from its first piece on.
    width = 2 + len(corpus.of_memory)
    first = 1 + np.maximum(np.arange(lengths.shape[1]) - 1, 0) // width * width
    dropped = history & (behind[:, np.minimum(first, lengths.shape[1] - 1)] + needed[:, None] > window)
    if not dropped.any():
        return epoch
    segment, rating, item = (
        np.where(dropped, NONE, column) for column in (sequences.segment, sequences.rating, sequences.item)
    )
    return epoch._replace(sequences=sequences._replace(segment=segment, rating=rating, item=item))


def check_window(corpus: Corpus, profiles: list[str], window: int) -> None:
    """Make sure, before a long training, that every user can be asked about every item.

    Args:
        corpus: has the items' lines, and what may be recalled about them.
        profiles: (u,) of the users.
        window: positions of the model.

    Raises:
        ValueError: a profile and an item's line alone do not fit.
    """
    lengths = np.array([len(ids) for ids in corpus.encoded])
    recalled = sum(int(lengths[first]) for first in corpus.of_memory)
    longest = int(lengths[corpus.of_item].max()) + recalled
    header = max(len(ids) for ids in corpus.encode_headers(profiles))
    if header + longest > window:
        raise ValueError(
            f"a profile of {header} tokens and an item's line of {longest} do not fit into the model's {window} "
            "positions: shorten the profiles, or take a base with a longer window"
        )
