"""The endpoint back end and the cache against a real HTTP server that speaks the protocol and misbehaves on purpose."""

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
import tyro

from fixtures.chat_server import FAST, ChatServer, Reply, Request, ask, completion, in_turn, questions
from fixtures.display import RecordingDisplay
from personagym_agents.llm.answer_cache import AnswerCache, CachedChat, request_key
from personagym_agents.llm.chat import Answer, ChatError, Prices, Usage
from personagym_agents.llm.endpoint import EndpointChat, EndpointSettings
from personagym_agents.llm.profiling import open_chat, profile_users
from personagym_agents.llm.reasons import ReasonStore
from personagym_agents.llm.reflection import ReflectionSettings
from personagym_agents.llm.waiting import Backoff, retry_after
from personagym_benchmarks.cli import data as command_data
from personagym_benchmarks.cli.reasons import ReasonsCommand
from personagym_env.data.splits import temporal_split
from personagym_env.data.tables import Dataset
from personagym_env.run_context import RunContext


def test_a_question_is_asked_as_the_protocol_says(server: ChatServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINY_KEY", "secret")
    answers = ask(server, key_variable="TINY_KEY")
    assert answers == {0: Answer("question 0", True, 7, 3)}
    [request] = server.requests
    assert request.path == "/v1/chat/completions"
    assert request.headers["Authorization"] == "Bearer secret"
    assert request.body == {
        "model": "tiny",
        "messages": [{"role": "system", "content": "Repeat."}, {"role": "user", "content": "question 0"}],
        "temperature": 0,
        "max_tokens": 50,
        "stream": False,
    }


def test_no_key_is_sent_unless_its_variable_is_named(server: ChatServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    ask(server)
    assert "Authorization" not in server.requests[0].headers


def test_the_body_can_be_fitted_to_a_server(server: ChatServer) -> None:
    ask(server, body={"max_tokens": None, "max_completion_tokens": 9, "temperature": None})
    assert set(server.requests[0].body) == {"model", "messages", "stream", "max_completion_tokens"}


def test_answers_that_were_cut_off_say_so(server: ChatServer) -> None:
    choice = {"message": {"content": "cut"}, "finish_reason": "length"}
    server.script = in_turn(Reply(body=json.dumps({"choices": [choice], "usage": {"prompt_tokens": "many"}}).encode()))
    assert ask(server) == {0: Answer("cut", False, None, None)}


@pytest.mark.parametrize(
    "reply",
    [
        Reply(500, b"oops"),
        Reply(503),
        Reply(408),
        Reply(429, headers=(("Retry-After", "soon"),)),
        Reply(200, b"not json"),
        Reply(200, b""),
        Reply(200, b"[" * 100_000),
        Reply(200, b'{"choices": []}'),
        Reply(200, b'{"choices": [{"message": {"content": null}}]}'),
        Reply(200, b'{"error": {"message": "overloaded"}}'),
        Reply(200, b"x" * (2 << 20)),
        Reply(200, completion("late"), before=0.6),
        Reply(200, completion("slow" * 50), trickle=0.02),
        Reply(dropped=True),
    ],
    ids=[
        "500", "503", "408", "429", "no json", "empty", "deep", "no choice", "no text", "error body", "huge",
        "time-out", "trickle", "dropped",
    ],
)  # fmt: skip
def test_passing_failures_are_tried_again(server: ChatServer, reply: Reply) -> None:
    server.script = in_turn(reply, reply)
    options = EndpointSettings(server.url, "tiny", timeout=0.3, backoff=FAST)
    with EndpointChat(options) as chat:
        assert dict(chat.answers(questions(1), 50)) == {0: Answer("at last", True, 7, 3)}
        assert chat.retries == 2
    assert len(server.requests) == 3


def test_failures_that_do_not_pass_are_told_after_the_last_try(server: ChatServer) -> None:
    server.script = lambda number, request: Reply(500, b"out of\nmemory <s>")
    with pytest.raises(ChatError, match="gave up after 4 tries, the last: status 500: out of memory ‹s›"):
        ask(server)
    assert len(server.requests) == 4


def test_waits_grow(server: ChatServer) -> None:
    server.script = in_turn(Reply(500), Reply(500), Reply(500))
    ask(server, backoff=Backoff(first=0.1, longest=5.0, tries=4))
    moments = [request.moment for request in server.requests]
    waits = [after - before for before, after in pairwise(moments)]
    for wait, least in zip(waits, (0.05, 0.1, 0.2), strict=True):
        assert wait >= least


def test_retry_after_holds_all_threads_back(server: ChatServer) -> None:
    """The first request is told to come back in a second; before that only those under way are sent."""
    server.script = lambda number, request: (
        Reply(429, headers=(("Retry-After", "1"),)) if number == 0 else Reply(body=completion("yes"), before=0.05)
    )
    answers = ask(server, count=8, concurrency=2)
    assert len(answers) == 8
    begin = server.requests[0].moment
    early = [request for request in server.requests if request.moment < begin + 1.0]
    assert len(early) <= 3
    assert len(server.requests) == 9


def test_a_server_that_asks_for_too_long_a_wait_is_given_up(server: ChatServer) -> None:
    server.script = lambda number, request: Reply(429, b"quota", headers=(("Retry-After", "3600"),))
    begin = time.monotonic()
    with pytest.raises(ChatError, match="asks to wait 3600 s, and at most 5 s were allowed"):
        ask(server)
    assert time.monotonic() - begin < 2
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 301])
def test_refusals_are_not_tried_again(server: ChatServer, monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    monkeypatch.setenv("TINY_KEY", "secret")
    server.script = lambda number, request: Reply(status, b"bad key", headers=(("Location", "/elsewhere"),))
    with pytest.raises(ChatError, match=f"refuses, status {status}: bad key") as error:
        ask(server, key_variable="TINY_KEY")
    assert ("'TINY_KEY'" in str(error.value)) == (status in (401, 403))
    assert "secret" not in str(error.value)
    assert len(server.requests) == 1


def test_an_address_where_nothing_ever_answered_is_told_at_once(server: ChatServer) -> None:
    server.close()
    try:
        with (
            EndpointChat(EndpointSettings(server.url, "tiny", backoff=Backoff(first=60.0))) as chat,
            pytest.raises(ChatError, match=r"127\.0\.0\.1.*nothing answers there .*: start the server, or mend"),
        ):
            list(chat.answers(questions(3), 50))
        assert chat.retries == 0
    finally:
        server.__init__()  # type: ignore[misc]  # for the fixture to close


def test_a_server_that_was_there_is_tried_again_and_named(server: ChatServer) -> None:
    with EndpointChat(EndpointSettings(server.url, "tiny", backoff=FAST)) as chat:
        list(chat.answers(questions(1), 50))
        server.close()
        try:
            chat._client.close()
            chat._client = httpx.Client()  # a connection that was kept would be read first
            with pytest.raises(ChatError, match=r"127\.0\.0\.1.*gave up after 4 tries, the last: ConnectError"):
                list(chat.answers(questions(1), 50))
        finally:
            server.__init__()  # type: ignore[misc]  # for the fixture to close


def test_requests_under_way_are_bounded(server: ChatServer) -> None:
    server.script = lambda number, request: Reply(body=completion(request.question), before=0.1)
    answers = ask(server, count=12, concurrency=3)
    assert {place: answer.text for place, answer in answers.items()} == {n: f"question {n}" for n in range(12)}
    assert server.most_at_a_time == 3


def test_a_refusal_ends_the_run_but_keeps_what_was_under_way(server: ChatServer) -> None:
    def script(number: int, request: Request) -> Reply:
        refused = request.question == "question 0"
        return Reply(400, b"no") if refused else Reply(body=completion("paid for"), before=0.3)

    server.script = script
    got: dict[int, Answer] = {}
    with EndpointChat(EndpointSettings(server.url, "tiny", concurrency=3, backoff=FAST)) as chat:
        with pytest.raises(ChatError, match="refuses"):
            got.update(chat.answers(questions(50), 50))
        assert 1 <= len(got) <= 4
        assert len(server.requests) <= 5
        server.script = in_turn()
        assert dict(chat.answers(questions(1), 50))[0].text == "at last"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"base_url": "localhost:8000"}, "base_url must start with http"),
        ({"concurrency": 0}, "concurrency must be at least 1, got 0"),
        ({"timeout": 0.0}, "timeout must be above 0 seconds, got 0.0"),
        ({"body": {"messages": []}}, "body must not set messages"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EndpointSettings(**{"base_url": "http://localhost", "model": "tiny", **settings})


def test_a_key_that_is_not_set_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TINY_KEY", raising=False)
    with pytest.raises(ValueError, match="variable 'TINY_KEY', which is not set: set it by `export TINY_KEY"):
        EndpointChat(EndpointSettings("http://localhost", "tiny", key_variable="TINY_KEY"))


def test_backoff_and_retry_after() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert retry_after(format_datetime(now + timedelta(seconds=90), usegmt=True), now) == 90
    assert retry_after(format_datetime(now - timedelta(seconds=90), usegmt=True), now) == 0
    assert [retry_after(value) for value in ("-3", "nan", "inf", "", "1.5")] == [0, None, None, None, 1.5]
    assert Backoff(first=1, longest=5).wait(1, 0.0) == 0.5
    with pytest.raises(ValueError, match="0 < first <= longest"):
        Backoff(first=2, longest=1)


def test_cost_is_tokens_times_prices() -> None:
    usage = Usage()
    usage.add(Answer("", True, 1_000_000, 10))
    usage.add(Answer("", True, None, None))
    assert usage.report(Prices(2.0, 1e5)) == (
        "2 answers, 1,000,000 tokens read, 10 written, tokens of 1 answers not told, cost 3.0000"
    )
    with pytest.raises(ValueError, match="must not be below 0"):
        Prices(-1, 0)


def test_nothing_is_asked_twice(server: ChatServer, tmp_path: Path) -> None:
    with EndpointChat(EndpointSettings(server.url, "tiny")) as chat:
        first = CachedChat(chat, AnswerCache(tmp_path))
        same = questions(3) + questions(2)
        assert {place: answer.text for place, answer in first.answers(same, 50)} == {
            place: f"question {place % 3}" for place in range(5)
        }
        assert len(server.requests) == 3
        second = CachedChat(chat, AnswerCache(tmp_path))
        assert len(dict(second.answers(questions(4), 50))) == 4
        assert len(server.requests) == 4
        assert (second.known.answers, second.asked.answers, second.known.prompt_tokens) == (3, 1, 21)
        # Another limit of tokens may bring another answer, and so may another model.
        assert len(dict(second.answers(questions(1), 51))) == 1
        assert len(server.requests) == 5
        # And so may a form, whatever its place among the questions.
        assert len(dict(second.answers(questions(2), 51, [{"type": "object"}, {"type": "array"}]))) == 2
        assert len(dict(second.answers(questions(1), 51, [{"type": "object"}]))) == 1
        assert len(server.requests) == 7
    other = EndpointChat(EndpointSettings(server.url, "large"))
    keys = {request_key(chat.identity, questions(1)[0], limit) for chat in (chat, other) for limit in (50, 51)}
    other.close()
    assert len(keys) == 4


@pytest.mark.parametrize("content", ["", "{", "[]", '{"text": 1}', '{"text": "x", "finished": 1}'])
def test_a_damaged_file_of_the_cache_is_named(tmp_path: Path, content: str) -> None:
    cache = AnswerCache(tmp_path)
    cache.put("ab" * 32, Answer("x", True, None, None))
    [file] = tmp_path.rglob("*.json")
    file.write_text(content)
    with pytest.raises(ValueError, match="delete the file to ask again"):
        cache.get("ab" * 32)


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    cache = AnswerCache(tmp_path)
    with pytest.raises(TypeError):
        cache.put("ab" * 32, Answer(object(), True, None, None))  # type: ignore[arg-type]
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert cache.get("ab" * 32) is None


KILLED = """
import sys
from pathlib import Path
from personagym_agents.llm.answer_cache import AnswerCache, CachedChat
from personagym_agents.llm.chat import Message
from personagym_agents.llm.endpoint import EndpointChat, EndpointSettings

url, folder = sys.argv[1:]
asked = [(Message("system", "Repeat."), Message("user", f"question {number}")) for number in range(8)]
with EndpointChat(EndpointSettings(url, "tiny", concurrency=1)) as chat:
    for place, answer in CachedChat(chat, AnswerCache(Path(folder))).answers(asked, 50):
        print(place, flush=True)
"""


def test_a_killed_run_goes_on_where_it_was(server: ChatServer, tmp_path: Path) -> None:
    """The server holds the fourth request until the run is killed: three answers are on disk, five are asked for."""
    hold = threading.Event()

    def script(number: int, request: Request) -> Reply:
        if number == 3:
            hold.wait(30)
        return Reply(body=completion(request.question))

    server.script = script
    run = subprocess.Popen([sys.executable, "-c", KILLED, server.url, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert run.stdout is not None
    assert [run.stdout.readline() for _ in range(3)] == ["0\n", "1\n", "2\n"]
    run.send_signal(signal.SIGKILL)
    run.communicate()
    hold.set()
    server.requests.clear()
    server.script = in_turn()
    with EndpointChat(EndpointSettings(server.url, "tiny")) as chat:
        cached = CachedChat(chat, AnswerCache(tmp_path))
        answers = dict(cached.answers(questions(8), 50))
    assert [answers[place].text for place in range(3)] == ["question 0", "question 1", "question 2"]
    assert {request.question for request in server.requests} == {f"question {number}" for number in range(3, 8)}
    assert (cached.known.answers, cached.asked.answers) == (3, 5)


def test_profiles_are_written_over_http(
    server: ChatServer, make_dataset: Callable[..., Dataset], tmp_path: Path
) -> None:
    """The whole way, against a server that fails, babbles and talks too much before it answers as it should."""
    data = make_dataset(n_users=4, n_items=40, per_user=12)
    good = json.dumps(
        {"activity": "average", "rating": "fair", "conformity": "moderate", "diversity": "varied", "taste": "Dreams.",
         "claims": ["loves genre 0", "hates genre 0"]}
    )  # fmt: skip
    bad = (
        Reply(429, headers=(("Retry-After", "0"),)),
        Reply(500),
        Reply(body=b"<html>"),
        Reply(body=completion("As a language model I cannot answer.")),
        Reply(body=completion("{" + "blah " * 500)),
        Reply(body=completion(good.replace("Dreams.", "dreams " * 100))),
    )
    server.script = lambda number, request: bad[number] if number < len(bad) else Reply(body=completion(good))
    display = RecordingDisplay()
    with open_chat("tiny", base_url=server.url, concurrency=2) as chat:
        book = profile_users(
            data,
            data.interactions,
            chat,
            ReflectionSettings(folds=0),
            place=tmp_path / "profiles.json",
            prices=Prices(1.0, 2.0),
            context=RunContext(tmp_path / "cache", display=display),
        )
        assert isinstance(chat, EndpointChat)
        assert chat.retries == 3
    assert all(profile is not None for profile in book.whole)
    assert book.counts["answers malformed"] == 2
    assert book.counts["answers too long"] == 1
    assert book.counts["questions given up"] == 0
    assert book.counts["claims ungrounded"] >= 4
    # Two batches and a profile of each of 4 users; the notes are all alike, so the profiles are one question.
    assert {name: (bar.done, bar.total) for name, bar in display.bars.items()} == {
        "ratings": (8, 8),
        "profiles": (4, 4),
    }
    assert display.lines[0].startswith("asked: 12 answers, 84 tokens read, 36 written, cost 0.0002")


def test_reasons_are_written_over_http_by_the_command(
    server: ChatServer, make_dataset: Callable[..., Dataset], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that fails and babbles first; a second run of the command asks it nothing."""
    data = make_dataset(n_users=4, n_items=40, per_user=15)
    monkeypatch.setattr(command_data, "load_dataset", lambda source: data)

    def script(number: int, request: Request) -> Reply:
        bad = (Reply(429, headers=(("Retry-After", "0"),)), Reply(500), Reply(body=completion("No.")))
        if number < len(bad):
            return bad[number]
        rows = json.loads(request.question)
        return Reply(body=completion(json.dumps({"reasons": [f"Took {row['title']}." for row in rows]})))

    server.script = script
    train = temporal_split(data.interactions).train
    options = ["--output", "reasons.jsonl", "--model", "tiny", "--base-url", server.url, "--concurrency", "2"]
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        tyro.cli(ReasonsCommand, args=options).main()
        book = ReasonStore.load(Path("reasons.jsonl"), data)
        titles = [data.catalogue.titles[item] for item in train.items]
        assert book.texts(train) == [f"Took {title}." for title in titles]
        # Two batches of each of 4 users; the third request's answer was none, and two were not answered.
        assert len(server.requests) == 8 + 3
        assert book.counts["answers malformed"] == 1
