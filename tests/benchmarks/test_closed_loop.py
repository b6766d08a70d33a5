"""The closed loop: the same start for all, logs that are found again, and what becomes of everybody."""

from pathlib import Path

import numpy as np
import pytest
import tyro

from personagym_benchmarks.cli.closed_loop import ClosedLoopCommand
from personagym_benchmarks.closed_loop.arms import Arrivals
from personagym_benchmarks.closed_loop.settings import LoopSettings
from personagym_env.evaluation.closed_loop.board import FIGURES, ClosedLoop
from personagym_env.logs.sessions import open_log

SIZE = {
    "users": "bias", "recommender": "popular", "rounds": 3, "sessions": 30, "repetitions": 2, "longest": 3,
    "slate-size": 4,
}  # fmt: skip


def play(small_log: Path, place: Path) -> ClosedLoop:
    given = [text for name, value in SIZE.items() for text in (f"--{name}", str(value))]
    places = ["--dataset", str(small_log), "--folder", str(place / "run"), "--output", str(place / "found.json")]
    tyro.cli(ClosedLoopCommand, args=[*places, *given]).main()
    return ClosedLoop.load(place / "found.json")


def test_everybody_starts_alike_and_a_second_run_finds_the_logs(
    small_log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = play(small_log, tmp_path)
    never, naive, weighted = found.arms
    for arm in (naive, weighted):
        assert found.at(arm, 0).figures["return"] == found.at(never, 0).figures["return"]
        assert found.at(arm, 0).figures["real"] == pytest.approx(found.at(never, 0).figures["real"], nan_ok=True)
        assert found.at(arm, 0).exposure == found.at(never, 0).exposure
        assert found.at(arm, 2).exposure != found.at(never, 2).exposure
    for one in found.rounds:
        assert set(one.figures) == set(FIGURES)
        assert np.isnan(one.figures["newcomers"].value) == (one.round == 0)
        assert 0 < one.figures["coverage"].value <= 1
        assert sum(one.exposure) == pytest.approx(1)
        assert sum(one.catalogue) == pytest.approx(1)
    assert 0 < found.effective_share < 1
    assert {(one.left, one.right) for one in found.differences["return"]} == {
        (naive, never), (weighted, never), (weighted, naive)
    }  # fmt: skip
    last = found.last_differences["gini"][2]
    gap = found.at(weighted, 2).figures["gini"].value - found.at(naive, 2).figures["gini"].value
    assert last.value.value == pytest.approx(gap)
    logs = sorted((tmp_path / "run").rglob("*.parquet"))
    assert len(logs) == 2 * 3 * 3
    written = [path.stat().st_mtime_ns for path in logs]
    assert play(small_log, tmp_path).rounds == found.rounds
    assert [path.stat().st_mtime_ns for path in logs] == written
    assert (tmp_path / "found.svg").read_text().startswith("<?xml")
    assert "refitted with propensities" in " ".join(capsys.readouterr().out.split())


def test_no_slate_shows_what_has_not_arrived(small_log: Path, tmp_path: Path) -> None:
    found = play(small_log, tmp_path)
    settings = LoopSettings(rounds=3)
    logs = [open_log(tmp_path / "run" / "loop-0" / "refitted-naively" / f"round-{number}") for number in range(3)]
    arrivals = Arrivals.draw(logs[0].header.n_items, settings, np.random.default_rng([0, 0]))
    for number, log in enumerate(logs):
        assert not np.isin(log.read().slate, arrivals.withheld(number)).any()
    assert np.isin(logs[2].read().slate, arrivals.all).any()
    assert found.setting["arriving"] == settings.arriving


@pytest.mark.parametrize(("name", "value"), [("rounds", 1), ("repetitions", 1), ("floor", 0.0), ("arriving", 1.0)])
def test_settings_that_cannot_be_are_refused(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=name):
        LoopSettings(**{name: value})  # type: ignore[arg-type]


def test_rounds_need_items_to_arrive() -> None:
    with pytest.raises(ValueError, match="let more arrive"):
        Arrivals.draw(10, LoopSettings(), np.random.default_rng(0))
