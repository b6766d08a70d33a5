"""Prompts for ratings: the packed pass gives what one prompt gives, and free answers are read strictly."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from personagym_agents.documents.tokenizer import train_tokenizer
from personagym_agents.llm.answer_chances import LocalAnswers, prompted_ratings
from personagym_agents.llm.local import LocalChat
from personagym_agents.llm.prompted import Asked, conversation, parsed_rating

SCALE = (1, 5)
TEMPLATE = "{% for message in messages %}{{ message['role'] + ': ' + message['content'] + '\n' }}{% endfor %}me:"


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    made = train_tokenizer(["Heat; 1995; 1 2 3 4 5 the person rated"] * 3, 300)
    made.chat_template = TEMPLATE
    return made


def test_packed_prompts_answer_as_one_prompt_each(
    tiny_model: Callable[..., PreTrainedModel], tokenizer: PreTrainedTokenizerBase
) -> None:
    model = tiny_model("llama", 1024, tokenizer)
    asked = Asked("30, M; likes Drama\nAlien; 1979; 5", ["Heat; 1995;", "Heat; 1996;", "Up; 2009; Comedy;"])
    found = prompted_ratings(LocalAnswers(model, tokenizer), asked, SCALE)
    words = [tokenizer.encode(str(rating), add_special_tokens=False)[0] for rating in range(1, 6)]
    for line, distribution in zip(asked.lines, found, strict=True):
        prompt = LocalChat.of(model, tokenizer).prompt(conversation(asked.document, line, SCALE))
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([prompt])).logits[0, -1, words]
        np.testing.assert_allclose(distribution, torch.softmax(logits.double(), -1), atol=1e-5)
    one = prompted_ratings(LocalAnswers(model, tokenizer), asked._replace(lines=asked.lines[1:2]), SCALE)
    np.testing.assert_allclose(one[0], found[1], atol=1e-5)


@pytest.mark.parametrize(
    ("text", "rating"),
    [("4", 4), (" 3.", 3), ("Rating: 2/5", 2), ("I would give it 5 stars", 5)],
)
def test_an_answer_with_a_rating_is_read(text: str, rating: int) -> None:
    assert parsed_rating(text, SCALE) == rating


@pytest.mark.parametrize("text", ["", "four", "4.5", "10", "0", "The movie is great", "3,5"])
def test_an_answer_without_a_rating_on_the_scale_is_none(text: str) -> None:
    assert parsed_rating(text, SCALE) is None
