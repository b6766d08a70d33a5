"""Prompted users keep the promises of the protocol, and the session is in their prompts."""

from collections.abc import Callable

import numpy as np
import pytest
from transformers import PreTrainedModel

from personagym_agents.documents.tokenizer import train_tokenizer
from personagym_agents.llm.prompted_users import PromptedUsers
from personagym_env.conformance.user_agent import check_user_agent
from personagym_env.data.splits import Split
from personagym_env.data.tables import Dataset

TEMPLATE = "{% for message in messages %}{{ message['content'] + '\n' }}{% endfor %}me:"


@pytest.fixture(scope="module")
def agent(tiny_model: Callable[..., PreTrainedModel], small_data: Dataset, small_split: Split) -> PromptedUsers:
    words = ["yes", "no", *(str(digit) for digit in range(10))]
    text = "The person, and what the person rated last, each line ending in the rating; crowd 3.5, a few ratings; Film"
    tokenizer = train_tokenizer([text, *small_data.catalogue.titles, *words] * 4, 500)
    tokenizer.chat_template = TEMPLATE
    return PromptedUsers(tiny_model("llama", 2048, tokenizer), tokenizer, small_data, small_split.train)


def test_prompted_users_conform(agent: PromptedUsers) -> None:
    check_user_agent(agent, slate_size=2)
    assert agent.calls > 0


def test_a_session_is_told_in_the_next_prompt(agent: PromptedUsers) -> None:
    before, after = agent.document(2), agent.document(2, [(7, 4)])
    assert after.splitlines()[-1] == f"{agent.lines[7]} 5"
    assert len(before.splitlines()) == len(after.splitlines())  # the oldest line made room
    sessions, row, slate = agent.open(1), np.zeros(1, np.int64), np.array([[3, 9]])
    sessions.start(row, row + 2)
    fresh = sessions.react(row, slate).rating
    sessions.consume(row, np.array([7]), np.array([4]))
    assert np.abs(sessions.react(row, slate).rating - fresh).max() > 1e-4


def test_ratings_that_are_no_whole_numbers_are_refused(agent: PromptedUsers) -> None:
    log = agent.train
    halves = type(log)(log.users, log.items, log.ratings, None, log.n_users, log.n_items, (*log.scale, 5.5))
    with pytest.raises(ValueError, match="whole numbers one after the other"):
        PromptedUsers(agent.model, agent.tokenizer, agent.dataset, halves)
