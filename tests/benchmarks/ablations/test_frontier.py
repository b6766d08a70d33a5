"""The frontier: every kind of adapter on one base, asked once, and told beside what was aimed at."""

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from ablations.frontier_results import Frontier, Point, frontier_plot, frontier_table, goals_of, goals_table
from personagym_env.evaluation.core.differences import Difference
from personagym_env.evaluation.core.statistics import Interval

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("frontier", ROOT / "benchmarks" / "ablations" / "frontier.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["frontier"] = module
    spec.loader.exec_module(module)
    return module


def test_every_kind_is_trained_and_asked_once(
    script: ModuleType, short_bundle: Path, small_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = replace(script.Args(bundle=short_bundle).training, epochs=1, batch=4, warmup=1)
    args = script.Args(
        bundle=short_bundle,
        dataset=str(small_folder),
        regimes=("header",),
        seeds=1,
        personas=2,
        penalties=(0.0, 5.0),
        training=training,
        rank=2,
        users=4,
        repeats=1,
        seconds=0.01,
        resamples=20,
        run=tmp_path / "run",
        output=tmp_path / "frontier.json",
    )
    script.main(args)
    found = Frontier.load(args.output)
    assert [point.kind for point in found.points] == list(script.KINDS)
    assert [point.seeds for point in found.points] == [1] * len(script.KINDS)
    assert {point.tokens for point in found.points} == {found.points[0].tokens}
    assert all(point.decisions is not None and point.decisions > 0 for point in found.points)
    assert [one.left for one in found.differences] == [f"header, {left}" for left, _ in script.COMPARED]
    assert found.penalties["header"] in args.penalties
    assert {curve.kind for curve in found.curves} == set(script.KINDS) - {"none"}
    assert found.shipped_decisions is None, "the shipped users know another log"
    assert (tmp_path / "frontier.svg").is_file()
    assert str(tmp_path) not in args.output.read_text()

    def refuse(*args: object, **named: object) -> None:
        raise AssertionError("asked again")

    monkeypatch.setattr(script.FidelityTest, "answers", refuse)
    script.main(args)
    again = Frontier.load(args.output)
    assert [point.figures for point in again.points] == [point.figures for point in found.points]


def point(kind: str, rmse: float, decisions: float | None) -> Point:
    return Point("header", kind, 2, {"rmse": Interval(rmse, rmse - 0.01, rmse + 0.01)}, 5.0, decisions)


def test_goals_are_told_as_reached_or_not() -> None:
    points = [point("none", 0.99, 100.0), point("learned", 0.96, 90.0), point("individual", 0.95, 50.0)]
    differences = [
        Difference("header, random", "header, kmeans", Interval(0.005, 0.001, 0.009)),
        Difference("header, single", "header, learned", Interval(0.007, -0.001, 0.012)),
        Difference("header, kmeans", "header, learned", Interval(0.001, 0.0005, 0.002)),
        Difference("header, learned", "header, individual", Interval(0.01, 0.0, 0.02)),
    ]
    goals = goals_of(points, differences, shipped_decisions=20.0)
    assert [goal.reached for goal in goals] == [True, False, False, False, True]
    assert goals[-1].found == "header, learned: 0.9600, 4.5 times"
    slow = goals_of(points[:1], [], shipped_decisions=20.0)
    assert [goal.reached for goal in slow] == [False]
    result = Frontier(
        points=tuple(points),
        differences=tuple(differences),
        curves=(),
        shipped_decisions=20.0,
        penalties={},
        left=(),
        searches=(),
        goals=goals,
        setting={},
        environment={},
    )
    assert len(frontier_table(result).rows) == 3
    assert len(goals_table(result).rows) == 5
    assert "<svg" in frontier_plot(result)
    assert np.isfinite(result.points[0].tokens)
