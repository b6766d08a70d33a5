"""The plan of a training's memory, and that batches in parts are the batches they are parts of."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from personagym_agents.documents.corpus import Corpus
from personagym_agents.documents.profile import StatisticalProfileWriter
from personagym_agents.memory.cross_fitted import CrossFittedExamples
from personagym_agents.memory.evidence import Memory
from personagym_agents.training.memory import MemoryPlan, plan_memory
from personagym_agents.training.sampling import Epochs
from personagym_agents.training.settings import SamplingOptions, TrainingSettings
from personagym_agents.training.step import Lesson, gradients, sequence_lengths
from personagym_agents.training.world import World
from personagym_env.data.splits import Split
from personagym_env.data.tables import Dataset


def plan_of(model: PreTrainedModel, **changed: object) -> MemoryPlan:
    asked: dict[str, object] = {"length": 100, "batch": 8, "gigabytes": 1.0, "halves": False, "checkpointing": None}
    return plan_memory(model, **(asked | changed))  # type: ignore[arg-type]


def test_a_plan_keeps_all_layers_while_a_sequence_fits_and_computes_them_again_where_it_does_not(
    tiny_model: Callable[..., PreTrainedModel],
) -> None:
    model = tiny_model("llama")
    whole = plan_of(model)
    assert not whole.checkpointing
    assert whole.rows(100) == 8
    assert whole.together == 800
    spared = plan_of(model, gigabytes=0.5 * 100 * whole.per_token / 1e9)
    assert spared.checkpointing
    assert spared.per_token < whole.per_token
    assert plan_of(model, gigabytes=3.5 * 100 * (whole.per_token + 800) / 1e9).rows(100) == 3
    assert plan_of(model, checkpointing=True).checkpointing
    assert plan_of(model, halves=True).per_token == whole.per_token / 2
    assert "up to 800 tokens at a time" in str(whole)


@pytest.fixture(scope="module")
def world(
    small_data: Dataset,
    small_split: Split,
    small_tokenizer: PreTrainedTokenizerBase,
    small_memory: Memory,
    small_examples: CrossFittedExamples,
) -> World:
    corpus = Corpus.build(small_data, small_split.train, small_tokenizer, memory=small_memory, examples=small_examples)
    epochs = Epochs(corpus, StatisticalProfileWriter(), SamplingOptions(lines=6), seed=0)
    return World(epochs, lambda users, _: np.full((len(users), 5), 0.2))


def test_micro_batches_add_up_to_their_batch(world: World, tiny_model: Callable[..., PreTrainedModel]) -> None:
    """Three parts of unlike sizes, one of which may hold no answer of a kind."""
    epoch, _ = world.draw(0)
    settings = TrainingSettings(dropout=0.0)
    lesson = Lesson(world, epoch, np.arange(7))
    longest = int(sequence_lengths(epoch).max())
    whole, parts = tiny_model("llama").double(), tiny_model("llama").double()
    one = gradients(whole, lesson, settings, plan_of(whole, length=longest, batch=7))
    cut = replace(plan_of(parts, length=longest, batch=7), tokens=3 * longest)
    several = gradients(parts, lesson, settings, cut)
    assert one == pytest.approx(several, abs=1e-4)
    for left, right in zip(whole.parameters(), parts.parameters(), strict=True):
        assert left.grad is not None
        torch.testing.assert_close(left.grad, right.grad, rtol=0.05, atol=2e-3)


def test_documents_without_choices_ask_for_ratings_alone(world: World) -> None:
    corpus = world.epochs.corpus
    epochs = Epochs(corpus, StatisticalProfileWriter(), SamplingOptions(lines=6, choices=False), seed=0)
    with_choices, _ = world.draw(0)
    epoch, _ = epochs.draw(0)
    assert (epoch.sequences.chosen == -1).all()
    assert sequence_lengths(epoch).sum() < 0.8 * sequence_lengths(with_choices).sum()
    asked = epoch.sequences.rating != -1
    assert asked.sum() == len(corpus.train)
    assert (epoch.sequences.segment[asked] != -1).all()
