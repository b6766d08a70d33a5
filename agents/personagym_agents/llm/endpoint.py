"""Any server that speaks OpenAI's chat-completions protocol, asked through `httpx` by several threads at a time."""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from hashlib import sha256
from types import TracebackType
from typing import NamedTuple, TypeVar

import httpx

from personagym_agents.llm.chat import Answer, ChatError, Conversation, Form
from personagym_agents.llm.safety import plain
from personagym_agents.llm.waiting import Backoff, retry_after

_AGAIN = frozenset({408, 409, 425, 429})
"""Client errors that pass; so do all server errors."""
_MAX_BYTES = 1 << 20
"""Of a reply: more than any answer within the limit of tokens needs."""


@dataclass(frozen=True)
class EndpointSettings:
    """Where a chat model is served, and how to ask it."""

    base_url: str
    """Up to and with the version: `https://api.openai.com/v1`."""
    model: str
    """The server's name of the model."""
    key_variable: str | None = None
    """Environment variable that holds the key; None sends no key, as a server of one's own needs none."""
    concurrency: int = 8
    """Requests under way at a time."""
    timeout: float = 120.0
    """Seconds that one request may take as a whole."""
    backoff: Backoff = field(default_factory=Backoff)
    body: Mapping[str, object] = field(default_factory=dict)
    """Fields of the request besides model and messages, over the defaults; None leaves a default out:
    `{"max_tokens": None, "max_completion_tokens": 800}`."""
    forms: bool = False
    """Whether the server is told the form of an answer (`response_format`); one that does not know it refuses."""

    def __post_init__(self) -> None:
        if not self.base_url.startswith(("http://", "https://")):
            raise ValueError(f"base_url must start with http:// or https://, got {self.base_url!r}")
        if self.concurrency < 1:
            raise ValueError(f"concurrency must be at least 1, got {self.concurrency}")
        if self.timeout <= 0:
            raise ValueError(f"timeout must be above 0 seconds, got {self.timeout}")
        if reserved := {"model", "messages", "stream"} & set(self.body):
            raise ValueError(f"body must not set {', '.join(sorted(reserved))}: these fields are the protocol's own")


Reading = TypeVar("Reading")


class Post(NamedTuple):
    """What a server is sent, and where."""

    url: str
    body: Mapping[str, object]


class PassingError(Exception):
    """A failure that another try may not meet; `wait` is what the server asked for."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


class EndpointChat:
    """A served chat model; use it as a context manager, or close it.

    Time-outs, lost connections, 429s, server errors and replies that are no completions are tried again with back-off;
    a server that names a time in `Retry-After` is left alone by all threads until then. An address where nothing has
    ever answered is not tried twice.

    Args:
        settings: where and how.

    Raises:
        ValueError: the environment variable of the key is not set.
    """

    def __init__(self, settings: EndpointSettings) -> None:
        self.settings = settings
        self.retries = 0
        """Requests that had to be sent again."""
        self._client = httpx.Client(
            headers=_headers(settings),
            timeout=settings.timeout,
            limits=httpx.Limits(max_connections=settings.concurrency),
        )
        self._url = settings.base_url.rstrip("/") + "/chat/completions"
        self._lock = threading.Lock()
        self._resume = 0.0  # on the monotonic clock
        self._reached = False
        self._stop = threading.Event()

    def __enter__(self) -> "EndpointChat":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    @property
    def identity(self) -> Mapping[str, object]:
        """See `ChatModel.identity`."""
        told = {"forms": True} if self.settings.forms else {}
        return {"url": self._url, "model": self.settings.model, "body": dict(self.settings.body), **told}

    def answers(
        self, conversations: Sequence[Conversation], max_tokens: int, forms: Sequence[Form] | None = None
    ) -> Iterator[tuple[int, Answer]]:
        """See `ChatModel.answers`. Once an answer cannot be had, those under way are still handed out.

        Raises:
            ChatError: the server refuses, or fails at every try.
        """
        fields: dict[str, object] = {"temperature": 0, "max_tokens": max_tokens}
        if forms is None or not self.settings.forms:
            return self.readings(conversations, fields, read_answer)
        posts = [
            self._completion(conversation, fields | {"response_format": _response_format(form)})
            for conversation, form in zip(conversations, forms, strict=True)
        ]
        return self.replies(posts, read_answer)

    def readings(
        self, conversations: Sequence[Conversation], fields: Mapping[str, object], read: Callable[[bytes], Reading]
    ) -> Iterator[tuple[int, Reading]]:
        """What is read off the reply to every conversation, see `replies`.

        Args:
            conversations: what to ask.
            fields: of the request besides model and messages, under those of the settings.
            read: see `replies`.

        Raises:
            ChatError: the server refuses, or fails at every try.
        """
        return self.replies([self._completion(conversation, fields) for conversation in conversations], read)

    def beside(self, path: str) -> str:
        """Where a server has what is its own: beside the version, as in `http://localhost:8000/tokenize`."""
        return f"{self.settings.base_url.rstrip('/').removesuffix('/v1')}/{path}"

    def replies(self, posts: Sequence[Post], read: Callable[[bytes], Reading]) -> Iterator[tuple[int, Reading]]:
        """What is read off the reply to everything that is posted, in the order in which replies come.

        Args:
            posts: what to send.
            read: the body of a success; raises `PassingError` on one that is not what it should be.

        Raises:
            ChatError: the server refuses, or fails at every try.
        """
        self._stop.clear()
        pool = ThreadPoolExecutor(self.settings.concurrency, thread_name_prefix="chat")
        try:
            place_of: dict[Future[Reading], int] = {
                pool.submit(self._ask, post, read): place for place, post in enumerate(posts)
            }
            failure: BaseException | None = None
            for future in as_completed(place_of):
                if future.cancelled():
                    continue
                error = future.exception()
                if error is None:
                    yield place_of[future], future.result()
                elif failure is None:
                    failure = error
                    self._stop.set()
                    for other in place_of:
                        other.cancel()
            if failure is not None:
                raise failure
        finally:
            self._stop.set()
            pool.shutdown(wait=True, cancel_futures=True)

    def _completion(self, conversation: Conversation, fields: Mapping[str, object]) -> Post:
        body = {"model": self.settings.model, "messages": messages_of(conversation), "stream": False}
        body |= {name: value for name, value in {**fields, **self.settings.body}.items() if value is not None}
        return Post(self._url, body)

    def _ask(self, post: Post, read: Callable[[bytes], Reading]) -> Reading:
        backoff, url = self.settings.backoff, post.url
        request = json.dumps(post.body).encode()
        # The spread comes from the request itself: waits differ between requests and repeat from run to run.
        spread = int.from_bytes(sha256(request).digest()[:4]) / 2**32
        failures = 0
        while True:
            self._pause()
            try:
                return read(self._try(url, request))
            except PassingError as passing:
                failures += 1
                if failures >= backoff.tries:
                    raise ChatError(f"{url}: gave up after {failures} tries, the last: {passing}") from passing
                if passing.wait is not None and passing.wait > backoff.longest:
                    raise ChatError(
                        f"{url}: {passing}; the server asks to wait {passing.wait:.0f} s, and at most "
                        f"{backoff.longest:.0f} s were allowed: start the same run again later"
                    ) from passing
                self._count_retry(passing.wait)
                self._stop.wait(max(backoff.wait(failures, spread), passing.wait or 0.0))

    def _count_retry(self, wait: float | None) -> None:
        with self._lock:
            self.retries += 1
            if wait is not None:
                self._resume = max(self._resume, time.monotonic() + wait)

    def _pause(self) -> None:
        """Wait until the server may be asked again."""
        while not self._stop.is_set() and (rest := self._resume - time.monotonic()) > 0:
            self._stop.wait(rest)
        if self._stop.is_set():
            raise ChatError(f"{self._url}: stopped, because another request failed")

    def _try(self, url: str, request: bytes) -> bytes:
        deadline = time.monotonic() + self.settings.timeout
        try:
            with self._client.stream("POST", url, content=request) as response:
                self._reached = True
                return _read(response, deadline, self.settings.key_variable)
        except (httpx.HTTPError, httpx.StreamError) as error:
            if isinstance(error, httpx.ConnectError) and not self._reached:
                raise ChatError(
                    f"{url}: nothing answers there ({error}): start the server, or mend the base URL"
                ) from error
            raise PassingError(f"{type(error).__name__} {error}".strip()) from error


def messages_of(conversation: Conversation) -> list[dict[str, str]]:
    """A conversation as the protocol has it."""
    return [message._asdict() for message in conversation]


def _response_format(form: Form) -> Mapping[str, object]:
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": form}}


def _headers(settings: EndpointSettings) -> dict[str, str]:
    headers = {"Content-Type": "application/json"}
    if settings.key_variable is not None:
        key = os.environ.get(settings.key_variable, "").strip()
        if not key:
            raise ValueError(
                f"expected the server's key in the environment variable {settings.key_variable!r}, which is not set: "
                f"set it by `export {settings.key_variable}=...`, or send no key by naming no variable"
            )
        headers["Authorization"] = f"Bearer {key}"
    return headers


def _read(response: httpx.Response, deadline: float, key_variable: str | None) -> bytes:
    """The body of a success; an error otherwise."""
    parts, size = [], 0
    for part in response.iter_bytes():
        parts.append(part)
        size += len(part)
        if size > _MAX_BYTES:
            raise PassingError(f"a reply of more than {_MAX_BYTES} bytes")
        if time.monotonic() > deadline:
            raise PassingError("the reply took longer than the time-out")
    body, status = b"".join(parts), response.status_code
    if status == httpx.codes.OK:
        return body
    said = f"status {status}: {plain(body[:2000].decode('utf-8', 'replace'))[:300]}"
    if status in _AGAIN or status >= 500:
        raise PassingError(said, retry_after(response.headers.get("retry-after")))
    hint = ""
    if status in (401, 403):
        hint = "; no key was sent" if key_variable is None else f"; the key came from {key_variable!r}"
    raise ChatError(f"{response.url}: the server refuses, {said}{hint}")


def read_answer(body: bytes) -> Answer:
    """The first choice of a completion.

    Raises:
        PassingError: it is none.
    """
    try:
        reply = json.loads(body)
        choice = reply["choices"][0]
        text = choice["message"]["content"]
    except (ValueError, RecursionError, LookupError, TypeError) as error:
        raise PassingError(
            f"expected a chat completion, got {plain(body[:200].decode('utf-8', 'replace'))!r}"
        ) from error
    if not isinstance(text, str):
        raise PassingError(f"expected a chat completion with text, got content of type {type(text).__name__}")
    usage = reply.get("usage")
    counts = usage if isinstance(usage, dict) else {}
    read, written = token_count(counts, "prompt_tokens"), token_count(counts, "completion_tokens")
    return Answer(text, choice.get("finish_reason") != "length", read, written)


def token_count(counts: Mapping[str, object], name: str) -> int | None:
    """A number of tokens by its name; None where there is none."""
    count = counts.get(name)
    return count if isinstance(count, int) and count >= 0 else None
