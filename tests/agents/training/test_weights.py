"""Inverse propensities in the loss undo a selection of known propensities."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from personagym_agents.bundle.settings import BundleSettings
from personagym_agents.documents.corpus import Corpus
from personagym_agents.documents.profile import StatisticalProfileWriter
from personagym_agents.memory.cross_fitted import draw_cross_fitted_examples
from personagym_agents.memory.settings import Recall
from personagym_agents.model.causal_lm import answer_logits, hidden_states
from personagym_agents.model.packing import pack
from personagym_agents.training.logs import ready_log
from personagym_agents.training.loop import train
from personagym_agents.training.loss import answer_losses
from personagym_agents.training.sampling import NONE, Epochs
from personagym_agents.training.settings import TrainingSettings
from personagym_agents.training.world import World
from personagym_env.collaborative.propensity import PROPENSITY_KINDS, inverse_weights, propensities_of
from personagym_env.data.tables import Dataset, FloatArray
from personagym_env.run_context import RunContext

SETTINGS = TrainingSettings(
    epochs=6, batch=6, warmup=2, learning_rate=1e-2, averaging=0.5, dropout=0.0, teaching_weight=0.0
)


def expected_rating(model: PreTrainedModel, corpus: Corpus, epochs: Epochs) -> float:
    """Mean over the rows of an epoch that the training has not drawn."""
    sequences = epochs.draw(10_000)[0].sequences
    packed = pack(epochs.draw(10_000)[0].segments, sequences.segment, sequences.block)
    row, column = np.nonzero(sequences.rating != NONE)
    with torch.no_grad():
        hidden = hidden_states(model, packed)[torch.from_numpy(row), packed.ends[row, column]]
        chances = answer_logits(model, hidden, torch.tensor(corpus.answers.ids))[:, 1:].softmax(dim=-1)
    return float((chances @ torch.arange(1.0, 6)).mean())


def test_a_model_learns_what_selection_hid(
    small_data: Dataset,
    small_tokenizer: PreTrainedTokenizerBase,
    tiny_model: Callable[..., PreTrainedModel],
    tmp_path: Path,
) -> None:
    """Ratings of 4 and more are kept four times as often; the weighed loss learns what all ratings are like."""
    whole, rng = small_data.interactions, np.random.default_rng(0)
    chance = np.where(whole.ratings >= 4, 0.8, 0.2)
    kept = rng.random(len(whole)) < chance
    log = whole.take(kept)
    examples = draw_cross_fitted_examples(log, small_data.catalogue, rng, evidence=False)
    corpus = Corpus.build(replace(small_data, interactions=log), log, small_tokenizer, examples=examples)
    epochs = Epochs(corpus, StatisticalProfileWriter(), SETTINGS.sampling, seed=0)
    found: list[float] = []
    for number, weights in enumerate((None, inverse_weights(chance[kept]))):
        model = tiny_model("llama")
        world = World(epochs, lambda users, _: np.full((len(users), 5), 0.2), weights=weights)
        train(model, [world], SETTINGS, name="base", identity="", context=RunContext(tmp_path / str(number)))
        found.append(expected_rating(model, corpus, epochs) - whole.ratings.mean())
    plain, weighed = found
    assert plain > 0.35
    assert abs(weighed) < 0.5 * plain


def test_equal_weights_change_no_loss_and_rows_count_by_theirs() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(5, 6, generator=generator)
    rating, chosen = torch.tensor([2, 0, 4, NONE, 1]), torch.tensor([1, 1, 1, 0, NONE])

    def losses(weight: FloatArray | None) -> list[float]:
        told = None if weight is None else torch.from_numpy(weight).float()
        return [float(x) for x in answer_losses(logits, rating, chosen, torch.full((1, 5), 0.2), torch.eye(5), told)]

    assert losses(np.ones(5)) == pytest.approx(losses(None))
    only = losses(np.array([4.0, 0, 0, 9.0, 0]))
    assert only[0] == pytest.approx(-float(logits[0, 1:].log_softmax(0)[2]))
    assert only[1:] == losses(None)[1:]


def test_weights_are_read_off_the_log_as_asked(small_data: Dataset) -> None:
    log, plain = small_data.interactions, BundleSettings(teacher="bias", recall=Recall(evidence=False))
    assert ready_log(small_data, log, plain).weights is None
    for kind in PROPENSITY_KINDS:
        ready = ready_log(small_data, log, replace(plain, propensities=kind))
        assert ready.weights == pytest.approx(inverse_weights(propensities_of(kind, ready.train)))
