"""Tiny random language models of several architectures, and users that they play."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from peft.tuners.lora import LoraLayer
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerBase

from personagym_agents.adapters import adapter_factors, add_adapters, lora_config, mix_adapters
from personagym_agents.corpus import Corpus, tokenizer_texts
from personagym_agents.engine import NO_PIECE
from personagym_agents.language import LanguageUserAgent
from personagym_agents.memory import Memory
from personagym_agents.model import answer_logits
from personagym_agents.occasions import Occasions, draw_occasions
from personagym_agents.tokenizer import train_tokenizer
from personagym_env.data.splits import Split, temporal_split
from personagym_env.data.tables import Dataset, FloatArray

ADAPTERS = ("persona-0", "persona-1")
RANK = 2


def with_adapters(model: PreTrainedModel) -> PreTrainedModel:
    """The model with two random adapters, the same at every call."""
    wrapped = add_adapters(model, ADAPTERS, lora_config(model, rank=RANK, alpha=16, dropout=0.0))
    torch.manual_seed(5)
    with torch.no_grad():
        for name, parameter in wrapped.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.3)
    return model


def answers_of_one_prompt(
    agent: LanguageUserAgent,
    model: PreTrainedModel,
    user: int,
    consumed: list[tuple[int, int]],
    item: int,
    dropped: int = 0,
) -> FloatArray:
    """(1 + r,) answer probabilities of one prompt: no cache, no packing, no batch, one adapter switched on.

    The prompt lacks the first `dropped` lines of the history.
    """
    population, corpus = agent.population, agent.corpus
    script = [int(piece) for piece in population.scripts[user] if piece != NO_PIECE]
    recalled = corpus.recall(np.array([user]))[0]

    def line(shown: int) -> list[int]:
        words = zip(corpus.of_memory, recalled[shown], strict=True)
        return [int(corpus.of_item[shown]), *(int(first + level) for first, level in words)]

    for known, rating in consumed:
        script += [*line(known), int(corpus.of_answer[1 + rating])]
    script = script[:1] + script[1 + dropped * (2 + len(corpus.of_memory)) :] + line(item)
    tokens = [t for piece in script for t in population.pieces.tokens[piece, : population.pieces.lengths[piece]]]
    for module in model.modules():
        if isinstance(module, LoraLayer):
            module.set_adapter(f"persona-{population.adapters[user]}")
    with torch.no_grad():
        hidden = model.base_model(input_ids=torch.tensor([tokens])).last_hidden_state[:, -1]
        return torch.softmax(answer_logits(model, hidden, population.answer_ids).double(), dim=-1)[0].numpy()


def play_and_compare(
    agent: LanguageUserAgent, model: PreTrainedModel, rng: np.random.Generator, *, slate_size: int = 4, steps: int = 3
) -> None:
    """Play steps of some users, some of whom consume, and compare every answer with that of one prompt."""
    users = rng.permutation(agent.n_users)[:5]
    rows = rng.permutation(7)[:5]
    sessions = agent.open(7)
    sessions.start(rows, users)
    consumed: dict[int, list[tuple[int, int]]] = {int(user): [] for user in users}
    for _ in range(steps):
        slates = rng.integers(0, agent.n_items, (5, slate_size))
        want, rating = sessions.react(rows, slates)
        for place, user in enumerate(users.tolist()):
            for column, item in enumerate(slates[place].tolist()):
                expected = answers_of_one_prompt(agent, model, user, consumed[user], item)
                assert want[place, column] == pytest.approx(1 - expected[0], abs=1e-4)
                np.testing.assert_allclose(rating[place, column], expected[1:] / expected[1:].sum(), atol=1e-4)
        takers = np.flatnonzero(rng.random(5) < 0.6)
        items = slates[takers, rng.integers(slate_size, size=len(takers))]
        ratings = rng.integers(0, 5, len(takers))
        sessions.consume(rows[takers], items, ratings)
        for place, item, rating_index in zip(takers, items.tolist(), ratings.tolist(), strict=True):
            consumed[int(users[place])].append((item, rating_index))


@pytest.fixture(scope="session")
def plain_answers() -> Callable[..., FloatArray]:
    """What the model answers to one plain prompt."""
    return answers_of_one_prompt


@pytest.fixture(scope="session")
def check_exactness() -> Callable[..., None]:
    """Compares an agent's answers with those of plain prompts."""
    return play_and_compare


@pytest.fixture(scope="session")
def small_data(make_dataset: Callable[..., Dataset]) -> Dataset:
    return make_dataset(n_users=10, n_items=60, per_user=24)


@pytest.fixture(scope="session")
def small_split(small_data: Dataset) -> Split:
    return temporal_split(small_data.interactions)


@pytest.fixture(scope="session")
def small_occasions(small_split: Split) -> Occasions:
    return draw_occasions(small_split.train, np.random.default_rng(0))


@pytest.fixture(scope="session")
def small_memory(small_split: Split, small_occasions: Occasions) -> Memory:
    return Memory(small_split.train, small_occasions.own)


@pytest.fixture(scope="session")
def small_tokenizer(small_data: Dataset, small_split: Split, small_memory: Memory) -> PreTrainedTokenizerBase:
    rng = np.random.default_rng(0)
    texts = tokenizer_texts(small_data, small_split.train, ["30; likes genre 1"], rng, small_memory)
    return train_tokenizer(texts, 600)


@pytest.fixture(scope="session")
def tiny_model(small_tokenizer: PreTrainedTokenizerBase) -> Callable[..., PreTrainedModel]:
    """A factory of random models whose answers differ enough to be told apart."""

    def make(
        architecture: str, positions: int = 512, tokenizer: PreTrainedTokenizerBase | None = None
    ) -> PreTrainedModel:
        torch.manual_seed(3)
        read_by = small_tokenizer if tokenizer is None else tokenizer
        sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
        if architecture == "gpt2":
            sizes = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": positions}
        else:
            sizes["max_position_embeddings"] = positions
        if architecture not in ("gpt2", "gpt_neox"):
            sizes["num_key_value_heads"] = 2
        if architecture in ("qwen3", "gemma"):
            sizes["head_dim"] = 8
        config = AutoConfig.for_model(
            architecture,
            vocab_size=len(read_by),
            pad_token_id=read_by.pad_token_id,
            bos_token_id=read_by.bos_token_id,
            eos_token_id=read_by.eos_token_id,
            **sizes,
        )
        model = AutoModelForCausalLM.from_config(config)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.mul_(4.0) if parameter.ndim > 1 else None
        return model.eval()

    return make


@pytest.fixture(scope="session")
def reference_model(tiny_model: Callable[..., PreTrainedModel]) -> Callable[..., PreTrainedModel]:
    """A factory of the models that `make_language_agent` uses, with the adapters as `peft` runs them."""

    def make(architecture: str, *, adapted: bool) -> PreTrainedModel:
        model = tiny_model(architecture)
        return with_adapters(model) if adapted else model

    return make


@pytest.fixture(scope="session")
def make_language_agent(
    tiny_model: Callable[..., PreTrainedModel],
    small_data: Dataset,
    small_split: Split,
    small_tokenizer: PreTrainedTokenizerBase,
    small_memory: Memory,
) -> Callable[..., LanguageUserAgent]:
    """A factory of language-model users, with two random adapters unless told otherwise."""

    def make(architecture: str = "llama", *, adapted: bool = True, positions: int = 512) -> LanguageUserAgent:
        model = tiny_model(architecture, positions)
        corpus = Corpus.build(small_data, small_split.train, small_tokenizer, memory=small_memory)
        if not adapted:
            return LanguageUserAgent(model, corpus, name=architecture, history_lines=8)
        with_adapters(model)
        gate = mix_adapters(model, [adapter_factors(model, name) for name in ADAPTERS])
        adapter_of = np.arange(small_split.train.n_users) % 2
        return LanguageUserAgent(model, corpus, name=architecture, gate=gate, adapter_of=adapter_of, history_lines=8)

    return make
