"""`personagym compare` on a small log in which quality is known."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from personagym_benchmarks import cli
from personagym_env.evaluation.leaderboard.comparison import Comparison, comparison_tables, sentences


def write_log(place: Path, users: int) -> Path:
    """Users with half of sixty items; late ones are better."""
    place.mkdir()
    rng = np.random.default_rng(0)
    rows = [
        f"u{user}\ti{item}\t{int(np.clip(round(1 + item / 15 + rng.normal(0, 0.5)), 1, 5))}\t{rng.integers(10**6)}"
        for user in range(users)
        for item in rng.choice(60, 30, replace=False)
    ]
    head = "user_id:token\titem_id:token\trating:float\ttimestamp:float"
    (place / f"{place.name}.inter").write_text("\n".join((head, *rows)) + "\n")
    return place


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_log(tmp_path_factory.mktemp("compare") / "log", 40)


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    monkeypatch.setattr(sys, "argv", ["personagym", "compare", *words])
    cli.main()


def test_verdicts_of_several(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "compare.json"
    options = ("--dataset", str(folder), "--agent", "bias", "--figure", "rating", "--difference", "0.05")
    run(monkeypatch, "best-rated", "worst-rated", "random", *options, "--output", str(output))
    told = capsys.readouterr().out
    assert "best-rated is better than worst-rated: simulated rating +" in told
    assert "nan" not in told
    comparison = Comparison.load(output)
    assert comparison.difference == 0.05
    assert [str(pair).split(" is ")[0] for pair in comparison.simulated.pairs] == ["best-rated"] * 2 + ["worst-rated"]
    for measure in (comparison.simulated, comparison.real[0]):
        assert [pair.verdict for pair in measure.pairs] == ["better", "better", "worse"]
        assert all(pair.adjusted >= pair.found.p for pair in measure.pairs)
    assert [measure.title for measure in comparison.real] == ["closed pool (points)", "choice (share)"]
    assert comparison.simulated.pairs[0].found.users == 40
    assert min(comparison.support.values()) > 0.9  # forty users with half of the items each
    doubtful = replace(comparison, support=comparison.support | {"random": 0.2})
    assert sum("people like the user rated 20%" in sentence for sentence in sentences(doubtful)) == 2
    asides = [[cell.aside for cell in row.cells] for row in next(comparison_tables(doubtful)).rows]
    assert ["a guess" in row for row in asides] == [False, True, True]


def test_held_out_rows_of_few_users_do_not_judge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    log, output = write_log(tmp_path / "log", 20), tmp_path / "compare.json"
    run(monkeypatch, "best-rated", "worst-rated", "--dataset", str(log), "--agent", "bias", "--output", str(output))
    told = " ".join(capsys.readouterr().out.split())
    for name in ("closed pool", "choice"):
        assert f"held-out rows do not judge by {name}: {name}: only 20 users" in told
    assert "nan" not in told
    comparison = Comparison.load(output)
    assert comparison.real == ()
    assert len(list(comparison_tables(comparison))) == 1


def test_a_mistake_is_told_in_one_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for words, expected in (
        (("random",), "needs two or more different recommenders, got"),
        (("random", "random"), "needs two or more different recommenders, got"),
        (("random", "nobody"), "nobody"),
        (("random", "popular", "--difference", "0"), "must be above 0"),
    ):
        with pytest.raises(SystemExit) as stopped:
            run(monkeypatch, *words, "--dataset", str(folder))
        assert stopped.value.code != 0
        assert expected in "".join(capsys.readouterr()) + str(stopped.value.code)
