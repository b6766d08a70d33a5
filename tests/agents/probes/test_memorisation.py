"""Recitation: a model that has read titles completes them, one that has not is at chance."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from personagym_agents.documents.tokenizer import train_tokenizer
from personagym_agents.inference.language_users import LanguageUserAgent
from personagym_agents.probes.memorisation import ratings_from_ids, title_memorisation

WORDS = ("north", "river", "silver", "castle", "morning", "dragon", "winter", "garden", "empty", "letter")


@pytest.fixture(scope="module")
def titles() -> list[str]:
    rng = np.random.default_rng(0)
    return [" ".join(WORDS[word] for word in rng.choice(len(WORDS), 4, replace=False)) for _ in range(16)]


def reader(titles: list[str], steps: int) -> tuple[PreTrainedModel, object]:
    """A model that has read the titles `steps` times."""
    tokenizer = train_tokenizer(iter(WORDS), 300)
    torch.manual_seed(0)
    config = AutoConfig.for_model(
        "llama",
        vocab_size=len(tokenizer),
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        intermediate_size=128,
    )
    model = AutoModelForCausalLM.from_config(config)
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    batch = tokenizer([f"Movie: {title}" for title in titles], add_special_tokens=False, padding=True)
    tokens, mask = torch.tensor(batch["input_ids"]), torch.tensor(batch["attention_mask"])
    for _ in range(steps):
        loss = model(input_ids=tokens, attention_mask=mask, labels=tokens.masked_fill(mask == 0, -100)).loss
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
    return model.eval(), tokenizer


def test_who_has_read_the_titles_completes_them(titles: list[str]) -> None:
    model, tokenizer = reader(titles, 80)
    found = title_memorisation(model, tokenizer, titles, np.random.default_rng(0))  # type: ignore[arg-type]
    assert found.titles == len(titles)
    assert found.preferred.value > 0.9
    assert found.completed.value > 0.6


def test_who_has_read_nothing_is_at_chance(titles: list[str]) -> None:
    model, tokenizer = reader(titles, 0)
    found = title_memorisation(model, tokenizer, titles, np.random.default_rng(0))  # type: ignore[arg-type]
    assert found.preferred.low < 0.5 < found.preferred.high
    assert found.completed.value < 0.1


def test_one_title_alone_cannot_be_compared(titles: list[str]) -> None:
    model, tokenizer = reader(titles, 0)
    with pytest.raises(ValueError, match="two titles"):
        title_memorisation(model, tokenizer, titles[:1], np.random.default_rng(0))  # type: ignore[arg-type]


def test_ratings_from_ids_know_ids_alone(make_language_agent: Callable[..., LanguageUserAgent]) -> None:
    agent = make_language_agent("llama", adapted=False)
    train, catalogue = agent.corpus.train, agent.corpus.dataset.catalogue
    rows = train.take(np.arange(len(train)) < 70)
    users = agent.corpus.dataset.users.ids
    told = ratings_from_ids(agent.population.model, agent.corpus, rows, (users, catalogue.ids))
    assert told.shape == (70, len(train.scale))
    np.testing.assert_allclose(told.sum(axis=1), 1)
    swapped = ratings_from_ids(agent.population.model, agent.corpus, rows, (users, catalogue.ids[::-1]))
    assert (np.abs(told - swapped).max(axis=1) > 1e-6).all()
