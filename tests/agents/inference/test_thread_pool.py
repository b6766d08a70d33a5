"""Passes side by side give what they give one after the other, and leave torch's threads as they were."""

import multiprocessing
import pickle
import threading
from collections.abc import Callable, Iterator
from functools import partial, partialmethod
from typing import Any

import cloudpickle
import numpy as np
import pytest
import torch

from personagym_agents.inference import engine
from personagym_agents.inference.language_users import LanguageUserAgent
from personagym_agents.inference.thread_pool import side_by_side
from personagym_env.data.tables import FloatArray


@pytest.fixture
def three_threads() -> Iterator[None]:
    """More threads than there may be cores: what matters is that they differ from one."""
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def answers(agent: LanguageUserAgent) -> FloatArray:
    """(12, n, k) wants of slates, an item of each being consumed, until the documents outgrow what was first stored."""
    rng, rows = np.random.default_rng(0), np.arange(9)
    agent.population = agent.population._replace(pass_size=12)  # type: ignore[misc]
    sessions = agent.open(len(rows))
    sessions.start(rows, rows % agent.n_users)
    wants = []
    for _ in range(12):
        slates = np.stack([rng.permutation(agent.n_items)[:4] for _ in rows])
        wants.append(sessions.react(rows, slates).choice_probability)
        sessions.consume(rows, slates[:, 1], np.zeros(len(rows), np.int64))
    assert sessions.cached_tokens.max() > 128
    return np.stack(wants)


@pytest.mark.parametrize("adapted", [False, True])
def test_answers_do_not_depend_on_the_number_of_threads(
    make_language_agent: Callable[..., LanguageUserAgent], three_threads: None, *, adapted: bool
) -> None:
    agent = make_language_agent(adapted=adapted)
    together = answers(agent)
    torch.set_num_threads(1)
    np.testing.assert_allclose(together, answers(agent), atol=1e-6)


def test_users_can_be_sent_to_other_processes(make_language_agent: Callable[..., LanguageUserAgent]) -> None:
    agent = make_language_agent(adapted=True)
    np.testing.assert_allclose(answers(pickle.loads(cloudpickle.dumps(agent))), answers(agent), atol=1e-6)


def test_jobs_have_a_thread_each_without_gradients_and_answer_in_order(three_threads: None) -> None:
    meeting = threading.Barrier(3, timeout=60)  # breaks unless the three are under way at once

    def job(number: int) -> tuple[int, int, bool]:
        meeting.wait()
        return number, torch.get_num_threads(), torch.is_grad_enabled()

    for _ in range(2):
        assert side_by_side([partial(job, number) for number in range(3)]) == [(n, 1, False) for n in range(3)]
        assert torch.get_num_threads() == 3
    assert side_by_side([torch.get_num_threads]) == [3]
    assert side_by_side([torch.get_num_threads], shared=False) == [1]
    assert torch.get_num_threads() == 3


@pytest.mark.parametrize(("shared_from", "threads"), [(engine.SHARED_FROM, 1), (0, 3)])
def test_a_lone_pass_is_shared_among_threads_if_it_is_large(
    make_language_agent: Callable[..., LanguageUserAgent],
    three_threads: None,
    monkeypatch: pytest.MonkeyPatch,
    shared_from: int,
    threads: int,
) -> None:
    monkeypatch.setattr(engine, "SHARED_FROM", shared_from)
    agent, row = make_language_agent(), np.zeros(1, np.int64)
    seen = set()
    watch = agent.population.model.base_model.register_forward_pre_hook(lambda *_: seen.add(torch.get_num_threads()))
    sessions = agent.open(1)
    sessions.start(row, row)
    for _ in range(2):
        sessions.react(row, np.array([[0, 1, 2]]))
    watch.remove()
    assert seen == {threads}
    assert torch.get_num_threads() == 3


def test_what_is_short_is_not_shared_among_threads(
    make_language_agent: Callable[..., LanguageUserAgent], three_threads: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Copies and sums that take microseconds, and milliseconds where threads have to wait for a processor."""
    seen: list[int] = []

    def watched(whole: Callable[..., Any], *parts: Any, **named: Any) -> Any:
        seen.append(torch.get_num_threads())
        return whole(*parts, **named)

    monkeypatch.setattr(engine.PackedPass, "keep", partialmethod(partial(watched, engine.PackedPass.keep)))
    monkeypatch.setattr(torch, "softmax", partial(watched, torch.softmax))
    row = np.zeros(1, np.int64)
    sessions = make_language_agent().open(1)
    sessions.start(row, row)
    sessions.react(row, np.array([[0, 1, 2]]))
    sessions.consume(row, row, row)
    assert seen == [1, 1, 1]


def test_an_error_of_a_job_is_told(three_threads: None) -> None:
    with pytest.raises(ZeroDivisionError):
        side_by_side([lambda: 1 // 0, lambda: 1])


def test_a_forked_process_has_threads_of_its_own(three_threads: None) -> None:
    assert side_by_side([lambda: 1, lambda: 2]) == [1, 2]
    child = multiprocessing.get_context("fork").Process(target=side_by_side, args=([lambda: 1, lambda: 2],))
    child.start()
    child.join(60)
    assert child.exitcode == 0


@pytest.mark.parametrize(
    ("rows", "sizes"), [(9, [3, 3, 3]), (6, [2, 2, 2]), (3, [1, 1, 1]), (2, [1, 1]), (10, [3, 3, 3, 1])]
)
def test_rows_are_dealt_to_threads(
    make_language_agent: Callable[..., LanguageUserAgent], three_threads: None, rows: int, sizes: list[int]
) -> None:
    agent = make_language_agent()
    agent.population = agent.population._replace(pass_size=12)  # type: ignore[misc]
    blocks = agent.open(rows).row_blocks(rows, 4)
    assert [block.stop - block.start for block in blocks] == sizes
    agent.population = agent.population._replace(pass_size=16)  # type: ignore[misc]
    assert [block.stop - block.start for block in agent.open(rows).row_blocks(2, 4)] == [2]
