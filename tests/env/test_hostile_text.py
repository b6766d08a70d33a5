"""Whatever stands in the names of a data set, people see lines of text, one for each thing, and nothing else."""

import csv
import io
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from rich.console import Console

from fixtures.hostile import TITLES, hostile_texts, with_text_everywhere, with_title
from personagym_env import PersonaRecEnv, make_world
from personagym_env.data.sources import load_dataset
from personagym_env.data.tables import Catalogue, Dataset
from personagym_env.evaluation.reporting.markdown import markdown
from personagym_env.evaluation.reporting.table import Cell, Column, Row, Table, name_column
from personagym_env.evaluation.reporting.terminal import rich_table
from personagym_env.text import one_line
from personagym_env.vector_env import PersonaRecVectorEnv

SLATE = 3
STAY = {"leaving": {"intercept": -1000.0, "satisfaction_weight": 0.0, "duration_weight": 0.0}}


def commands(text: str) -> set[str]:
    """Characters that a terminal could obey or that show text at another place than it stands."""
    directions = "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    return {c for c in text if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") or c in directions} - {"\n"}


@pytest.fixture(scope="module")
def tiny(make_dataset: Callable[..., Dataset]) -> Dataset:
    return make_dataset(n_users=3, n_items=12, per_user=6)


@pytest.fixture(scope="module")
def tiny_agent(make_agent: Callable[..., Any]) -> Any:
    return make_agent(3, 12, choice_probability=0.9)


def shown(dataset: Dataset, agent: Any) -> list[str]:
    """What a step and a start of a session are rendered as."""
    env = PersonaRecEnv(make_world(dataset, agent, parameters=STAY), SLATE, render_mode="ansi")
    env.reset(seed=1, options={"user": 0})
    start = env.render()
    env.step(np.array([0, 1, 2]))
    step = env.render()
    assert isinstance(start, str)
    assert isinstance(step, str)
    return [start, step]


@settings(max_examples=60, deadline=None)
@given(text=hostile_texts)
def test_an_episode_is_shown_line_by_line(tiny: Dataset, tiny_agent: Any, text: str) -> None:
    start, step = shown(with_text_everywhere(tiny, text), tiny_agent)
    taken = "nothing taken" in step
    assert (start.count("\n"), step.count("\n")) == (1, 1 + SLATE + taken)
    assert len(step.splitlines()) == step.count("\n") + 1
    assert not commands(start + step)
    assert max(map(len, step.splitlines())) < 400


@pytest.mark.parametrize("title", TITLES, ids=lambda title: ascii(title)[:20])
def test_a_title_changes_its_own_line_alone(tiny: Dataset, tiny_agent: Any, title: str) -> None:
    lines, usual = (shown(data, tiny_agent)[1].splitlines() for data in (with_title(tiny, 1, title), tiny))
    assert [place for place, (one, other) in enumerate(zip(lines, usual, strict=True)) if one != other] == [2]
    assert lines[2].startswith("   2. ")
    assert lines[2].split("want")[1:] == usual[2].split("want")[1:]


def test_a_title_that_nobody_sees_is_called_by_its_id(tiny: Dataset, tiny_agent: Any) -> None:
    assert " 2. i1 " in shown(with_title(tiny, 1, "\u200b\u202e"), tiny_agent)[1]


@settings(max_examples=25, deadline=None)
@given(text=hostile_texts)
def test_a_card_commands_nothing(tiny: Dataset, tiny_agent: Any, text: str) -> None:
    world = make_world(with_text_everywhere(tiny, text[:200]), replace(tiny_agent, name=text[:200]))
    card = world.card()
    assert not commands(card.to_text())
    assert len(card.title.splitlines()) == 1
    assert not commands(repr(world) + repr(world.dataset))


def test_vector_rows_are_shown_line_by_line(tiny: Dataset, tiny_agent: Any) -> None:
    for text in TITLES:
        env = PersonaRecVectorEnv(
            make_world(with_text_everywhere(tiny, text), tiny_agent), 2, SLATE, render_mode="ansi"
        )
        env.reset(seed=1)
        frames = env.render()
        assert frames is not None
        assert len(frames) == 2
        assert all(frame.count("\n") == 1 and not commands(frame) for frame in map(str, frames))


def test_catalogues_keep_what_the_source_says(tiny: Dataset) -> None:
    catalogue: Catalogue = with_title(tiny, 1, "a\n\x1bb").catalogue
    assert catalogue.titles[1] == "a\n\x1bb"


@pytest.mark.parametrize("text", [text for text in TITLES if len(text) < 100], ids=lambda text: ascii(text)[:20])
def test_tables_have_a_line_for_each_row(text: str) -> None:
    def lines(name: str) -> tuple[list[str], list[str]]:
        rows = [Row((Cell(name), Cell(0.5))), Row((Cell("usual"), Cell(0.25)))]
        table = Table.plain(f"of {name}", (name_column("name"), Column("value", "value")), rows)
        console = Console(width=400, file=io.StringIO(), record=True)
        console.print(rich_table(table))
        return console.export_text().splitlines(), markdown(table).splitlines()

    shown, usual = lines(text), lines("name")
    assert [len(one) for one in shown] == [len(one) for one in usual]
    assert not commands("".join(shown[0] + shown[1]))


@pytest.mark.parametrize("text", TITLES, ids=lambda text: ascii(text)[:20])
def test_a_column_name_moves_nothing_and_is_told_as_one_line(tmp_path: Path, text: str) -> None:
    name = text.encode("utf-8", "replace").decode().replace("\0", "0")  # what a file of text can hold

    def read(*columns: str) -> Dataset:
        path = tmp_path / "ratings.csv"
        rows = [(user, item, 1 + (user * item) % 5, 100 + item, "x") for user in range(4) for item in range(5)]
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([columns, *rows])
        return load_dataset(tmp_path)

    usual, other = (read("userId", "movieId", "rating", "timestamp", one).interactions for one in ("more", name))
    np.testing.assert_array_equal(usual.ratings, other.ratings)
    np.testing.assert_array_equal(usual.items, other.items)
    with pytest.raises(ValueError, match=r"ratings\.csv") as refused:
        read("userId", name, "rating", "timestamp", "more")
    told = one_line(str(refused.value))
    assert len(told.splitlines()) == 1
    assert not commands(told)
    assert len(told) < 2_000
