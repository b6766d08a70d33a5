"""Training documents lose their oldest lines, whole, until they fit into the model's positions."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import PreTrainedTokenizerBase

from personagym_agents.documents.corpus import Corpus
from personagym_agents.documents.profile import StatisticalProfileWriter
from personagym_agents.documents.window import fitting, within_window
from personagym_agents.memory.cross_fitted import CrossFittedExamples
from personagym_agents.memory.evidence import Memory
from personagym_agents.model.packing import PADDING, PREFIX, pack
from personagym_agents.training.sampling import NONE, Epoch, sample_epoch
from personagym_agents.training.settings import SamplingOptions
from personagym_env.data.splits import Split
from personagym_env.data.tables import Dataset


@pytest.fixture(scope="module")
def corpus(
    small_data: Dataset,
    small_split: Split,
    small_tokenizer: PreTrainedTokenizerBase,
    small_memory: Memory,
    small_examples: CrossFittedExamples,
) -> Corpus:
    return Corpus.build(small_data, small_split.train, small_tokenizer, memory=small_memory, examples=small_examples)


@pytest.fixture(scope="module")
def epoch(corpus: Corpus) -> Epoch:
    return sample_epoch(corpus, StatisticalProfileWriter(), SamplingOptions(lines=12), np.random.default_rng(0))


def longest_position(epoch: Epoch) -> int:
    packed = pack(epoch.segments, epoch.sequences.segment, epoch.sequences.block)
    return int(packed.positions.max())


def test_what_fits_stays(epoch: Epoch, corpus: Corpus) -> None:
    needed = 1 + longest_position(epoch)
    assert within_window(epoch, corpus, needed) is epoch
    assert within_window(epoch, corpus, needed - 1) is not epoch


@pytest.mark.parametrize("window", [90, 105, 120])
def test_the_oldest_lines_are_left_out_whole_and_nothing_else(epoch: Epoch, corpus: Corpus, window: int) -> None:
    cut = within_window(epoch, corpus, window).sequences
    whole = epoch.sequences
    assert longest_position(epoch) >= window > longest_position(epoch._replace(sequences=cut))
    width = 2 + len(corpus.of_memory)
    sizes = np.where(whole.segment == NONE, 0, epoch.segments.lengths[whole.segment])
    for before, after, block, size in zip(whole.segment, cut.segment, whole.block, sizes, strict=True):
        kept = after == before
        assert (after[~kept] == NONE).all()
        assert kept[block != PREFIX].all(), "a candidate is gone"
        assert kept[0], "the profile is gone"
        lines = kept[1 : int((block == PREFIX).sum())].reshape(-1, width)
        assert (lines.all(axis=1) | ~lines.any(axis=1)).all(), "a line is cut"
        assert (np.diff(lines[:, 0].astype(int)) >= 0).all(), "an older line than one that is gone stays"
        if gone := int((~lines[:, 0]).sum()):
            # One line more would not have fitted.
            last = 1 + width * (gone - 1)
            longest = max(size[block == number].sum() for number in range(1, int(block.max()) + 1))
            assert size[0] + size[last : 1 + lines.size].sum() + longest > window
    unasked = cut.item == NONE
    assert (cut.rating[unasked] == NONE).all()
    assert (cut.segment[~unasked] != NONE).all()
    assert (whole.chosen == cut.chosen).all()


def test_a_profile_that_is_too_long_is_named(epoch: Epoch, corpus: Corpus) -> None:
    with pytest.raises(ValueError, match="do not fit into the model's 20 positions: shorten the profiles"):
        within_window(epoch, corpus, 20)


def test_fewer_lines_are_shown_where_not_all_would_fit(corpus: Corpus) -> None:
    options = SamplingOptions()
    assert fitting(options, corpus, 4096) == options
    few = fitting(options, corpus, 48)
    assert 1 < few.lines < options.lines
    assert few == replace(options, lines=few.lines)
    assert fitting(options, corpus, 4).lines == 1
    epoch = sample_epoch(corpus, StatisticalProfileWriter(), fitting(options, corpus, 256), np.random.default_rng(0))
    assert within_window(epoch, corpus, 256) is epoch


def test_padding_stands_at_the_first_position(epoch: Epoch) -> None:
    packed = pack(epoch.segments, epoch.sequences.segment, epoch.sequences.block)
    assert (packed.blocks == PADDING).any()
    assert (packed.positions[packed.blocks == PADDING] == 0).all()
    assert torch.equal(packed.positions[:, 0], torch.zeros(len(packed.positions), dtype=torch.long))
