"""The board: known rows, paired differences, breakdowns, seeds, tables, plots, and a trip through JSON."""

from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from rich.console import Console

from personagym_env.data.splits import Split, temporal_split
from personagym_env.data.tables import Dataset
from personagym_env.evaluation.core.negatives import SUFFIX
from personagym_env.evaluation.core.statistics import RatioOfSums, user_resamples
from personagym_env.evaluation.fidelity.board import (
    FidelityBoard,
    FidelityReport,
    Population,
    Resampler,
    make_board,
)
from personagym_env.evaluation.fidelity.breakdowns import by_group, by_history, by_popularity
from personagym_env.evaluation.fidelity.fidelity_test import Answers, FidelityTest
from personagym_env.evaluation.fidelity.plots import MOST, choose_rows, reliability_plot, share_plot
from personagym_env.evaluation.fidelity.tables import fidelity_tables
from personagym_env.evaluation.fidelity.taste import TasteTest
from personagym_env.evaluation.reporting.figures import DISTRIBUTION, RATING, TASTE
from personagym_env.evaluation.reporting.terminal import rich_table

HOSTILE = "<b>[bold]$x_1$"


@pytest.fixture(scope="module")
def split(make_dataset: Callable[..., Dataset]) -> Split:
    return temporal_split(make_dataset(n_users=40, n_items=120, per_user=60).interactions)


@pytest.fixture(scope="module")
def taste(split: Split) -> TasteTest:
    rng = np.random.default_rng(0)
    return TasteTest.draw(FidelityTest.draw(split, rng, 20, kinds=("uniform", "popular")), rng)


def answers(taste: TasteTest, sharpness: float, seed: int = 0) -> Answers:
    """Gives the real rating so much chance, and wants real items by so much more than others."""
    rng = np.random.default_rng(seed)
    test = taste.test.split.test
    ratings = np.full((len(test), 5), (1 - sharpness) / 5)
    ratings[np.arange(len(test)), test.rating_index] += sharpness
    unseen = {kind: rng.random(items.shape) * (1 - sharpness) for kind, items in taste.test.unseen.items()}
    score = np.minimum(rng.random(len(test)) + sharpness, 1)
    return Answers(f"{sharpness}", ratings=ratings, score=score, unseen=unseen, wants=True)


@pytest.fixture(scope="module")
def board(taste: TasteTest, split: Split) -> FidelityBoard:
    floors = [Population(one.name, "floor", (one,)) for one in taste.test.floor_answers()]
    users = [
        Population("oracle", "users", (answers(taste, 1.0),)),
        Population(HOSTILE, "users", tuple(answers(taste, 0.5, seed) for seed in range(3))),
        Population("told nothing", "control", (answers(taste, 0.0),)),
    ]
    groups = np.arange(split.test.n_users) % 2
    rng = np.random.default_rng(1)
    return make_board(
        [*floors, *users],
        taste,
        [by_history(split), by_popularity(split), by_group(split, "persona", ("even", "odd"), groups)],
        [(HOSTILE, "oracle"), ("oracle", "global mean")],
        Resampler(user_resamples(split.test.n_users, 200, rng), rng),
        protocol="temporal",
        description="first 80 %",
        dataset="synthetic",
        leak_test={"oracle": 40},
    )


def test_the_oracle_is_true_in_every_figure(board: FidelityBoard) -> None:
    figures = board.row("oracle").figures
    assert set(RATING) | set(DISTRIBUTION) | set(TASTE) <= set(figures)
    for name in ("rmse", "mae", "nll", "ece", "ece_top", "urr", "ks", "wasserstein"):
        assert figures[name].value == pytest.approx(0, abs=1e-9)
    for suffix in SUFFIX.values():
        assert all(figures[name + suffix].value == pytest.approx(1) for name in TASTE)
    assert figures["low"].value == pytest.approx(1)
    assert board.row("oracle").shares == pytest.approx(board.real_shares)


def test_floors_have_the_figures_that_they_can_have(board: FidelityBoard) -> None:
    assert set(board.row("user mean").figures) == {"rmse", "mae"}
    assert board.row("user mean").shares is None
    assert "rmse" not in board.row("popularity").figures
    assert "auc_popular" in board.row("popularity").figures
    assert board.row("global mean").figures["ece"].value < 0.05
    assert "auc" not in board.row("global mean").figures


def test_distances_have_no_interval_and_errors_have_one(board: FidelityBoard) -> None:
    figures = board.row(HOSTILE).figures
    assert np.isnan(figures["ks"].low)
    assert figures["rmse"].low < figures["rmse"].value < figures["rmse"].high


def test_differences_are_paired(board: FidelityBoard) -> None:
    first, second = board.differences
    oracle, other = board.row("oracle").figures, board.row(HOSTILE).figures
    assert first.figures["rmse"].value == pytest.approx(other["rmse"].value - oracle["rmse"].value)
    assert first.figures["rmse"].low > 0
    assert "ks" not in first.figures
    assert set(second.figures) == {"rmse", "mae", "nll", "urr", "low"}


def test_a_difference_from_oneself_under_another_name_is_exactly_nothing(taste: TasteTest) -> None:
    rng = np.random.default_rng(2)
    runs = tuple(answers(taste, 0.3, seed) for seed in range(4))
    board = make_board(
        [Population("one", "users", runs), Population("other", "users", runs)],
        taste,
        [],
        [("one", "other")],
        Resampler(user_resamples(40, 50, rng), rng),
        protocol="p",
        description="d",
        dataset="s",
        leak_test={},
    )
    assert all(tuple(figure) == (0, 0, 0) for figure in board.differences[0].figures.values())


def test_seeds_are_averaged_and_widen_the_interval(taste: TasteTest) -> None:
    rng = np.random.default_rng(3)
    resampler = Resampler(user_resamples(40, 400, rng), rng)
    ones = np.ones(40)
    low, high = RatioOfSums(ones * 1.0, ones), RatioOfSums(ones * 3.0, ones)
    drawn, each = resampler.samples([low, high])
    assert drawn[0] == pytest.approx(2)
    assert each.tolist() == [1, 3]
    assert set(np.round(drawn[1:], 9)) == {1.0, 2.0, 3.0}
    alone, _ = resampler.samples([high])
    assert set(alone) == {3.0}


def test_spread_is_that_of_the_seeds(board: FidelityBoard) -> None:
    row = board.row(HOSTILE)
    low, high = row.spread["auc"]
    assert low <= row.figures["auc"].value <= high
    assert row.title.endswith("(3 seeds)")
    assert board.row("oracle").spread == {}


def test_parts_cover_all_rows_and_hold_their_own_errors(board: FidelityBoard, split: Split) -> None:
    for by in {part.by for part in board.parts}:
        parts = [part for part in board.parts if part.by == by]
        assert sum(part.rows for part in parts) == len(split.test)
        squares = sum(part.rows * part.figures[HOSTILE]["rmse"].value ** 2 for part in parts)
        total = board.row(HOSTILE).figures["rmse"].value
        assert np.sqrt(squares / len(split.test)) == pytest.approx(total)
    assert {part.label for part in board.parts if part.by == "persona"} == {"even", "odd"}
    assert "user mean" not in board.parts[0].figures


def test_steps_of_the_breakdowns(split: Split) -> None:
    history = by_history(split, steps=(10, 48, 49))
    assert history.names == ("0-9", "10-47", "48", "49+")
    assert {history.names[label] for label in history.of_row} == {"48"}
    popularity = by_popularity(split, steps=(1, 20))
    count = np.bincount(split.train.items, minlength=split.train.n_items)[split.test.items]
    assert popularity.names == ("0", "1-19", "20+")
    np.testing.assert_array_equal(popularity.of_row, (count >= 1).astype(int) + (count >= 20))
    with pytest.raises(ValueError, match=r"40 numbers in 0\.\.1"):
        by_group(split, "persona", ("a", "b"), np.full(40, 2))


def test_names_are_checked(taste: TasteTest) -> None:
    rng = np.random.default_rng(4)
    one = Population("one", "users", (answers(taste, 0.3),))
    rest = {
        "taste": taste,
        "labels": [],
        "resampler": Resampler(user_resamples(40, 20, rng), rng),
        "protocol": "p",
        "description": "d",
        "dataset": "s",
        "leak_test": {},
    }
    with pytest.raises(ValueError, match="distinct names"):
        make_board([one, one], compared=[], **rest)
    with pytest.raises(ValueError, match="cannot compare two: the board has one"):
        make_board([one], compared=[("one", "two")], **rest)


def test_a_report_survives_json(board: FidelityBoard, tmp_path: Path) -> None:
    report = FidelityReport(
        boards=(board, replace(board, protocol="cold")), setting={"seed": 0}, environment={"cores": 2}
    )
    report.save(tmp_path / "fidelity.json")
    loaded = FidelityReport.load(tmp_path / "fidelity.json")
    loaded.save(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "fidelity.json").read_bytes()
    assert loaded.boards[0].row("oracle") == replace(
        board.row("oracle"), figures=loaded.boards[0].row("oracle").figures
    )


def test_tables_show_every_row_and_no_markup(board: FidelityBoard) -> None:
    console = Console(width=200, record=True, file=StringIO())
    for table in fidelity_tables(board):
        console.print(rich_table(table))
    text = console.export_text()
    for row in board.rows:
        assert row.title in text
    assert "nan" not in text
    for by in {part.by for part in board.parts}:
        assert f"RMSE by {by}" in text


def test_plots_are_whole_svg_files(board: FidelityBoard) -> None:
    rows = choose_rows(board)
    assert [row.name for row in rows] == ["global mean", "oracle", HOSTILE]
    for plot in (reliability_plot(rows), share_plot(board, rows)):
        assert ElementTree.fromstring(plot).tag == "{http://www.w3.org/2000/svg}svg"


def test_a_crowded_plot_shows_what_differs(board: FidelityBoard) -> None:
    first = board.rows[0]
    alike = [replace(first, name=f"alike {place}", shares=(0.1, 0.1, 0.2, 0.3, 0.3)) for place in range(6)]
    other = [
        replace(first, name=name, shares=tuple(np.roll((0.6, 0.1, 0.1, 0.1, 0.1), place)))
        for place, name in enumerate(("low", "middling"))
    ]
    rows = choose_rows(replace(board, rows=(*alike, *other, *alike[:2])))
    assert len(rows) == MOST
    assert {"alike 0", "low", "middling"} < {row.name for row in rows}
