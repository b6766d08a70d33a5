"""Training documents lose their oldest lines, whole, until they fit into the model's positions."""

import numpy as np
import pytest
import torch
from transformers import PreTrainedTokenizerBase

from personagym_agents.corpus import Corpus
from personagym_agents.memory import Memory
from personagym_agents.occasions import Occasions
from personagym_agents.packing import PADDING, PREFIX, pack
from personagym_agents.profile import StatisticalProfileWriter
from personagym_agents.sampling import NONE, Epoch, SamplingOptions, sample_epoch
from personagym_agents.window import fitting, within_window
from personagym_env.data.splits import Split
from personagym_env.data.tables import Dataset


@pytest.fixture(scope="module")
def corpus(
    small_data: Dataset,
    small_split: Split,
    small_tokenizer: PreTrainedTokenizerBase,
    small_memory: Memory,
    small_occasions: Occasions,
) -> Corpus:
    return Corpus.build(small_data, small_split.train, small_tokenizer, memory=small_memory, occasions=small_occasions)


@pytest.fixture(scope="module")
def epoch(corpus: Corpus) -> Epoch:
    return sample_epoch(corpus, StatisticalProfileWriter(), SamplingOptions(lines=12), np.random.default_rng(0))


def longest_position(epoch: Epoch) -> int:
    packed = pack(epoch.pieces, epoch.sequences.piece, epoch.sequences.segment)
    return int(packed.positions.max())


def test_what_fits_stays(epoch: Epoch, corpus: Corpus) -> None:
    needed = 1 + longest_position(epoch)
    assert within_window(epoch, corpus, needed) is epoch
    assert within_window(epoch, corpus, needed - 1) is not epoch


@pytest.mark.parametrize("window", [90, 110, 130])
def test_the_oldest_lines_are_left_out_whole_and_nothing_else(epoch: Epoch, corpus: Corpus, window: int) -> None:
    cut = within_window(epoch, corpus, window).sequences
    whole = epoch.sequences
    assert longest_position(epoch) >= window > longest_position(epoch._replace(sequences=cut))
    width = 2 + len(corpus.of_memory)
    sizes = np.where(whole.piece == NONE, 0, epoch.pieces.lengths[whole.piece])
    for before, after, segment, size in zip(whole.piece, cut.piece, whole.segment, sizes, strict=True):
        kept = after == before
        assert (after[~kept] == NONE).all()
        assert kept[segment != PREFIX].all(), "a candidate is gone"
        assert kept[0], "the profile is gone"
        lines = kept[1 : int((segment == PREFIX).sum())].reshape(-1, width)
        assert (lines.all(axis=1) | ~lines.any(axis=1)).all(), "a line is cut"
        assert (np.diff(lines[:, 0].astype(int)) >= 0).all(), "an older line than one that is gone stays"
        if gone := int((~lines[:, 0]).sum()):
            # One line more would not have fitted.
            last = 1 + width * (gone - 1)
            longest = max(size[segment == number].sum() for number in range(1, int(segment.max()) + 1))
            assert size[0] + size[last : 1 + lines.size].sum() + longest > window
    unasked = cut.item == NONE
    assert (cut.rating[unasked] == NONE).all()
    assert (cut.piece[~unasked] != NONE).all()
    assert (whole.chosen == cut.chosen).all()


def test_a_profile_that_is_too_long_is_named(epoch: Epoch, corpus: Corpus) -> None:
    with pytest.raises(ValueError, match="do not fit into the model's 20 positions: shorten the profiles"):
        within_window(epoch, corpus, 20)


def test_fewer_lines_are_shown_where_not_all_would_fit(corpus: Corpus) -> None:
    options = SamplingOptions()
    assert fitting(options, corpus, 4096) == options
    few = fitting(options, corpus, 256)
    assert 1 < few.lines < options.lines
    assert few == options._replace(lines=few.lines)
    assert fitting(options, corpus, 8).lines == 1
    epoch = sample_epoch(corpus, StatisticalProfileWriter(), few, np.random.default_rng(0))
    assert within_window(epoch, corpus, 256) is epoch


def test_padding_stands_at_the_first_position(epoch: Epoch) -> None:
    packed = pack(epoch.pieces, epoch.sequences.piece, epoch.sequences.segment)
    assert (packed.segments == PADDING).any()
    assert (packed.positions[packed.segments == PADDING] == 0).all()
    assert torch.equal(packed.positions[:, 0], torch.zeros(len(packed.positions), dtype=torch.long))
