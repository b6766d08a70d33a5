"""How servers tell the log probabilities of given tokens: vLLM, SGLang and llama.cpp, each in words of its own.

- `vllm`: the field `logprob_token_ids` of `/v1/chat/completions`; the reply names tokens `token_id:N`, as asked
  (vllm-project/vllm: entrypoints/openai/chat_completion/protocol.py and serving.py, pull request 43463).
- `sglang`: the field `token_ids_logprob` of `/generate`, behind the ids that `/v1/tokenize` makes of a conversation
  (sgl-project/sglang: docs/basic_usage/sampling_params.md, srt/entrypoints/openai/protocol.py,
  srt/managers/tokenizer_manager.py).
- `llama.cpp`: the `n_probs` likeliest tokens, which `/v1/chat/completions` calls `top_logprobs`, with their ids
  (ggml-org/llama.cpp: tools/server/README.md and server-common.cpp). No token can be asked for there.

Ids of answers are those of the server's own `/tokenize`.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, NamedTuple, Protocol, TypeVar, get_args

from personagym_agents.llm.chat import Answer, ChatError, Conversation
from personagym_agents.llm.endpoint import (
    EndpointChat,
    EndpointSettings,
    PassingError,
    Post,
    messages_of,
    read_answer,
    token_count,
)
from personagym_agents.llm.safety import plain

Dialect = Literal["openai", "vllm", "sglang", "llama.cpp"]
"""Whose words a server is asked in; `openai` knows no token ids and is understood by all of them."""
DIALECTS: tuple[Dialect, ...] = get_args(Dialect)
ROUNDING = 1e-3
"""By which a log probability may be above 0."""
_NAMED = "token_id:"
_TEMPLATE = "chat_template_kwargs"
"""The field of a request that SGLang needs where a conversation becomes tokens."""
Part = TypeVar("Part")


class Told(NamedTuple):
    """What a reply says of its first token."""

    answer: Answer
    logs: Mapping[int, float]
    """Token to log probability."""


class TokenServer(Protocol):
    """A server that is asked for tokens by their ids."""

    def tokenized(self, words: Sequence[str]) -> list[list[int]]:
        """Ids of the tokens of each word.

        Raises:
            ChatError: the server refuses, or fails at every try.
        """

    def told(self, conversations: Sequence[Conversation], tokens: Sequence[int]) -> Iterator[tuple[int, Told]]:
        """Place of a conversation and what is told of the tokens, in the order in which replies come.

        Raises:
            ChatError: the server refuses, fails at every try, or does not tell what it was asked.
        """


@dataclass(frozen=True)
class VllmServer:
    """See `TokenServer`; every token is told."""

    chat: EndpointChat

    def tokenized(self, words: Sequence[str]) -> list[list[int]]:
        """See `TokenServer.tokenized`."""
        return _tokenized(self.chat, [self._post(word) for word in words])

    def _post(self, word: str) -> Post:
        asked = {"model": self.chat.settings.model, "prompt": word, "add_special_tokens": False}
        return Post(self.chat.beside("tokenize"), asked)

    def told(self, conversations: Sequence[Conversation], tokens: Sequence[int]) -> Iterator[tuple[int, Told]]:
        """See `TokenServer.told`."""
        fields = _one_token(len(tokens)) | {"logprob_token_ids": list(tokens), "return_tokens_as_token_ids": True}
        return self.chat.readings(conversations, fields, partial(_read_vllm, tokens=tokens))


@dataclass(frozen=True)
class SglangServer:
    """See `TokenServer`; every token is told."""

    chat: EndpointChat

    def tokenized(self, words: Sequence[str]) -> list[list[int]]:
        """See `TokenServer.tokenized`."""
        return _tokenized(self.chat, [self._post({"prompt": word, "add_special_tokens": False}) for word in words])

    def _post(self, text: Mapping[str, object]) -> Post:
        settings = self.chat.settings
        return Post(self.chat.beside("v1/tokenize"), {"model": settings.model, **text})

    def told(self, conversations: Sequence[Conversation], tokens: Sequence[int]) -> Iterator[tuple[int, Told]]:
        """See `TokenServer.told`."""
        body = dict(self.chat.settings.body)
        template = {_TEMPLATE: body.pop(_TEMPLATE)} if _TEMPLATE in body else {}
        asked = [self._post({"messages": messages_of(conversation), **template}) for conversation in conversations]
        fields = {
            "sampling_params": {"temperature": 0, "max_new_tokens": 1},
            "return_logprob": True,
            "logprob_start_len": -1,
            "token_ids_logprob": list(tokens),
            "stream": False,
        }
        url = self.chat.beside("generate")
        posts = [Post(url, {"input_ids": ids, **fields, **body}) for ids in _tokenized(self.chat, asked)]
        return self.chat.replies(posts, partial(_read_sglang, tokens=tokens))


@dataclass(frozen=True)
class LlamaCppServer:
    """See `TokenServer`; of the tokens those are told that are among the likeliest."""

    chat: EndpointChat
    top: int
    """Likeliest tokens that are told; any number."""

    def tokenized(self, words: Sequence[str]) -> list[list[int]]:
        """See `TokenServer.tokenized`."""
        url = self.chat.beside("tokenize")
        return _tokenized(self.chat, [Post(url, {"content": word, "add_special": False}) for word in words])

    def told(self, conversations: Sequence[Conversation], tokens: Sequence[int]) -> Iterator[tuple[int, Told]]:
        """See `TokenServer.told`."""
        return self.chat.readings(conversations, _one_token(self.top), _read_llama_cpp)


def with_adapter(settings: EndpointSettings, dialect: Dialect, adapter: str) -> EndpointSettings:
    """Settings that ask for an adapter of the served model by its name.

    vLLM and whoever speaks plain OpenAI serve an adapter as a model of that name; SGLang takes it beside the prompt,
    and llama.cpp numbers its adapters.

    Raises:
        ValueError: llama.cpp is asked for something that is no number.
    """
    match dialect:
        case "sglang":
            return replace(settings, body={**settings.body, "lora_path": adapter})
        case "llama.cpp":
            if not adapter.isdecimal():
                raise ValueError(f"llama.cpp numbers its adapters: expected a number, got {adapter!r}")
            return replace(settings, body={**settings.body, "lora": [{"id": int(adapter), "scale": 1.0}]})
        case _:
            return replace(settings, model=adapter)


def _one_token(top: int) -> dict[str, object]:
    return {"temperature": 0, "max_tokens": 1, "logprobs": True, "top_logprobs": top}


def _tokenized(chat: EndpointChat, posts: Sequence[Post]) -> list[list[int]]:
    found = dict(chat.replies(posts, _read_tokens))
    return [found[place] for place in range(len(posts))]


def _read_tokens(body: bytes) -> list[int]:
    return _shaped(body, lambda reply: [_whole(token) for token in reply["tokens"]], "token ids in `tokens`")


def _read_vllm(body: bytes, tokens: Sequence[int]) -> Told:
    answer = read_answer(body)
    named = _shaped(
        body, lambda reply: {str(one["token"]): float(one["logprob"]) for one in _likeliest(reply)}, "tokens and logs"
    )
    logs = {int(name.removeprefix(_NAMED)): log for name, log in named.items() if name.startswith(_NAMED)}
    return Told(answer, _complete(logs, tokens, "logprob_token_ids", list(named)))


def _read_sglang(body: bytes, tokens: Sequence[int]) -> Told:
    meta = _shaped(body, lambda reply: dict(reply["meta_info"]), "`meta_info`")
    told = meta.get("output_token_ids_logprobs")
    if not told or told == [None]:
        raise ChatError(f"expected `output_token_ids_logprobs` of one token, got {told!r} among {', '.join(meta)}")
    logs = _shaped(
        body, lambda _: {_whole(token): float(log) for log, token, *_ in told[0]}, "`output_token_ids_logprobs`"
    )
    said = _shaped(body, lambda reply: str(reply["text"]), "a text")
    answer = Answer(said, True, token_count(meta, "prompt_tokens"), token_count(meta, "completion_tokens"))
    return Told(answer, _complete(logs, tokens, "token_ids_logprob", list(map(str, logs))))


def _read_llama_cpp(body: bytes) -> Told:
    answer = read_answer(body)
    return Told(
        answer, _possible(_shaped(body, lambda reply: dict(map(_with_id, _likeliest(reply))), "tokens and logs"))
    )


def _with_id(one: Mapping[str, Any]) -> tuple[int, float]:
    if "id" not in one:
        raise ChatError(f"expected tokens with an `id`, got {plain(repr(one)[:200])}")
    return _whole(one["id"]), float(one["logprob"])


def _likeliest(reply: Any) -> list[Mapping[str, Any]]:
    """What a chat completion tells of the tokens that might have been first.

    Raises:
        ChatError: it tells no log probabilities at all.
    """
    told = reply["choices"][0].get("logprobs")
    if not told or not told.get("content"):
        raise ChatError(f"expected log probabilities, got {told!r}")
    return list(told["content"][0]["top_logprobs"])


def _shaped(body: bytes, part: Callable[[Any], Part], name: str) -> Part:
    """Part of a reply as JSON.

    Raises:
        PassingError: there is none.
    """
    try:
        return part(json.loads(body))
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise PassingError(f"expected {name}, got {plain(body[:200].decode('utf-8', 'replace'))!r}") from error


def _whole(token: object) -> int:
    if type(token) is not int:
        raise TypeError(f"a token id must be a whole number, got {token!r}")
    return token


def _complete(logs: Mapping[int, float], tokens: Sequence[int], field: str, came: Sequence[str]) -> Mapping[int, float]:
    """The log probabilities, if those of all tokens are there.

    Raises:
        ChatError: one is not: the server passed the field over.
        PassingError: they are no log probabilities.
    """
    if missing := [str(token) for token in tokens if token not in logs]:
        raise ChatError(
            f"expected the log probabilities of the tokens {', '.join(map(str, tokens))}, asked for by `{field}`, got "
            f"those of {', '.join(map(plain, came[:10])) or 'none'}, without {', '.join(missing)}"
        )
    return _possible(logs)


def _possible(logs: Mapping[int, float]) -> Mapping[int, float]:
    if not all(log <= ROUNDING for log in logs.values()):
        raise PassingError(f"expected log probabilities of at most 0, got {sorted(logs.values())[-3:]}")
    return logs
