"""Frozen users: the same answers as live ones before anything is consumed, each pair asked once."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from personagym_agents import load
from personagym_agents.classical.static_cached import StaticCachedUsers
from personagym_agents.inference.engine import LanguageSessions
from personagym_agents.inference.language_users import LanguageUserAgent
from personagym_env.conformance.user_agent import check_user_agent
from personagym_env.data.splits import Split
from personagym_env.data.tables import Dataset, IntArray
from personagym_env.protocols import Reaction


def test_frozen_users_conform(make_language_agent: Callable[..., LanguageUserAgent]) -> None:
    check_user_agent(StaticCachedUsers(make_language_agent()))


def test_answers_are_the_live_ones_and_consuming_changes_nothing(
    make_language_agent: Callable[..., LanguageUserAgent],
) -> None:
    agent = make_language_agent()
    frozen, live = StaticCachedUsers(agent).open(3), agent.open(3)
    rows, users, slates = np.arange(3), np.array([4, 0, 4]), np.array([[1, 2], [3, 4], [2, 7]])
    for sessions in (frozen, live):
        sessions.start(rows, users)
    first, expected = frozen.react(rows, slates), live.react(rows, slates)
    np.testing.assert_allclose(first.choice_probability, expected.choice_probability, atol=1e-6)
    np.testing.assert_allclose(first.rating, expected.rating, atol=1e-6)
    for sessions in (frozen, live):
        sessions.consume(rows, slates[:, 0], np.array([0, 4, 0]))
    again, moved = frozen.react(rows, slates), live.react(rows, slates)
    np.testing.assert_array_equal(first.choice_probability, again.choice_probability)
    assert np.abs(moved.choice_probability - expected.choice_probability).max() > 1e-4, "live users do change"


def test_lines_that_do_not_fit_the_window_are_told(make_language_agent: Callable[..., LanguageUserAgent]) -> None:
    agent = make_language_agent(adapted=False, positions=90)
    live, frozen = agent.open(2), StaticCachedUsers(agent).open(2)
    rows, slates = np.arange(2), np.array([[1, 2], [3, 4]])
    for sessions in (live, frozen):
        sessions.start(rows, np.array([2, 5]))
        sessions.react(rows, slates)
    assert live.dropped_lines.min() > 0
    np.testing.assert_array_equal(frozen.dropped_lines, live.dropped_lines)


def test_users_whose_memory_has_no_end_drop_nothing(small_data: Dataset, small_split: Split) -> None:
    assert not hasattr(StaticCachedUsers(load("bias", small_data, small_split.train)).open(1), "dropped_lines")


def test_a_pair_is_asked_once(
    make_language_agent: Callable[..., LanguageUserAgent], monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = StaticCachedUsers(make_language_agent())
    sessions = agent.open(2)
    sessions.start(np.array([0, 1]), np.array([5, 6]))
    sessions.react(np.array([0, 1]), np.array([[1, 2], [1, 2]]))
    assert agent.known.sum() == 4

    def refuse(*_: object) -> None:
        raise AssertionError("asked again")

    other = agent.open(1)
    monkeypatch.setattr(other._live, "start", refuse)
    other.start(np.array([0]), np.array([6]))
    other.react(np.array([0]), np.array([[2, 1]]))
    with pytest.raises(AssertionError, match="asked again"):
        other.react(np.array([0]), np.array([[2, 3]]))


def test_of_a_slate_only_what_is_unknown_is_asked(
    make_language_agent: Callable[..., LanguageUserAgent], monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = make_language_agent()
    asked: list[tuple[int, int]] = []
    live = LanguageSessions.react

    def counting(sessions: LanguageSessions, rows: IntArray, slates: IntArray) -> Reaction:
        asked.append((slates.shape[0], slates.shape[1]))
        return live(sessions, rows, slates)

    monkeypatch.setattr(LanguageSessions, "react", counting)
    frozen, rows, users = StaticCachedUsers(agent).open(3), np.arange(3), np.array([4, 0, 7])
    frozen.start(rows, users)
    frozen.react(rows, np.array([[1, 2, 3], [3, 4, 5], [6, 7, 8]]))
    slates = np.array([[9, 1, 2], [5, 3, 4], [8, 10, 11]])
    answer = frozen.react(rows, slates)
    assert asked == [(3, 3), (1, 1), (1, 2)]
    expected = agent.open(3)
    expected.start(rows, users)
    monkeypatch.undo()
    np.testing.assert_allclose(answer.choice_probability, expected.react(rows, slates).choice_probability, atol=1e-6)


def test_table_that_does_not_fit_is_refused(small_data: Dataset, small_split: Split) -> None:
    agent = load("bias", small_data, small_split.train)
    with pytest.raises(ValueError, match="table_bytes allows 0 MiB"):
        StaticCachedUsers(agent, table_bytes=1000)
    assert load("frozen:bias", small_data, small_split.train).name == "frozen bias"


def test_answers_on_disk_outlive_the_process(
    make_language_agent: Callable[..., LanguageUserAgent], small_data: Dataset, small_split: Split, tmp_path: Path
) -> None:
    rows, slates = np.array([0, 1]), np.array([[1, 2], [3, 4]])
    answers, known = [], []
    for _ in range(2):
        agent = StaticCachedUsers(make_language_agent(), table_bytes=0, folder=tmp_path / "answers")
        known.append(int(agent.known.sum()))
        sessions = agent.open(2)
        sessions.start(rows, rows)
        answers.append(sessions.react(rows, slates))
    assert known == [0, 4]
    np.testing.assert_array_equal(answers[0].choice_probability, answers[1].choice_probability)
    np.testing.assert_array_equal(answers[0].rating, answers[1].rating)
    others = load("bias", small_data, small_split.train)
    with pytest.raises(ValueError, match="holds the answers of other users than 'bias'"):
        StaticCachedUsers(others, folder=tmp_path / "answers")
    with pytest.raises(ValueError, match="is not empty and holds no table"):
        StaticCachedUsers(others, folder=tmp_path)
