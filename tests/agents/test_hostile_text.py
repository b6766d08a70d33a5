"""A title that wants to be more than a title changes what users say of its own item, and nothing else."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from fixtures.hostile import TITLES, hostile_texts, with_text_everywhere, with_title
from fixtures.language_models import ADAPTERS, with_adapters
from personagym_agents import load
from personagym_agents.documents.corpus import Corpus
from personagym_agents.documents.window import window_of
from personagym_agents.inference.language_users import LanguageUserAgent
from personagym_agents.memory.evidence import Memory
from personagym_agents.memory.reasons import fit_reason_memory
from personagym_agents.model.adapters import adapter_factors, mix_adapters
from personagym_agents.personas.names import name_personas
from personagym_env.data.splits import Split
from personagym_env.data.tables import Dataset, FloatArray
from personagym_env.data.traits import user_traits

STRANGE = set("\x00\x07\x0b\x0c\r\x1b\x85\x9b\u2028\u2029\u202e\u2066\u200b\ufeff\ud800")
MakeAgent = Callable[[Dataset], LanguageUserAgent]


@pytest.fixture(scope="module")
def make_agent_of(
    tiny_model: Callable[..., PreTrainedModel],
    small_split: Split,
    small_tokenizer: PreTrainedTokenizerBase,
    small_memory: Memory,
) -> MakeAgent:
    """Users of a data set with one language model, whatever the data set's texts are."""
    model = tiny_model("llama", 1024)
    with_adapters(model)
    gate = mix_adapters(model, [adapter_factors(model, name) for name in ADAPTERS])
    adapter_of = np.arange(small_split.train.n_users) % 2

    def make(dataset: Dataset) -> LanguageUserAgent:
        corpus = Corpus.build(
            dataset, small_split.train, small_tokenizer, memory=small_memory, title_tokens=window_of(model) // 2
        )
        return LanguageUserAgent(model, corpus, name="llama", gate=gate, adapter_of=adapter_of, history_lines=4)

    return make


@pytest.fixture(scope="module")
def stranger(small_split: Split) -> int:
    """An item that no document shows, since nobody rated it."""
    return int(np.argmin(np.bincount(small_split.train.items, minlength=small_split.train.n_items)))


def slate_with(item: int) -> list[int]:
    """The item, and three others."""
    return [item, *(item + offset if item + offset < 60 else item - offset for offset in (1, 2, 3))]


def answers(agent: LanguageUserAgent, slate: list[int]) -> FloatArray:
    """(u, k, 1 + r) what all users say of a slate."""
    sessions = agent.open(agent.n_users)
    rows = np.arange(agent.n_users)
    sessions.start(rows, rows)
    said = sessions.react(rows, np.tile(slate, (agent.n_users, 1)))
    return np.concatenate([said.choice_probability[:, :, None], said.rating], axis=2)


@pytest.fixture(scope="module")
def usual(make_agent_of: MakeAgent, small_data: Dataset, stranger: int) -> FloatArray:
    return answers(make_agent_of(small_data), slate_with(stranger))


def check_own_numbers_alone(make: MakeAgent, data: Dataset, item: int, title: str, usual: FloatArray) -> None:
    said = answers(make(with_title(data, item, title)), slate_with(item))
    np.testing.assert_allclose(said[:, 1:], usual[:, 1:], atol=1e-6)
    assert np.isfinite(said).all()
    np.testing.assert_allclose(said[:, 0, 1:].sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("title", TITLES, ids=lambda title: ascii(title)[:20])
def test_a_title_moves_its_own_numbers_alone(
    make_agent_of: MakeAgent, small_data: Dataset, stranger: int, title: str, usual: FloatArray
) -> None:
    check_own_numbers_alone(make_agent_of, small_data, stranger, title, usual)


@settings(max_examples=8, deadline=None)
@given(title=hostile_texts)
def test_any_title_moves_its_own_numbers_alone(
    make_agent_of: MakeAgent, small_data: Dataset, stranger: int, usual: FloatArray, title: str
) -> None:
    check_own_numbers_alone(make_agent_of, small_data, stranger, title, usual)


@pytest.mark.parametrize("name", ["bias", "knn", "mf"])
def test_classical_users_read_no_titles(small_data: Dataset, small_split: Split, name: str) -> None:
    slate = np.tile(np.arange(6), (small_data.interactions.n_users, 1))
    rows = np.arange(len(slate))
    said = []
    for data in (small_data, with_text_everywhere(small_data, TITLES[0])):
        sessions = load(name, data, small_split.train).open(len(rows))
        sessions.start(rows, rows)
        said.append(sessions.react(rows, slate))
    np.testing.assert_array_equal(said[0].choice_probability, said[1].choice_probability)
    np.testing.assert_array_equal(said[0].rating, said[1].rating)


@settings(max_examples=8, deadline=None)
@given(text=hostile_texts)
def test_documents_keep_their_lines_and_fields(make_agent_of: MakeAgent, small_data: Dataset, text: str) -> None:
    hostile, plain = make_agent_of(with_text_everywhere(small_data, text)), make_agent_of(small_data)
    for user in range(2):
        lines, usual_lines = hostile.document(user).split("\n"), plain.document(user).split("\n")
        assert len(lines) == len(usual_lines)
        for line, usual_line in zip(lines[1:], usual_lines[1:], strict=True):
            assert line.count(";") == usual_line.count(";")
            assert line.split(";")[-1] == usual_line.split(";")[-1]
        assert not set("".join(lines)) & STRANGE


@pytest.mark.parametrize("text", TITLES, ids=lambda text: ascii(text)[:20])
def test_names_of_personas_and_reasons_are_one_line(small_data: Dataset, small_split: Split, text: str) -> None:
    data, train = with_text_everywhere(small_data, text), small_split.train
    traits = user_traits(train, data.catalogue)
    names = name_personas(traits, np.arange(train.n_users) % 2, data.catalogue.genre_names)
    reasons = fit_reason_memory(train, replace(data.catalogue, titles=(text,) * len(data.catalogue)), 1)
    for line in (*names, *reasons.words):
        assert len(line.splitlines()) == 1
        assert not set(line) & STRANGE
        assert len(line) < 1500
