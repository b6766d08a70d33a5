"""Chances of answers from a server: read off log probabilities, drawn where there are none, rubbish asked for again."""

import json
import math
from collections.abc import Iterator, Mapping

import numpy as np
import pytest

from fixtures.chat_server import FAST, ChatServer, Reply, completion, in_turn, questions
from personagym_agents.llm.answer_chances import EndpointAnswers
from personagym_agents.llm.chat import ChatError
from personagym_agents.llm.endpoint import EndpointChat, EndpointSettings

WORDS = ("1", "2", "3")


def told(chances: Mapping[str, float], text: str = "2") -> bytes:
    """A completion with the log probabilities of its first token, as servers send it."""
    top = [{"token": token, "logprob": math.log(chance)} for token, chance in chances.items()]
    reply = json.loads(completion(text))
    reply["choices"][0]["logprobs"] = {"content": [{"token": text, "logprob": top[0]["logprob"], "top_logprobs": top}]}
    return json.dumps(reply).encode()


@pytest.fixture
def answers(server: ChatServer) -> Iterator[EndpointAnswers]:
    with EndpointChat(EndpointSettings(server.url, "tiny", backoff=FAST)) as chat:
        yield EndpointAnswers(chat, top=4, draws=12)


def test_chances_are_renormalised_over_the_answers(server: ChatServer, answers: EndpointAnswers) -> None:
    server.script = in_turn(Reply(body=told({"2": 0.5, " the": 0.2, "1": 0.1, "3": 0.15})))
    found = answers.chances(questions(1), WORDS)
    np.testing.assert_allclose(found, [[0.1 / 0.75, 0.5 / 0.75, 0.15 / 0.75]])
    [request] = server.requests
    asked = {"max_tokens": 1, "temperature": 0, "logprobs": True, "top_logprobs": 4}
    assert {name: request.body[name] for name in asked} == asked
    assert (answers.usage.answers, answers.usage.prompt_tokens) == (1, 7)


def test_an_answer_that_is_not_told_counts_as_the_least_of_those_told(
    server: ChatServer, answers: EndpointAnswers
) -> None:
    server.script = in_turn(Reply(body=told({"2": 0.6, "1": 0.2, "x": 0.1})))
    np.testing.assert_allclose(answers.chances(questions(1), WORDS), [[0.2 / 0.9, 0.6 / 0.9, 0.1 / 0.9]])


def test_none_of_the_answers_is_an_error(server: ChatServer, answers: EndpointAnswers) -> None:
    server.script = in_turn(Reply(body=told({"Sure": 0.6, "I": 0.2, "It": 0.1}, "Sure")))
    with pytest.raises(ChatError, match=r"none of the answers 1, 2, 3 is among the 3 likeliest tokens, such as 'Sure'"):
        answers.chances(questions(1), WORDS)


def test_a_server_without_probabilities_is_asked_for_answers(server: ChatServer, answers: EndpointAnswers) -> None:
    server.script = lambda number, request: Reply(body=completion("3" if number % 2 else " 2\n"))
    found = answers.chances(questions(1), WORDS)
    np.testing.assert_allclose(found, [[1 / 15, 7 / 15, 7 / 15]])
    assert answers.usage.answers == len(server.requests) == 13
    assert {request.body["temperature"] for request in server.requests[1:]} == {1}


@pytest.mark.parametrize("logprobs", [{"content": [{"token": "2"}]}, {"content": [7]}, {"content": "x"}])
def test_rubbish_is_asked_for_again(server: ChatServer, answers: EndpointAnswers, logprobs: object) -> None:
    rubbish = json.loads(completion("2"))
    rubbish["choices"][0]["logprobs"] = logprobs
    too_much = told({"2": 3.0, "1": 0.2, "3": 0.1})
    good = told({"2": 0.5, "1": 0.25, "3": 0.25})
    server.script = in_turn(Reply(body=json.dumps(rubbish).encode()), Reply(body=too_much), Reply(body=good))
    np.testing.assert_allclose(answers.chances(questions(1), WORDS), [[0.25, 0.5, 0.25]])
    assert answers.chat.retries == 2
