"""Training: what it is shown, that it learns, and that a killed run goes on as if nothing had happened."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from personagym_agents.documents.corpus import Corpus
from personagym_agents.documents.profile import StatisticalProfileWriter
from personagym_agents.memory.cross_fitted import CrossFittedExamples
from personagym_agents.memory.evidence import Memory
from personagym_agents.model.adapters import add_adapters, lora_config
from personagym_agents.model.causal_lm import answer_logits, checkpointed, hidden_states
from personagym_agents.model.packing import pack
from personagym_agents.training.loop import train
from personagym_agents.training.loss import answer_losses
from personagym_agents.training.sampling import NONE, Epochs, sample_epoch
from personagym_agents.training.settings import SamplingOptions, TrainingSettings
from personagym_agents.training.world import World
from personagym_env.data.splits import Split
from personagym_env.data.tables import Dataset, FloatArray, IntArray
from personagym_env.run_context import FigureLog, RunContext

SETTINGS = TrainingSettings(epochs=3, batch=6, warmup=2, learning_rate=1e-2, averaging=0.5)


@pytest.fixture
def corpus(
    small_data: Dataset,
    small_split: Split,
    small_tokenizer: PreTrainedTokenizerBase,
    small_memory: Memory,
    small_examples: CrossFittedExamples,
) -> Corpus:
    return Corpus.build(small_data, small_split.train, small_tokenizer, memory=small_memory, examples=small_examples)


def level_teacher(users: IntArray, items: IntArray) -> FloatArray:
    return np.full((len(users), 5), 0.2)


def finite(name: str, step: int, losses: Mapping[str, float], /) -> None:
    assert all(np.isfinite(value) for value in losses.values())


def run_training(
    model: PreTrainedModel,
    corpus: Corpus,
    run: Path,
    figures: FigureLog = finite,
    settings: TrainingSettings = SETTINGS,
    identity: str = "this",
) -> None:
    train(
        model,
        [World(Epochs(corpus, StatisticalProfileWriter(), settings.sampling, seed=0), level_teacher)],
        settings,
        name="base",
        identity=identity,
        context=RunContext(run, figures=figures),
    )


def test_every_row_is_shown_once_and_negatives_are_unseen(corpus: Corpus) -> None:
    epoch = sample_epoch(corpus, StatisticalProfileWriter(), SamplingOptions(lines=10), np.random.default_rng(0))
    sequences, log = epoch.sequences, corpus.train
    row, column = np.nonzero(sequences.rating != NONE)
    pairs = np.stack([sequences.user[row], sequences.item[row, column], sequences.rating[row, column]], axis=1)
    expected = np.stack([log.users, log.items, log.rating_index], axis=1)
    assert sorted(pairs.tolist()) == sorted(expected.tolist())
    row, column = np.nonzero(sequences.chosen == 0)
    assert len(row) > 0
    assert not log.contains(sequences.user[row], sequences.item[row, column]).any()


def test_kept_epochs_are_drawn_as_anew(corpus: Corpus) -> None:
    kept, anew = (Epochs(corpus, StatisticalProfileWriter(), SamplingOptions(), seed=3, kept=k) for k in (2, 1))
    for number in (0, 1, 0, 1):
        (epoch, rng), (expected, goes_on) = kept.draw(number), anew.draw(number)
        np.testing.assert_array_equal(epoch.sequences.segment, expected.sequences.segment)
        assert rng.random() == goes_on.random()
    some = np.arange(corpus.train.n_users) % 3 == 1
    of_some = epoch.of_users(some).sequences.user
    assert 0 < len(of_some) < len(epoch.sequences.user)
    assert some[of_some].all()


def test_a_corpus_without_occasions_is_refused(
    small_data: Dataset, small_split: Split, small_tokenizer: PreTrainedTokenizerBase
) -> None:
    corpus = Corpus.build(small_data, small_split.train, small_tokenizer)
    with pytest.raises(ValueError, match="draw_cross_fitted_examples"):
        sample_epoch(corpus, StatisticalProfileWriter(), SamplingOptions(), np.random.default_rng(0))


def test_no_answer_can_be_read_before_it_is_due(corpus: Corpus) -> None:
    """A candidate's rated line never stands in the history of its own sequence, and the header tells other rows."""
    epoch = sample_epoch(corpus, StatisticalProfileWriter(), SamplingOptions(lines=10), np.random.default_rng(1))
    sequences = epoch.sequences
    for user, items, chosen, rating in zip(
        sequences.user, sequences.item, sequences.chosen, sequences.rating, strict=True
    ):
        history = items[(chosen == NONE) & (rating != NONE)]
        candidates = items[chosen != NONE]
        assert not np.isin(candidates, history).any(), f"user {user} is told an answer"


def test_crowd_of_a_training_line_leaves_its_own_rating_out(corpus: Corpus) -> None:
    """Two logs that differ in one rating give that row the same line."""
    log = corpus.train
    ratings = log.ratings.copy()
    ratings[0] = 5.0 if ratings[0] < 3 else 1.0
    changed = type(log)(log.users, log.items, ratings, log.timestamps, log.n_users, log.n_items, log.scale)
    other = Corpus.build(corpus.dataset, changed, corpus.tokenizer, examples=corpus.examples)
    assert corpus.encoded[corpus.of_row[0]] == other.encoded[other.of_row[0]]


def test_losses_factor_the_six_way_cross_entropy() -> None:
    logits = torch.randn(4, 6, generator=torch.Generator().manual_seed(0))
    rating, chosen = torch.tensor([2, 0, 4, NONE]), torch.tensor([1, 1, 1, 0])
    losses = answer_losses(logits, rating, chosen, torch.full((1, 5), 0.2), torch.eye(5))
    answer = torch.where(chosen == 1, rating + 1, 0)
    six_way = torch.nn.functional.cross_entropy(logits, answer, reduction="sum")
    assert torch.isclose(3 * losses.rating + 4 * losses.choice, six_way)


def test_training_lowers_the_losses(tiny_model: Callable[..., PreTrainedModel], corpus: Corpus, tmp_path: Path) -> None:
    seen: list[float] = []
    settings = TrainingSettings(
        epochs=12, batch=6, warmup=2, learning_rate=1e-2, averaging=0.5, dropout=0.0, teaching_weight=20.0
    )
    run_training(tiny_model("llama"), corpus, tmp_path, lambda _, __, losses: seen.append(losses["taught"]), settings)
    assert np.mean(seen[-4:]) < np.log(5) + 0.02 < np.mean(seen[:4]), "a level teacher is learned"


def test_killed_training_resumes_to_the_same_weights(
    tiny_model: Callable[..., PreTrainedModel], corpus: Corpus, tmp_path: Path
) -> None:
    whole, broken = tiny_model("llama"), tiny_model("llama")
    steps: list[int] = []
    run_training(whole, corpus, tmp_path / "whole", lambda name, step, losses: steps.append(step))

    class KilledError(Exception):
        pass

    def kill(name: str, step: int, losses: Mapping[str, float], /) -> None:
        if step > len(steps) / 2:
            raise KilledError

    with pytest.raises(KilledError):
        run_training(broken, corpus, tmp_path / "broken", kill)
    resumed = tiny_model("llama")
    run_training(resumed, corpus, tmp_path / "broken")
    for (name, expected), actual in zip(whole.named_parameters(), resumed.parameters(), strict=True):
        torch.testing.assert_close(actual, expected, msg=lambda text, name=name: f"{name}: {text}")


ARCHITECTURES = ("llama", "qwen2", "qwen3", "gemma", "phi3", "gpt2", "gpt_neox")


def gradients(model: PreTrainedModel, corpus: Corpus) -> tuple[dict[str, torch.Tensor], int]:
    """Of all answers of some documents, under dropout; and how often the first layer was computed."""
    epoch = sample_epoch(corpus, StatisticalProfileWriter(), SamplingOptions(lines=6), np.random.default_rng(0))
    packed = pack(epoch.segments, epoch.sequences.segment[:4], epoch.sequences.segment[:4])
    [layers] = [part for part in model.base_model.children() if isinstance(part, torch.nn.ModuleList)]
    passes: list[int] = []
    # Of a part of the layer, since the layer's own hooks stand outside of what is computed again.
    counter = next(part for part in layers[0].children() if list(part.parameters())).register_forward_hook(
        lambda *_: passes.append(1)
    )
    model.train()
    torch.manual_seed(0)
    hidden = hidden_states(model, packed, dropout=0.1)
    logits = answer_logits(model, hidden, torch.tensor(corpus.answers.ids))
    torch.nn.functional.cross_entropy(logits.flatten(0, 1), packed.positions.flatten() % logits.shape[-1]).backward()
    counter.remove()
    found = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    return found, len(passes)


@pytest.mark.parametrize("adapted", [False, True], ids=["whole", "adapters"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_layers_that_are_computed_again_give_the_same_gradients(
    tiny_model: Callable[..., PreTrainedModel], corpus: Corpus, architecture: str, adapted: bool
) -> None:
    model = tiny_model(architecture)
    if adapted:
        add_adapters(model, ["only"], lora_config(model, rank=2, alpha=4, dropout=0.1))
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(parameter, std=0.3)
    plain, once = gradients(model, corpus)
    with checkpointed(model):
        again, twice = gradients(model, corpus)
    after, finally_once = gradients(model, corpus)
    assert (once, twice, finally_once) == (1, 2, 1)
    assert len(plain) > 0
    assert all(("lora" in name) == adapted for name in plain)
    for other in (again, after):
        assert set(other) == set(plain)
        for name, gradient in plain.items():
            torch.testing.assert_close(other[name], gradient, rtol=1e-5, atol=1e-5, msg=f"{architecture} {name}")
    assert not model.get_input_embeddings()(torch.tensor([0])).requires_grad or not adapted


def test_training_computes_layers_again_if_told_to(
    tiny_model: Callable[..., PreTrainedModel], corpus: Corpus, tmp_path: Path
) -> None:
    plain, spared = tiny_model("llama"), tiny_model("llama")
    passes: list[int] = []
    spared.base_model.layers[0].self_attn.register_forward_hook(lambda *_: passes.append(1))
    steps: list[int] = []
    settings = replace(SETTINGS, epochs=1)
    run_training(plain, corpus, tmp_path / "plain", settings=settings)
    run_training(
        spared,
        corpus,
        tmp_path / "spared",
        lambda _, step, __: steps.append(step),
        settings=replace(settings, checkpointing=True),
    )
    assert len(passes) == 2 * len(steps)
    for (name, expected), actual in zip(plain.named_parameters(), spared.parameters(), strict=True):
        torch.testing.assert_close(actual, expected, msg=lambda text, name=name: f"{name}: {text}")
    assert not any(getattr(part, "gradient_checkpointing", False) for part in spared.modules())


def test_frozen_parameters_stay(tiny_model: Callable[..., PreTrainedModel], corpus: Corpus, tmp_path: Path) -> None:
    model = tiny_model("llama")
    frozen = model.get_input_embeddings().weight
    frozen.requires_grad_(False)
    before = frozen.detach().clone()
    run_training(model, corpus, tmp_path)
    assert torch.equal(before, frozen)


def test_checkpoint_of_another_training_is_refused(
    tiny_model: Callable[..., PreTrainedModel], corpus: Corpus, tmp_path: Path
) -> None:
    run_training(tiny_model("llama"), corpus, tmp_path)
    with pytest.raises(ValueError, match="checkpoint of another training"):
        run_training(tiny_model("llama"), corpus, tmp_path, identity="other")
