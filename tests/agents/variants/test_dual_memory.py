"""Dual memory: disagreement finds circles of taste that agreement alone misses; without circles there is nothing."""

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from fixtures.display import RecordingDisplay
from fixtures.genre_model import GenreModel
from fixtures.planted_log import planted
from personagym_agents.llm.chat import Answer, Conversation, Form
from personagym_agents.variants.dual_memory import MemorySettings, fit_dual_memory, form_memories
from personagym_agents.variants.dual_memory_text import LONGEST, Encounter, TextMemories
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


def text_memories(model: GenreModel, folder: Path, *, disagreeing: bool = True) -> TextMemories:
    genre = np.arange(8) % 2
    dataset = planted(np.array([0, 1]), np.array([0, 1]), np.full(2, 4.0), genre)
    context = RunContext(folder, display=RecordingDisplay())
    return TextMemories(dataset.catalogue, 2, model, model, context, disagreeing=disagreeing)


ROUNDS = [[Encounter(0, 1, 0), Encounter(1, 2, 3)], [Encounter(0, 5, 4), Encounter(1, 6, 7)]]


def test_texts_are_revised_until_they_lead_to_what_was_taken(tmp_path: Path) -> None:
    memories = text_memories(GenreModel(), tmp_path)
    # Who remembers nothing takes the first of either order, which is neither.
    assert memories.live(ROUNDS[0]) == pytest.approx([0.5, 0.5])
    assert memories.users == ["likes 1", "likes 0"]
    assert memories.choose(ROUNDS[1]) == pytest.approx([0.9, 0.9])
    assert memories.counts["wrong"] == 2
    assert memories.counts["choices asked"] == 8


def test_the_twin_reflects_on_right_choices_alone(tmp_path: Path) -> None:
    model = GenreModel()
    memories = text_memories(model, tmp_path, disagreeing=False)
    memories.live(ROUNDS[0])
    assert model.asked == []
    assert memories.users == ["", ""]
    memories.users[0] = "likes 1"
    memories.live(ROUNDS[1])
    assert model.asked == ["the person", "the item taken", "the other item"]


def test_answers_without_a_text_change_nothing(tmp_path: Path) -> None:
    memories = text_memories(GenreModel(silent=True), tmp_path)
    known = list(memories.items)
    memories.live(ROUNDS[0])
    assert memories.users == ["", ""]
    assert memories.items == known
    assert memories.counts["questions given up"] == 6


def test_a_long_memory_is_cut_where_everybody_can_see_it(tmp_path: Path) -> None:
    class Talker(GenreModel):
        def answers(
            self, conversations: Sequence[Conversation], max_tokens: int, forms: Sequence[Form] | None = None
        ) -> Iterator[tuple[int, Answer]]:
            for place in range(len(conversations)):
                yield place, Answer("<b>likes</b> it " * 100, finished=False, prompt_tokens=9, completion_tokens=80)

    memories = text_memories(Talker(), tmp_path)
    memories.live(ROUNDS[0])
    assert len(memories.users[0]) <= LONGEST
    assert memories.users[0].endswith(" ...")
    assert "<" not in memories.users[0]


def test_a_round_has_everybody_once(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="every item may stand in one encounter"):
        text_memories(GenreModel(), tmp_path).live([Encounter(0, 0, 1), Encounter(1, 3, 1)])
