"""Servers asked for the log probabilities of given tokens, each in its dialect, against stand-ins that follow it."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fixtures.chat_server import FAST, ChatServer, Reply, Request, completion, questions
from fixtures.token_servers import (
    CHANCES,
    PROMPT,
    SERVERS,
    answered,
    llama_cpp,
    sglang,
    told_by_llama_cpp,
    told_by_sglang,
    told_by_vllm,
    vllm,
)
from personagym_agents.llm.answer_chances import EndpointAnswers
from personagym_agents.llm.chance_cache import CachedChances
from personagym_agents.llm.chat import ChatError
from personagym_agents.llm.dialects import DIALECTS, Dialect, with_adapter
from personagym_agents.llm.endpoint import EndpointChat, EndpointSettings
from personagym_agents.llm.prompted_users import served_chat_users
from personagym_env.data.splits import Split
from personagym_env.data.tables import Dataset

WORDS = ("1", "2", "3")
TOKENS = [16, 17, 18]
EXACT = np.array([[0.1, 0.3, 0.6]])
BY_ID: tuple[Dialect, ...] = DIALECTS[1:]
Script = Callable[[int, Request], Reply]


def ask(server: ChatServer, dialect: Dialect, count: int = 1, words: tuple[str, ...] = WORDS, **settings: Any) -> Any:
    """Chances of the answers to some questions, and the model that found them."""
    options = EndpointSettings(server.url, "tiny", **{"backoff": FAST, "timeout": 2.0, **settings})
    with EndpointChat(options) as chat:
        model = EndpointAnswers(chat, dialect)
        return model.chances(questions(count), words), model


def test_the_stand_in_is_a_distribution_whose_likeliest_tokens_are_no_answers() -> None:
    assert sum(CHANCES.values()) < 1
    assert not set(TOKENS) & set(sorted(CHANCES, key=CHANCES.__getitem__)[-20:])


@pytest.mark.parametrize("dialect", BY_ID)
def test_chances_are_those_of_the_answers_alone(server: ChatServer, dialect: Dialect) -> None:
    server.script = SERVERS[dialect]
    found, model = ask(server, dialect, count=3)
    np.testing.assert_allclose(found, np.repeat(EXACT, 3, axis=0), rtol=1e-12)
    assert (model.usage.answers, model.usage.prompt_tokens, model.usage.completion_tokens) == (3, 12, 3)


def test_the_likeliest_tokens_alone_tell_nothing_of_such_answers(server: ChatServer) -> None:
    server.script = lambda number, request: answered(told_by_llama_cpp(request.body["top_logprobs"]))
    with pytest.raises(ChatError, match="none of the answers 1, 2, 3 is among the 20 likeliest tokens"):
        ask(server, "openai")


def test_vllm_is_asked_as_it_documents(server: ChatServer) -> None:
    server.script = vllm
    ask(server, "vllm", body={"chat_template_kwargs": {"enable_thinking": False}})
    *words, question = server.requests
    asked = [{"model": "tiny", "prompt": word, "add_special_tokens": False} for word in WORDS]
    assert sorted((one.body for one in words), key=str) == sorted(asked, key=str)
    assert question.path == "/v1/chat/completions"
    fields = {
        "model": "tiny",
        "temperature": 0,
        "max_tokens": 1,
        "logprobs": True,
        "logprob_token_ids": TOKENS,
        "return_tokens_as_token_ids": True,
        "chat_template_kwargs": {"enable_thinking": False},
    }
    assert fields.items() <= question.body.items()


def test_sglang_is_asked_as_it_documents(server: ChatServer) -> None:
    server.script = sglang
    template = {"enable_thinking": False}
    ask(server, "sglang", body={"lora_path": "persona-3", "chat_template_kwargs": template})
    *words, prompt, question = server.requests
    assert {one.path for one in (*words, prompt)} == {"/v1/tokenize"}
    asked = [{"model": "tiny", "prompt": word, "add_special_tokens": False} for word in WORDS]
    assert sorted((one.body for one in words), key=str) == sorted(asked, key=str)
    messages = [{"role": "system", "content": "Repeat."}, {"role": "user", "content": "question 0"}]
    assert prompt.body == {"model": "tiny", "messages": messages, "chat_template_kwargs": template}
    assert question.path == "/generate"
    assert question.body == {
        "input_ids": PROMPT,
        "sampling_params": {"temperature": 0, "max_new_tokens": 1},
        "return_logprob": True,
        "logprob_start_len": -1,
        "token_ids_logprob": TOKENS,
        "stream": False,
        "lora_path": "persona-3",
    }


def test_triples_that_were_recorded_from_sglang_are_read(server: ChatServer) -> None:
    """As SGLang 0.5.19 told them of the tokens 32, 33 and 34, with their texts and after a long prompt."""
    told = told_by_sglang([])
    told["meta_info"]["output_token_ids_logprobs"] = [[[-13.3175, 16, "A"], [-14.4113, 17, "B"], [-14.2238, 18, "C"]]]
    server.script = lambda number, request: answered(told) if request.path == "/generate" else sglang(number, request)
    odds = np.exp([-13.3175, -14.4113, -14.2238])
    np.testing.assert_allclose(ask(server, "sglang")[0], [odds / odds.sum()])


def test_llama_cpp_is_asked_as_it_documents(server: ChatServer) -> None:
    server.script = llama_cpp
    ask(server, "llama.cpp")
    *words, question = server.requests
    asked = [{"content": word, "add_special": False} for word in WORDS]
    assert sorted((one.body for one in words), key=str) == sorted(asked, key=str)
    assert {"logprobs": True, "top_logprobs": 200, "max_tokens": 1}.items() <= question.body.items()


def test_an_answer_that_llama_cpp_does_not_tell_counts_as_the_least_of_those_told(server: ChatServer) -> None:
    server.script = llama_cpp
    with EndpointChat(EndpointSettings(server.url, "tiny", backoff=FAST)) as chat:
        found = EndpointAnswers(chat, "llama.cpp", top=38).chances(questions(1), WORDS)
    odds = np.array([0.006, 0.006, 0.012])
    np.testing.assert_allclose(found, [odds / odds.sum()])


@pytest.mark.parametrize("dialect", BY_ID)
def test_the_tokens_of_answers_are_asked_for_once(server: ChatServer, dialect: Dialect) -> None:
    server.script = SERVERS[dialect]
    with EndpointChat(EndpointSettings(server.url, "tiny", backoff=FAST)) as chat:
        model = EndpointAnswers(chat, dialect)
        for _ in range(2):
            model.chances(questions(1), WORDS)
        np.testing.assert_allclose(model.chances(questions(1), WORDS[1:]), EXACT[:, 1:] / 0.9)
    tokenized = [one for one in server.requests if one.path.endswith("/tokenize") and "messages" not in one.body]
    assert len(tokenized) == len(WORDS)


@pytest.mark.parametrize("dialect", BY_ID)
def test_an_answer_of_several_tokens_is_refused(server: ChatServer, dialect: Dialect) -> None:
    server.script = SERVERS[dialect]
    with pytest.raises(ValueError, match=r"answers of one token each, got '10', which .* makes \[16, 15\]"):
        ask(server, dialect, words=("1", "10"))


def test_answers_that_share_a_token_are_refused(server: ChatServer) -> None:
    server.script = lambda number, request: answered({"tokens": [0]})
    with pytest.raises(ValueError, match=r"one token each, got \{'1': 0, '2': 0, '3': 0\}"):
        ask(server, "vllm")


def without(told: dict[str, Any], *path: str | int) -> dict[str, Any]:
    """A reply that lacks a field."""
    copy = json.loads(json.dumps(told))
    *way, last = path
    part = copy
    for step in way:
        part = part[step]
    del part[last]
    return dict(copy)


def behind_tokens(dialect: Dialect, *replies: Reply) -> Script:
    """A server that knows its tokens, and sends these replies to questions, the last again and again."""
    sent = iter(replies)

    def script(number: int, request: Request) -> Reply:
        known = SERVERS[dialect](number, request)
        return known if request.path.endswith("/tokenize") else next(sent, replies[-1])

    return script


FIRST = ("choices", 0, "logprobs", "content", 0)
NOT_UNDERSTOOD = {
    "vLLM that passes the field over": ("vllm", told_by_vllm([]), "got those of token_id:100, without 16, 17, 18"),
    "vLLM that tells one less": ("vllm", told_by_vllm([16, 18]), "without 17"),
    "tokens by text": ("vllm", told_by_llama_cpp(20), "`logprob_token_ids`, got those of ‹100›, ‹101›"),
    "completion without log probabilities": (
        "vllm",
        json.loads(completion("2")),
        "expected log probabilities, got None",
    ),
    "SGLang that passes the field over": ("sglang", told_by_sglang([]), "got those of none, without 16, 17, 18"),
    "SGLang that tells one less": ("sglang", told_by_sglang([16, 17]), "without 18"),
    "SGLang without the field": (
        "sglang",
        without(told_by_sglang(TOKENS), "meta_info", "output_token_ids_logprobs"),
        "expected `output_token_ids_logprobs` of one token, got None among id, finish_reason",
    ),
    "likeliest tokens without ids": ("llama.cpp", told_by_vllm(TOKENS), "expected tokens with an `id`, got"),
}


@pytest.mark.parametrize("case", NOT_UNDERSTOOD)
def test_a_server_that_does_not_understand_is_told_at_once(server: ChatServer, case: str) -> None:
    dialect, told, message = NOT_UNDERSTOOD[case]
    server.script = behind_tokens(dialect, answered(told))
    with pytest.raises(ChatError, match=rf"127\.0\.0\.1.*asked in the dialect {dialect}: .*{message}"):
        ask(server, dialect)
    assert sum(not one.path.endswith("/tokenize") for one in server.requests) == 1


@pytest.mark.parametrize(
    ("dialect", "script", "message"),
    [
        ("vllm", llama_cpp, r"got '1', which the server's tokenizer makes \[\]"),
        ("sglang", llama_cpp, r"dialect sglang: .*/v1/tokenize: the server refuses, status 404: .*File Not Found"),
        ("sglang", vllm, r"dialect sglang: .*/v1/tokenize: the server refuses, status 404: .*Not Found"),
        ("vllm", sglang, r"dialect vllm: .*/tokenize: the server refuses, status 404: .*Not Found"),
    ],
)
def test_another_server_than_the_dialect_names_is_told(
    server: ChatServer, dialect: Dialect, script: Script, message: str
) -> None:
    server.script = script
    with pytest.raises((ChatError, ValueError), match=message):
        ask(server, dialect)


TELLS: dict[Dialect, Callable[[], dict[str, Any]]] = {
    "vllm": lambda: told_by_vllm(TOKENS),
    "sglang": lambda: told_by_sglang(TOKENS),
    "llama.cpp": lambda: told_by_llama_cpp(200),
}


def spoilt(dialect: Dialect, log: object) -> Reply:
    """A reply whose log probabilities are all something else."""
    told = TELLS[dialect]()
    if dialect == "sglang":
        for triple in told["meta_info"]["output_token_ids_logprobs"][0]:
            triple[0] = log
    else:
        for one in told["choices"][0]["logprobs"]["content"][0]["top_logprobs"]:
            one["logprob"] = log
    return answered(told)


def lacking(dialect: Dialect) -> Reply:
    """A reply whose tokens have no log probabilities."""
    told = TELLS[dialect]()
    if dialect == "sglang":
        told["meta_info"]["output_token_ids_logprobs"] = [[[16], [17], [18]]]
    else:
        told = without(told, *FIRST, "top_logprobs", 0, "logprob")
    return answered(told)


PASSING: dict[str, Callable[[Dialect], Reply]] = {
    "no json": lambda dialect: Reply(200, b"not json"),
    "empty": lambda dialect: Reply(200, b""),
    "a list": lambda dialect: answered([1, 2]),
    "error body": lambda dialect: answered({"error": {"message": "overloaded"}}),
    "no reply": lambda dialect: answered({"choices": [], "meta_info": 7}),
    "text for a log": lambda dialect: spoilt(dialect, "x"),
    "null for a log": lambda dialect: spoilt(dialect, None),
    "above 0": lambda dialect: spoilt(dialect, 0.5),
    "not a number": lambda dialect: spoilt(dialect, math.nan),
    "no log": lacking,
    "429": lambda dialect: Reply(429, headers=(("Retry-After", "0"),)),
    "503": lambda dialect: Reply(503),
    "stall": lambda dialect: Reply(200, json.dumps(TELLS[dialect]()).encode(), before=0.6),
    "trickle": lambda dialect: Reply(200, json.dumps(TELLS[dialect]()).encode(), trickle=0.02),
    "dropped": lambda dialect: Reply(dropped=True),
}


@pytest.mark.parametrize("dialect", BY_ID)
@pytest.mark.parametrize("case", PASSING)
def test_passing_failures_are_tried_again(server: ChatServer, dialect: Dialect, case: str) -> None:
    server.script = behind_tokens(dialect, PASSING[case](dialect), answered(TELLS[dialect]()))
    found, model = ask(server, dialect, timeout=0.3)
    np.testing.assert_allclose(found, EXACT, rtol=1e-12)
    assert model.chat.retries == 1


@pytest.mark.parametrize("dialect", BY_ID)
@pytest.mark.parametrize("tokens", [None, "16", [16.5], ["1"], [True]])
def test_tokens_that_are_none_are_asked_for_again(server: ChatServer, dialect: Dialect, tokens: object) -> None:
    server.script = lambda number, request: (
        answered({"tokens": tokens}) if number == 0 else SERVERS[dialect](number, request)
    )
    found, model = ask(server, dialect)
    np.testing.assert_allclose(found, EXACT, rtol=1e-12)
    assert model.chat.retries == 1


def test_failures_that_do_not_pass_name_the_dialect(server: ChatServer) -> None:
    server.script = behind_tokens("sglang", Reply(500, b"out of memory"))
    with pytest.raises(ChatError, match=r"dialect sglang: .*/generate: gave up after 4 tries, .* out of memory"):
        ask(server, "sglang")


@pytest.mark.parametrize("dialect", ["vllm", "sglang"])
def test_answers_that_are_all_impossible_are_an_error(server: ChatServer, dialect: Dialect) -> None:
    server.script = behind_tokens(dialect, spoilt(dialect, -9999.0))
    with pytest.raises(ChatError, match="calls every one of the answers 1, 2, 3 impossible"):
        ask(server, dialect)


def test_one_answer_may_be_impossible(server: ChatServer) -> None:
    told = told_by_sglang(TOKENS)
    told["meta_info"]["output_token_ids_logprobs"][0][0][0] = -9999.0
    server.script = behind_tokens("sglang", answered(told))
    np.testing.assert_allclose(ask(server, "sglang")[0], [[0, 1 / 3, 2 / 3]], atol=1e-12)


def test_an_unknown_dialect_is_refused(server: ChatServer) -> None:
    with (
        EndpointChat(EndpointSettings(server.url, "tiny")) as chat,
        pytest.raises(ValueError, match=r"one of openai, vllm, sglang, llama\.cpp, got 'ollama'"),
    ):
        EndpointAnswers(chat, "ollama")  # type: ignore[arg-type]


def test_what_decides_chances_is_told_by_what_servers_tell(server: ChatServer) -> None:
    """Of exactly the answers two dialects tell the same; of the likeliest tokens, by text or id, others do."""
    with EndpointChat(EndpointSettings(server.url, "tiny")) as chat:
        told = {dialect: EndpointAnswers(chat, dialect).identity for dialect in DIALECTS}
        assert told["vllm"] == told["sglang"] == EndpointAnswers(chat, "vllm", top=5, draws=3).identity
        assert told["openai"] == {**chat.identity, "top": 20, "draws": 20}
        assert len({json.dumps(dict(one)) for one in told.values()}) == 3
        assert EndpointAnswers(chat, "llama.cpp", top=5).identity != told["llama.cpp"]


def test_what_one_dialect_told_of_exactly_the_answers_is_known_in_the_other(server: ChatServer, tmp_path: Path) -> None:
    server.script = vllm
    asked = []
    for dialect in ("vllm", "sglang"):
        with EndpointChat(EndpointSettings(server.url, "tiny", backoff=FAST)) as chat:
            cached = CachedChances(EndpointAnswers(chat, dialect), tmp_path)
            np.testing.assert_allclose(cached.chances(questions(2), WORDS), np.repeat(EXACT, 2, axis=0))
        asked.append(len(server.requests))
    assert asked == [len(WORDS) + 2] * 2


@pytest.mark.parametrize(
    ("dialect", "adapter", "fields"),
    [
        ("openai", "persona-3", {"model": "persona-3"}),
        ("vllm", "persona-3", {"model": "persona-3", "logprob_token_ids": TOKENS}),
        ("sglang", "persona-3", {"lora_path": "persona-3", "token_ids_logprob": TOKENS}),
        ("llama.cpp", "3", {"model": "tiny", "lora": [{"id": 3, "scale": 1.0}]}),
    ],
)
def test_adapters_are_asked_for_by_name(
    server: ChatServer, dialect: Dialect, adapter: str, fields: dict[str, object]
) -> None:
    server.script = SERVERS.get(dialect, lambda number, request: answered(told_by_llama_cpp(200)))
    settings = with_adapter(EndpointSettings(server.url, "tiny", backoff=FAST), dialect, adapter)
    with EndpointChat(settings) as chat:
        np.testing.assert_allclose(EndpointAnswers(chat, dialect).chances(questions(1), WORDS).sum(), 1)
    assert fields.items() <= server.requests[-1].body.items()


def test_llama_cpp_has_no_names_for_adapters() -> None:
    with pytest.raises(ValueError, match=r"numbers its adapters: expected a number, got 'persona-3'"):
        with_adapter(EndpointSettings("http://localhost", "tiny"), "llama.cpp", "persona-3")


@pytest.mark.parametrize(("dialect", "adapter"), [("vllm", "persona-3"), ("sglang", "persona-3"), ("llama.cpp", "3")])
def test_served_users_are_asked_in_a_dialect(
    server: ChatServer, small_data: Dataset, small_split: Split, dialect: Dialect, adapter: str
) -> None:
    server.script = SERVERS[dialect]
    settings = EndpointSettings(server.url, "tiny", backoff=FAST)
    agent = served_chat_users(small_data, small_split.train, settings, dialect=dialect, adapter=adapter)
    sessions, row = agent.open(1), np.array([0])
    sessions.start(row, np.array([2]))
    wish, rating = sessions.react(row, np.array([[4, 7]]))
    np.testing.assert_allclose(wish, 0.75)
    np.testing.assert_allclose(rating, np.full((1, 2, 5), [2 / 22, 6 / 22, 12 / 22, 1 / 22, 1 / 22]))
    assert agent.usage is not None
    assert agent.usage.answers == agent.calls == 4
