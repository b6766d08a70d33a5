"""`personagym transfer`: logs that a base has not read, floors beside, every part, and what is refused."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from personagym_agents.bundle.manifest import BUNDLED, ReadLog, read_manifest
from personagym_agents.classical.users import ClassicalUsers, fit_classical
from personagym_benchmarks.cli.transfer import TransferCommand
from personagym_benchmarks.transfer.board import Comparison, Transfer
from personagym_benchmarks.transfer.populations import NamedUsers, make_users
from personagym_benchmarks.transfer.settings import TransferSettings
from personagym_benchmarks.transfer.study import run
from personagym_benchmarks.transfer.tables import curves_table, transfer_tables
from personagym_env.data.export import write_atomic_files
from personagym_env.data.sources import load_dataset
from personagym_env.data.tables import Dataset, Interactions
from personagym_env.evaluation.reporting.markdown import markdown
from personagym_env.protocols import UserAgent
from personagym_env.run_context import RunContext

QUICK = TransferSettings(
    agents=("bias", "zero-shot"), recommenders=(), rows=60, negatives=5, resamples=30, known=(0, 2), sizes=(0.3,)
)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory, make_dataset: Callable[..., Dataset]) -> tuple[str, str]:
    place = tmp_path_factory.mktemp("data")
    timed, untimed = (make_dataset(40, 60, 4, 30, timed=timed) for timed in (True, False))
    return str(write_atomic_files(timed, place / "timed").parent), str(
        write_atomic_files(untimed, place / "untimed").parent
    )


@pytest.fixture(scope="module")
def study(folders: tuple[str, str], small_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Transfer:
    output = tmp_path_factory.mktemp("runs") / "transfer.json"
    settings = replace(QUICK, datasets=folders, zero_shot_base=str(small_bundle), recommenders=("item-knn",), rows=240)
    TransferCommand(settings, output).main()
    plots = {path.name for path in output.parent.glob("*.svg")}
    assert plots == {f"transfer-{name}-{curve}.svg" for name in ("timed", "untimed") for curve in ("known", "size")}
    return Transfer.load(output)


def test_every_population_has_a_row_and_a_difference(study: Transfer) -> None:
    assert [one.hash is None for one in study.benchmarks.values()] == [False, False]
    assert "since the log has no times" in study.boards[1].description
    assert study.setting["datasets"] == ["timed", "untimed"]
    assert "/" not in str(study.setting)
    for board in study.boards:
        assert not board.left_out
        names = [row.name for row in board.answers.rows]
        controls = ["link alone", "memory masked", "memory of others", "shuffled ratings"]
        assert names[-6:] == ["bias", "zero-shot", *(f"zero-shot, {what}" for what in controls)]
        assert {one.right for one in board.answers.differences} == set(names) - {"zero-shot"}
        assert board.answers.held_out_rows <= 240
        row, bias = board.answers.row("zero-shot"), board.answers.row("bias")
        assert row is not None
        assert bias is not None
        assert set(row.figures) == {"rmse", "mae", "nll", "ece", "auc", "tau"}
        gap = board.answers.difference("zero-shot", "bias", "rmse")
        assert gap is not None
        assert gap.value == pytest.approx(row.figures["rmse"].value - bias.figures["rmse"].value)


def test_curves_are_tables(study: Transfer) -> None:
    for curve, places in (("known", 2), ("size", 2)):
        lines = markdown(curves_table(study, curve)).splitlines()[2:]  # type: ignore[arg-type]
        assert len(lines) == places * len(study.boards)
        point = getattr(study.boards[0], curve)[0]
        cells = [cell.strip() for cell in lines[0].strip("|").split("|")]
        assert cells[0] == "timed"
        assert cells[-1] == f"{point.figures['zero-shot']['rmse'].value:.3f}"


def test_every_part_is_measured(study: Transfer) -> None:
    for board in study.boards:
        assert board.line_up is not None
        assert len(board.line_up.recommenders) >= 16
        cold, few = board.cold_items, board.few_ratings
        assert isinstance(cold, Comparison)
        assert isinstance(few, Comparison)
        assert (cold.clusters, few.clusters) == ("items", "users")
        assert {"user mean", "ridge on text", "bias", "zero-shot"} <= {row.name for row in cold.rows}
        assert "popularity" not in {row.name for row in few.rows}
        assert [point.at for point in board.known] == [0, 2]
        assert [point.at for point in board.size] == [0.3, 1.0]
        assert few.held_out_rows == sum(point.held_out_rows for point in board.known)
        assert board.size[-1].figures["bias"]["rmse"] == board.answers.rows[-6].figures["rmse"]


def test_tables_tell_the_verdict(study: Transfer) -> None:
    *tables, verdict = transfer_tables(study)
    assert len(tables) == 12
    assert len(verdict.rows) == 2
    for row in verdict.rows:
        words = [cell.text().split(" ")[0] for cell in row.cells[1:-1]]
        assert set(words) <= {"better", "level", "worse"}
    assert "nan" not in "".join(map(markdown, [*tables, verdict]))


def test_what_was_finished_is_not_measured_again(
    folders: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(QUICK, datasets=folders[:1], agents=("bias",), parts=())
    first = run(settings, RunContext(tmp_path))
    monkeypatch.setattr("personagym_benchmarks.transfer.study.measure", lambda *_: pytest.fail("measured again"))
    again = run(settings, RunContext(tmp_path))
    assert repr(again.boards) == repr(first.boards)  # some bounds are NaN
    for other in (replace(settings, resume=False), replace(settings, seed=1)):
        with pytest.raises(pytest.fail.Exception, match="measured again"):
            run(other, RunContext(tmp_path))


def test_held_out_rows_are_not_told(folders: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def make(one: NamedUsers, args: TransferSettings, dataset: Dataset, train: Interactions) -> UserAgent:
        seen.append(train)
        return make_users(one, args, dataset, train)

    def fit(*arguments: Any, **options: Any) -> ClassicalUsers:
        (told,) = arguments[1:]
        assert len(told) == len(seen[-1]) < len(load_dataset(folders[0]).interactions)
        return fit_classical(*arguments, **options)

    monkeypatch.setattr("personagym_benchmarks.transfer.asking.make_users", make)
    monkeypatch.setattr("personagym_benchmarks.transfer.populations.fit_classical", fit)
    study = run(replace(QUICK, datasets=folders[:1], agents=("bias",)), RunContext(tmp_path))
    assert len(seen) > 4
    assert len(seen[0]) == study.boards[0].answers.train_rows == 960


def test_a_bundle_joins_where_its_rows_are_known(
    folders: tuple[str, str], small_folder: Path, small_bundle: Path, tmp_path: Path
) -> None:
    settings = replace(QUICK, agents=("bias", f"adapted={small_bundle}"), parts=())
    study = run(replace(settings, datasets=(folders[0], str(small_folder))), RunContext(tmp_path))
    other, own = study.boards
    assert own.answers.rows[-1].name == "adapted"
    assert not own.left_out
    assert other.answers.row("adapted") is None
    assert other.left_out == {"answers: adapted": "was trained on other rows"}


def test_rows_that_a_base_may_have_read_do_not_judge_it(
    small_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = read_manifest(BUNDLED)
    read = ReadLog("small", 10, 60, 100, "fingerprint of others of its rows")
    monkeypatch.setattr(
        "personagym_agents.bundle.manifest.read_manifest", lambda place: replace(manifest, logs=(read,))
    )
    with pytest.raises(ValueError, match=r"nobody can be asked about 'small': .* have read other rows of 'small'"):
        run(replace(QUICK, datasets=(str(small_folder),), agents=("zero-shot",)), RunContext(tmp_path))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"datasets": ()}, "must not be empty"),
        ({"rows": 0}, "rows must be at least 1 or None, got 0"),
        ({"parts": ("all",)}, "parts must be some of line-up, .*, got"),
        ({"known": (3, 1)}, "known must be ascending"),
        ({"sizes": (0.0,)}, "sizes must be ascending shares between 0 and 1"),
        ({"rounds": 3}, r"rounds must lie in 1\.\.2, got 3"),
    ],
)
def test_odd_settings_are_named(options: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        replace(QUICK, **options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"agents": ("nobody",)}, "unknown users 'nobody'"),
        ({"agents": ("bias", "bias")}, "bias comes twice"),
        ({"agents": ("runs/{dataset}",)}, "there is no folder runs/timed"),
        ({"compare": ("mf",)}, "compare must be some of .*, got mf"),
        ({"refitted": ("mf",)}, "refitted must be some of .*, got mf"),
        ({"zero_shot_base": "nowhere"}, "zero_shot_base is the folder of a bundle, and there is none at nowhere"),
        ({"recommenders": ("nothing",)}, "no recommender is called 'nothing'"),
    ],
)
def test_who_is_unknown_is_named_before_anything_is_measured(
    options: dict[str, object], words: str, folders: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("personagym_benchmarks.transfer.study.measure", lambda *_: pytest.fail("too late"))
    with pytest.raises(ValueError, match=words):
        run(replace(QUICK, datasets=folders[:1], **options), RunContext())
