"""Dual memory: disagreement finds circles of taste that agreement alone misses; without circles there is nothing."""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from fixtures.display import RecordingDisplay
from fixtures.planted_log import planted
from personagym_agents.llm.chat import Answer, Conversation
from personagym_agents.variants.dual_memory import MemorySettings, fit_dual_memory, form_memories
from personagym_agents.variants.dual_memory_text import Encounter, TextMemories
from personagym_env.data.splits import temporal_split
from personagym_env.data.tables import Dataset
from personagym_env.run_context import RunContext

USERS, ITEMS, ROWS = 80, 60, 16


@cache
def world(*, circles: bool) -> Dataset:
    """Users take items of their own half of the catalogue, or any; genres cut across the halves and mislead."""
    rng = np.random.default_rng(5)
    genre = np.arange(ITEMS) // 2 % 2
    half = (np.arange(ITEMS) + genre) % 2
    own = [np.flatnonzero(half == user % 2) if circles else np.arange(ITEMS) for user in range(USERS)]
    drawn = [rng.permutation(items)[:ROWS] for items in own]
    return planted(np.repeat(np.arange(USERS), ROWS), np.concatenate(drawn), np.full(USERS * ROWS, 4.0), genre)


def found(dataset: Dataset, settings: MemorySettings) -> float:
    """Chance that a user's memory prefers a late item of its own to an item that it never took."""
    train, late = temporal_split(dataset.interactions)
    memories = form_memories(train, dataset.catalogue, settings)
    scores = memories.scores(memories.users)
    rng = np.random.default_rng(0)
    others = rng.integers(0, ITEMS, (len(late), 40))
    fair = ~dataset.interactions.contains(late.users[:, None], others)
    gap = scores[late.users, late.items][:, None] - scores[late.users[:, None], others]
    return float(((gap > 0) + 0.5 * (gap == 0))[fair].mean())


def test_disagreement_finds_circles_that_agreement_alone_misses() -> None:
    core, agreeing = (found(world(circles=True), one) for one in (MemorySettings(), MemorySettings().agreeing()))
    assert core > 0.75  # 14 of 30 items of the own half are no alternatives, so a clairvoyant is far from 1
    assert core > agreeing + 0.05


def test_without_circles_nothing_is_found() -> None:
    assert abs(found(world(circles=False), MemorySettings()) - 0.5) < 0.08


def test_a_session_moves_what_is_chosen_towards_what_was_taken() -> None:
    dataset = world(circles=True)
    agent = fit_dual_memory(dataset, dataset.interactions)
    sessions, row, slate = agent.open(1), np.zeros(1, np.int64), np.array([[0, 1]])
    sessions.start(row, row)  # item 0 is of the user's half, item 1 of the other
    before = sessions.react(row, slate).choice_probability[0]
    assert before[0] > before[1]
    for item in range(2, ITEMS):
        if (item + item // 2) % 2 == 0:
            continue
        sessions.consume(row, np.array([item]), np.array([3]))
    after = sessions.react(row, slate).choice_probability[0]
    assert after[1] - before[1] > 0.05
    assert fit_dual_memory(dataset, dataset.interactions, core=False).name == "dual-memory, agreeing"


class GenreChat:
    """Chooses the item whose memory shares a word with the person's, the first if none does; remembers the years."""

    identity: Mapping[str, object] = {"scripted": True}

    def __init__(self, *, rubbish: bool = False) -> None:
        self.rubbish = rubbish

    def answers(self, conversations: Sequence[Conversation], max_tokens: int) -> Iterator[tuple[int, Answer]]:
        """See `ChatModel.answers`."""
        for place, (_, data) in enumerate(conversations):
            told = json.loads(data.content)
            yield place, Answer("I cannot say." if self.rubbish else json.dumps(self.reply(told)), True, 9, 3)

    def reply(self, told: dict[str, object]) -> dict[str, object]:
        """To either question."""
        words = set(str(told["person"]).split())
        if isinstance(told.get("items"), list):
            shared = [bool(words & set(item["memory"].split())) for item in told["items"]]  # type: ignore[attr-defined]
            return {"choice": 1 + (shared.index(True) if any(shared) else 0)}
        taken, other = (dict(told[name])["memory"] for name in ("taken", "other"))  # type: ignore[call-overload]
        return {"person": f"likes {str(taken).split()[-1]}", "taken": taken, "other": other}


def text_memories(chat: GenreChat, folder: Path) -> TextMemories:
    genre = np.arange(8) % 2
    dataset = planted(np.array([0, 1]), np.array([0, 1]), np.full(2, 4.0), genre)
    return TextMemories(dataset.catalogue, 2, chat, RunContext(folder, display=RecordingDisplay()))


ROUNDS = [[Encounter(0, 1, 0), Encounter(1, 2, 3)], [Encounter(0, 5, 4), Encounter(1, 6, 7)]]


def test_texts_are_revised_until_they_choose_what_was_taken(tmp_path: Path) -> None:
    memories = text_memories(GenreChat(), tmp_path)
    assert memories.live(ROUNDS[0]) == [False, False]
    assert memories.users == ["likes 1", "likes 0"]
    assert memories.choose(ROUNDS[1]) == [True, True]
    assert memories.counts["wrong"] == 2


def test_answers_that_cannot_be_read_change_nothing(tmp_path: Path) -> None:
    memories = text_memories(GenreChat(rubbish=True), tmp_path)
    known = list(memories.items)
    assert memories.live(ROUNDS[0]) == [None, None]
    assert memories.users == ["", ""]
    assert memories.items == known
    assert memories.counts["questions given up"] == 4


def test_a_round_has_everybody_once(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="every item may stand in one encounter"):
        text_memories(GenreChat(), tmp_path).live([Encounter(0, 0, 1), Encounter(1, 3, 1)])
