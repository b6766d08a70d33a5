"""The text of a user, and how it is cut into tokens."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from transformers import PreTrainedTokenizerBase

from personagym_agents.documents.document import answer_words, one_field, write_document, write_line
from personagym_agents.documents.profile import StatisticalProfileWriter
from personagym_agents.documents.tokenizer import answer_tokens, encode_texts, train_tokenizer
from personagym_agents.inference.language_users import LanguageUserAgent, recent_rows
from personagym_agents.model.causal_lm import small_model, spell_answers
from personagym_env.data.splits import Split
from personagym_env.data.tables import Catalogue, Dataset, Interactions
from personagym_env.data.traits import user_traits


@pytest.fixture
def film() -> Catalogue:
    return Catalogue(("1",), ("Heat; 5\nskip",), np.array([1995]), ("Action", "Crime"), np.array([[True, True]]))


def test_answers_are_skip_and_the_scale() -> None:
    assert answer_words((1, 2, 3, 4, 5)) == ("skip", "1", "2", "3", "4", "5")
    assert answer_words((0.5, 1.0, 1.5)) == ("skip", "0.5", "1", "1.5")


def test_line_holds_title_year_genres_and_crowd(film: Catalogue) -> None:
    assert write_line(film, 0, 160, 3.625) == "Heat 5 skip; 1995; Action, Crime; crowd 3.6, 150 ratings;"
    assert write_line(film, 0, 0, 3.0).endswith("crowd unknown;")
    assert one_field(" a;;b\r\n c ") == "a b c"


def test_document_is_profile_then_lines() -> None:
    assert write_document("20-24, M\n", ["Heat;"], ["4"]) == "20-24, M\nHeat; 4"


def test_agents_document_is_what_its_tokens_say(make_language_agent: Callable[..., LanguageUserAgent]) -> None:
    """The text that a person reads is the text that the model reads."""
    agent = make_language_agent(adapted=False)
    population, tokenizer = agent.population, agent.corpus.tokenizer
    script = [segment for segment in population.prompts[3] if segment >= 0]
    tokens = [
        t for segment in script for t in population.segments.tokens[segment, : population.segments.lengths[segment]]
    ]
    assert tokenizer.decode(tokens, skip_special_tokens=True) == agent.document(3)
    assert agent.document(3).count("\n") == 8


def test_recent_rows_are_the_latest(small_split: Split) -> None:
    shown = recent_rows(small_split.train, 8)
    recent, earlier = small_split.train.take(shown), small_split.train.take(~shown)
    assert (recent.counts == 8).all()
    assert len(recent) + len(earlier) == len(small_split.train)
    user = recent.users == 2
    assert recent.timestamps is not None
    assert earlier.timestamps is not None
    assert recent.timestamps[user].min() >= earlier.timestamps[earlier.users == 2].max()


def test_profile_reads_the_traits(make_dataset: Callable[..., Dataset]) -> None:
    """A user who gives a star less than the crowd and lives for one genre is called so; without rows, nothing is."""
    data = make_dataset(n_users=3, n_items=40, n_genres=4)
    genre = data.catalogue.genres[:, 1]
    items = np.tile(np.arange(40), 2)
    crowd = np.full(40, 3.0)
    fan = np.where(genre, 4.0, 1.0)
    log = Interactions.from_columns(
        np.repeat([0, 1], 40),
        items,
        np.concatenate([crowd, fan]),
        None,
        n_users=3,
        n_items=40,
        scale=(1, 2, 3, 4, 5),
    )
    writer = StatisticalProfileWriter()
    traits = user_traits(log, data.catalogue)
    texts = writer.write(np.arange(3), traits, data.catalogue, data.users)
    assert "loves genre 1" in texts[1]
    assert "strict -" in texts[1]
    assert "no earlier ratings" in texts[2]
    assert texts == writer.write(np.arange(3), traits, data.catalogue, data.users)


def test_frequent_fields_become_single_tokens() -> None:
    tokenizer = train_tokenizer(["\nToy Story; 1995; Comedy, Drama; crowd 3.9, 300 ratings; 4"] * 50, 400)
    [ids] = encode_texts(tokenizer, ["\nToy Story; 1995; Comedy, Drama; crowd 3.9, 300 ratings; 4"])
    assert len(ids) == 7
    assert tokenizer.decode(ids) == "\nToy Story; 1995; Comedy, Drama; crowd 3.9, 300 ratings; 4"


def test_any_text_survives_the_tokenizer(small_tokenizer: PreTrainedTokenizerBase) -> None:
    text = "\nAmélie 映画 🎬 <|user|> ,,; crowd"
    [ids] = encode_texts(small_tokenizer, [text])
    assert small_tokenizer.decode(ids) == text
    assert small_tokenizer.bos_token_id not in ids


def test_answers_without_a_token_of_their_own_are_added(small_tokenizer: PreTrainedTokenizerBase) -> None:
    before = len(small_tokenizer)
    known = answer_tokens(small_tokenizer, ("skip", "1", "2"))
    assert len(small_tokenizer) == before
    assert known.lead == ""
    assert known.spelled == ()
    tokenizer = train_tokenizer(["a line without numbers"], 300)
    added = answer_tokens(tokenizer, ("skip", "0.5", "10"))
    assert len(set(added.ids)) == 3
    assert max(added.ids) < len(tokenizer)
    assert [tokenizer.decode(list(segments)) for segments in added.spelled] == [" skip", " 0.5", " 10"]
    again = answer_tokens(tokenizer, ("skip", "0.5", "10"))
    assert again == added._replace(spelled=()), "a model that has learned these tokens must keep them"


@pytest.mark.parametrize("tied", [True, False])
def test_added_answers_are_as_different_as_the_tokens_that_spell_them(tied: bool) -> None:
    tokenizer = train_tokenizer(["a line without numbers"], 300)
    vocabulary = len(tokenizer)
    answers = answer_tokens(tokenizer, ("skip", "0.5", "10"))
    model = small_model(vocabulary, width=32, layers=1)
    if not tied:
        model.set_output_embeddings(torch.nn.Linear(32, vocabulary, bias=False))
        model.config.tie_word_embeddings = False
    model.resize_token_embeddings(len(tokenizer))
    spell_answers(model, answers)
    for table in (model.get_input_embeddings().weight, model.get_output_embeddings().weight):
        rows = table[list(answers.ids)]
        torch.testing.assert_close(rows[2], table[list(answers.spelled[2])].mean(dim=0))
        ordinary = torch.cdist(table[:vocabulary], table[:vocabulary]).mean()
        assert (torch.pdist(rows) > 0.1 * ordinary).all()
