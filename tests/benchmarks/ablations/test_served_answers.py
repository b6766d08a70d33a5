"""A server beside the same weights here: what is compared, and a server that does not start."""

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from ablations import served_answers
from ablations.results import ServedAnswers
from fixtures.chat_server import ChatServer, Reply, Request, completion
from personagym_agents.llm.answer_chances import LocalAnswers
from personagym_agents.llm.chat import Message
from personagym_agents.llm.prompted_users import PromptedUsers

RATINGS = [str(rating) for rating in range(1, 6)]


def test_both_are_asked_the_same_and_the_largest_difference_is_told(
    prompted_users: PromptedUsers,
    server: ChatServer,
    small_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    local = prompted_users.model
    assert isinstance(local, LocalAnswers)

    def reply(number: int, request: Request) -> Reply:
        """What the model here says, the first rating twice as likely."""
        asked = tuple(Message(**message) for message in request.body["messages"])
        chances = local.chances([asked], RATINGS)[0] * np.array([2, 1, 1, 1, 1]) / 4
        top = [{"token": word, "logprob": math.log(chance)} for word, chance in zip(RATINGS, chances, strict=True)]
        body = json.loads(completion("1"))
        body["choices"][0]["logprobs"] = {"content": [{**top[0], "top_logprobs": top}]}
        return Reply(body=json.dumps(body).encode())

    @contextmanager
    def running(program: Path, weights: Path) -> Iterator[str]:
        assert (program.name, weights.name) == ("llama-server", "tiny.gguf")
        yield server.url

    server.script = reply
    monkeypatch.setattr(served_answers, "served", running)
    monkeypatch.setattr(served_answers, "load_base", lambda name: (local.model, local.tokenizer))
    output = tmp_path / "served_answers.json"
    served_answers.main(
        served_answers.Args(
            server=Path("llama-server"), gguf=Path("tiny.gguf"), dataset=str(small_folder), prompts=3, output=output
        )
    )
    found = ServedAnswers.load(output)
    assert (found.prompts, len(server.requests), found.prompt_tokens) == (3, 3, 21)
    # Log p of the first becomes log 2p / (1 + p), which rises by at most log 2.
    assert 0 < found.mean_chance < found.largest_chance
    assert found.largest_log == pytest.approx(math.log(2), abs=0.35)


def test_a_server_that_ends_is_told() -> None:
    with (
        pytest.raises(ValueError, match=r"the server ended with status 1 before it was ready"),
        served_answers.served(Path("false"), Path("tiny.gguf")),
    ):
        pass
