"""Chances on disk: nothing is asked twice, by nobody who would be answered otherwise, and no file is half of one."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from fixtures.chat_server import FAST, ChatServer, Reply, completion, questions
from personagym_agents.llm import chance_cache
from personagym_agents.llm.answer_chances import EndpointAnswers
from personagym_agents.llm.chance_cache import CachedChances
from personagym_agents.llm.chat import ChatError, Conversation
from personagym_agents.llm.endpoint import EndpointChat, EndpointSettings
from personagym_agents.llm.prompted_users import served_chat_users
from personagym_env.data.splits import Split
from personagym_env.data.tables import Dataset, FloatArray

WORDS = ("1", "2", "3")


class Counting:
    """Gives each question chances of its own, and may fail."""

    def __init__(self, name: str = "counting", fails_after: int | None = None) -> None:
        self.identity = {"model": name}
        self.asked: list[str] = []
        self._fails_after = fails_after

    def chances(self, conversations: Sequence[Conversation], words: Sequence[str]) -> FloatArray:
        """See `AnswerModel.chances`."""
        if self._fails_after is not None and len(self.asked) >= self._fails_after:
            raise ChatError("the server is gone")
        self.asked += [conversation[-1].content for conversation in conversations]
        told = [np.arange(1, len(words) + 1) ** (1 + len(one[-1].content) % 3) for one in conversations]
        return np.array([chances / chances.sum() for chances in told])


def test_nothing_is_asked_twice_and_answers_stay_in_order(tmp_path: Path) -> None:
    model = Counting()
    cached = CachedChances(model, tmp_path / "kept")
    asked = questions(12)
    first = cached.chances([asked[0], asked[11], asked[0]], WORDS)
    np.testing.assert_allclose(first, Counting().chances([asked[0], asked[11], asked[0]], WORDS))
    assert (cached.asked, cached.known) == (2, 1)
    again = CachedChances(model, tmp_path / "kept")
    np.testing.assert_array_equal(again.chances([asked[11], asked[5], asked[0]], WORDS)[[2, 0]], first[:2])
    assert model.asked == ["question 0", "question 11", "question 5"]
    assert again.chances([], WORDS).shape == (0, 3)


def test_other_words_and_other_models_are_asked_anew(tmp_path: Path) -> None:
    model, other = Counting(), Counting("other")
    for one, words in ((model, WORDS), (model, WORDS[:2]), (model, WORDS), (other, WORDS)):
        CachedChances(one, tmp_path).chances(questions(1), words)
    assert len(model.asked) == 2
    assert len(other.asked) == 1


def test_a_run_that_was_cut_off_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chance_cache, "_AT_ONCE", 3)
    with pytest.raises(ChatError, match="gone"):
        CachedChances(Counting(fails_after=6), tmp_path).chances(questions(10), WORDS)
    rest = Counting()
    CachedChances(rest, tmp_path).chances(questions(10), WORDS)
    assert rest.asked == [f"question {number}" for number in range(6, 10)]


@pytest.mark.parametrize("content", [b"", b"[0.2, 0.8]", b"[0.2, 0.2, 0.2]", b'{"1": 1}', b"[null, 0.5, 0.5]"])
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes) -> None:
    CachedChances(Counting(), tmp_path).chances(questions(1), WORDS)
    [place] = tmp_path.rglob("*.json")
    place.write_bytes(content)
    with pytest.raises(ValueError, match=rf"{place.name}: expected .*delete the file to ask again"):
        CachedChances(Counting(), tmp_path).chances(questions(1), WORDS)


@pytest.fixture
def endpoint(server: ChatServer) -> EndpointSettings:
    return EndpointSettings(server.url, "tiny", backoff=FAST)


def test_served_users_ask_no_question_twice(
    server: ChatServer, endpoint: EndpointSettings, small_data: Dataset, small_split: Split, tmp_path: Path
) -> None:
    server.script = lambda number, request: Reply(body=completion("yes" if number % 2 else "3"))
    row, slate = np.array([0]), np.array([[4, 7]])
    answers, calls = [], []
    for _ in range(2):
        sessions = served_chat_users(small_data, small_split.train, endpoint, folder=tmp_path).open(1)
        sessions.start(row, np.array([2]))
        answers.append(sessions.react(row, slate))
        calls.append(len(server.requests))
    assert calls[0] == calls[1] > 0
    for one, other in zip(*answers, strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_decides_chances_is_told(endpoint: EndpointSettings) -> None:
    with EndpointChat(endpoint) as chat:
        few, many = EndpointAnswers(chat, draws=5), EndpointAnswers(chat, draws=50)
        assert few.identity != many.identity
        assert few.identity["model"] == "tiny"
