"""Prompted users on held-out rows: what is asked and counted, and that both probes find what moves an answer."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from ablations import chat_users
from ablations.results import ChatUsers
from personagym_agents.llm.answer_chances import prompted_ratings
from personagym_agents.llm.chat import Conversation
from personagym_agents.llm.prompted import Asked
from personagym_agents.llm.prompted_users import PromptedUsers
from personagym_env.data.splits import Split
from personagym_env.data.tables import Dataset, FloatArray

SETTINGS = chat_users.Settings(users=3, per_user=2)
ROWS = SETTINGS.users * SETTINGS.per_user


@pytest.fixture
def agent(prompted_users: PromptedUsers) -> PromptedUsers:
    """With no call counted."""
    return replace(prompted_users, calls=0)


def test_every_question_is_counted_and_floors_stand_beside(
    agent: PromptedUsers, small_data: Dataset, small_split: Split, tmp_path: Path
) -> None:
    found = chat_users.study(agent, small_data, small_split, SETTINGS)
    # A wish and a rating of each row, a rating behind either argument, and a list in two orders.
    assert found.calls == (2 + 2 + 2) * ROWS
    assert [row.name for row in found.rows] == [
        f"chat, {ROWS} held-out rows",
        "bias, the same rows",
        "mf, the same rows",
    ]
    for row in found.rows:
        assert set(row.figures) == {"rmse", "nll"}
        assert row.figures["rmse"].low < row.figures["rmse"].value < row.figures["rmse"].high
    less = next(one for one in found.measurements if (one.setting, one.figure) == ("chat less mf", "RMSE"))
    assert less.interval.value == pytest.approx(
        found.rows[0].figures["rmse"].value - found.rows[2].figures["rmse"].value
    )
    found.save(tmp_path / "chat.json")
    assert ChatUsers.load(tmp_path / "chat.json").calls == found.calls


def test_each_row_is_asked_both_ways_behind_its_own_document(agent: PromptedUsers, small_split: Split) -> None:
    rows = chat_users.Bench(small_split, SETTINGS).rows
    why, why_not = chat_users.both_ways(agent, rows)
    last = Asked(agent.document(int(rows.users[-1])), [agent.lines[rows.items[-1]]])
    for found, argument in ((why, "for"), (why_not, "against")):
        said = prompted_ratings(agent.model, last, (1, 5), argument)
        assert found[-1] == pytest.approx((said @ np.arange(1, 6))[0], abs=1e-4)
    assert np.abs(why - why_not).max() > 1e-4


def listed(question: Conversation) -> list[str]:
    """The items of a list, in the order in which they are shown."""
    shown = question[1].content.partition("The list:\n")[2].partition("\n\n")[0]
    return [line.partition(". ")[2] for line in shown.splitlines()]


Choice = Callable[[Sequence[str]], int]
"""From the items of a list to the place of the one that is taken."""


class Chooser(NamedTuple):
    """A model that takes an item of a list by a rule."""

    choice: Choice

    def chances(self, conversations: Sequence[Conversation], words: Sequence[str]) -> FloatArray:
        """One place has all chances."""
        return np.stack([np.eye(len(words))[self.choice(listed(one))] for one in conversations])


@pytest.mark.parametrize(
    ("choice", "change"),
    [(lambda lines: 0, 2 / chat_users.SHOWN), (lambda lines: lines.index(max(lines)), 0.0)],
    ids=["the first place", "the last by name"],
)
def test_places_tell_who_goes_by_place_from_who_goes_by_item(
    agent: PromptedUsers, small_split: Split, choice: Choice, change: float
) -> None:
    agent = replace(agent, model=Chooser(choice))
    bench = chat_users.Bench(small_split, SETTINGS)
    found = chat_users.places(agent, bench.rows, bench.others)
    items = np.concatenate([bench.rows.items[:, None], bench.others], axis=1)
    if change == 0:
        taken = [max(row, key=lambda item: agent.lines[item]) for row in items]
        np.testing.assert_array_equal(items[np.arange(len(items)), found[:, 0].argmax(axis=1)], taken)
    np.testing.assert_allclose(found.sum(axis=2), 1)
    measured = next(one for one in bench.probe_places(agent) if one.question == "place")
    assert measured.interval.value == pytest.approx(change)
