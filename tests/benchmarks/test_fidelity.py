"""The fidelity benchmark runs from the command line on a small log, and what it writes fills tables."""

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import tyro

from personagym_benchmarks.cli.fidelity import FidelityCommand
from personagym_env.evaluation.fidelity.board import FidelityReport
from personagym_env.evaluation.fidelity.tables import ablation_table, fidelity_tables, overview_table, published_table
from personagym_env.evaluation.reporting.markdown import markdown
from personagym_env.run_context import RunContext

ROOT = Path(__file__).parents[2]


def load_script(name: str) -> ModuleType:
    module = importlib.import_module(f"personagym_benchmarks.{name}.study")
    return module


def write_log(folder: Path) -> None:
    """A small log in RecBole's format."""
    folder.mkdir()
    rows = [
        f"u{user}\ti{(user * 7 + j * 3) % 80}\t{1 + (user + j * j) % 5}\t{j}" for user in range(40) for j in range(25)
    ]
    text = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n" + "\n".join(rows) + "\n"
    (folder / f"{folder.name}.inter").write_text(text)


def arguments_of(script: ModuleType, *arguments: str) -> Any:
    return tyro.cli(FidelityCommand, args=["--no-shipped", *arguments])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("data") / "log"
    write_log(place)
    return place


def test_from_log_to_tables(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "fidelity.json"
    script = load_script("fidelity")
    arguments = (
        *("--dataset", str(folder), "--splits", "temporal", "cold", "--agents", "bias", "mf", "bias+mf"),
        *("--recommenders", "item-knn", "--resamples", "50", "--compare", "mf:bias", "--output", str(output)),
    )
    arguments_of(script, *arguments).main()
    assert "cold: paired differences" in capsys.readouterr().out
    names = {
        f"fidelity-{protocol}-{plot}.svg" for protocol in ("temporal", "cold") for plot in ("reliability", "stars")
    }
    assert {path.name for path in tmp_path.iterdir()} == {"fidelity.json"} | names
    boards = {board.protocol: list(fidelity_tables(board)) for board in FidelityReport.load(output).boards}
    row = FidelityReport.load(output).boards[0].row
    assert row("bias+mf").figures["rmse"].value < max(row(name).figures["rmse"].value for name in ("bias", "mf"))
    assert "| mf – bias |" in "\n".join(map(markdown, boards["cold"]))
    titles = [table.title for table in boards["temporal"]]
    assert [title for title in titles if "RMSE by" in title] == [
        f"temporal: RMSE by {by}" for by in ("training ratings of the user", "training ratings of the item", "persona")
    ]
    for table in (table for tables in boards.values() for table in tables):
        assert table.rows
        assert "nan" not in markdown(table)


def test_ablations_have_a_table_of_their_own() -> None:
    report = FidelityReport.load(ROOT / "benchmarks" / "results" / "fidelity-adapters.json")
    board = next(board for board in report.boards if board.protocol == "temporal")
    tables = ablation_table(board), overview_table(board)
    ablation, overview = ({row.cells[0].text().partition(" (")[0] for row in table.rows} for table in tables)
    kinds = {"none", "single", "random", "persona"}
    assert kinds <= ablation
    assert "BPR" not in ablation
    assert overview & kinds == {"persona"}
    assert "BPR" in overview


def test_the_canonical_split_has_a_file_and_published_figures(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = ("--split", "u1", "--agents", "bias", "--recommenders", "item-knn", "--resamples", "20")
    arguments_of(load_script("fidelity"), *arguments).main()
    (board,) = FidelityReport.load(tmp_path / "runs" / "u1.json").boards
    assert (board.sizes["held-out rows"], board.sizes["users"]) == (20_000, 459)
    table = published_table(board)
    theirs, ours = ({row.cells[0].text(): row.cells[1].text() for row in section.rows} for section in table.sections)
    assert theirs == {
        "GC-MC": "0.910",
        "GC-MC, features": "0.905",
        "IGMC": "0.905",
        "GLocal-K": "0.889",
        "GHRS": "0.887",
    }
    assert ours["bias"] == "0.954"
    assert table.title in [one.title for one in fidelity_tables(board)]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--splits", "weekly"), "splits must be some of temporal, random, .*, got weekly"),
        (("--agents", "mf", "bias+mf"), "'bias\\+mf' is a mean of users that must stand before it, and bias do not"),
        (("--bundles", "persona"), "a bundle is given as name=path with the path of a folder, got 'persona'"),
        (("--bundles", "persona=nowhere"), "a bundle is given as name=path"),
        (("--bundles", "mf=tests"), "'mf' names populations of two kinds"),
        (("--bundles", "one=tests", "--bases", "one=tests"), "'one' names populations of two kinds"),
        (("--splits", "cold", "--bundles", "one=tests"), "no bundle at"),
        (("--no-shipped", "--ablations", "none"), r"ablations are some of the bundles and bases \(\), got none"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_anything_is(
    folder: Path, arguments: tuple[str, ...], words: str
) -> None:
    script = load_script("fidelity")
    with pytest.raises(ValueError, match=words):
        script.run(arguments_of(script, "--dataset", str(folder), *arguments).settings, RunContext())
