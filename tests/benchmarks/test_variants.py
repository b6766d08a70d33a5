"""The study of variants runs from the command line, goes on where it was cut off, and outlives one that fails."""

import gc
import weakref
from pathlib import Path

import pytest
import tyro

from personagym_agents.classical.users import fit_classical
from personagym_agents.variants import VARIANTS, Variant
from personagym_benchmarks.cli.fidelity import FidelityCommand
from personagym_benchmarks.variants import study
from personagym_benchmarks.variants.board import VariantPart, VariantReport
from personagym_benchmarks.variants.study import variant_names
from personagym_benchmarks.variants.tables import variant_tables
from personagym_env.evaluation.reporting.markdown import markdown
from personagym_env.protocols import UserAgent

OPTIONS = ("--agents", "bias", "--resamples", "20", "--no-shipped")


@pytest.fixture
def two_variants(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two variants: one that works and one that does not."""
    works = Variant("works", "bias", "a test", f"{__name__}:fit_works")
    fails = Variant("fails", "nothing", "a test", f"{__name__}:fit_fails")
    monkeypatch.setattr(study, "VARIANTS", {"fails": fails, "works": works})


def fit_works(dataset, train, *, core=True, seed=0, device=None):
    return fit_classical("mf" if core else "bias", train)


def fit_fails(dataset, train, *, core=True, seed=0, device=None):
    raise ArithmeticError("no number")


ALIVE: list["weakref.ref[UserAgent]"] = []


def fit_counted(dataset, train, *, core=True, seed=0, device=None):
    gc.collect()
    assert [one for one in ALIVE if one() is not None] == []
    agent = fit_classical("mf" if core else "bias", train)
    ALIVE.append(weakref.ref(agent))
    return agent


def run(folder: Path, output: Path, *words: str) -> None:
    arguments = ["--dataset", str(folder), "--output", str(output), *OPTIONS, *words]
    tyro.cli(FidelityCommand, args=arguments).main()


def test_one_that_fails_leaves_the_others(
    two_variants: None, small_log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "variants.json"
    with pytest.raises(SystemExit, match="fails could not be measured: ArithmeticError: no number") as stopped:
        run(small_log, output, "--variants", "all")
    assert stopped.value.code  # words, with which Python exits as with 1
    report = VariantReport.load(output)
    assert list(report.failures) == ["fails"]
    assert [row.name for row in report.rows if row.kind in ("variant", "twin")] == ["works", "works, core off"]
    assert [(one.left, one.right) for one in report.differences] == [("works", "works, core off")]
    figures = {row.name: row.figures for row in report.rows}
    for name, found in report.differences[0].figures.items():
        assert found.value == pytest.approx(
            figures["works"][name].value - figures["works, core off"][name].value, abs=1e-9
        )
        assert found.low <= found.value <= found.high
    assert {"global mean", "popularity", "bias"} <= set(figures)
    capsys.readouterr()

    parts = {path: VariantPart.load(path) for path in (tmp_path / "variants").iterdir()}
    assert len(parts) == 2
    with pytest.raises(SystemExit):
        run(small_log, output, "--variants", "works,fails")
    again = VariantReport.load(output)
    assert (again.rows, again.differences) == (report.rows, report.differences)  # times of fits too: taken from parts
    assert capsys.readouterr().out.count("taken from") == 2
    assert "works" in markdown(next(variant_tables(report)))


def test_one_population_is_in_memory_at_a_time(
    monkeypatch: pytest.MonkeyPatch, small_log: Path, tmp_path: Path
) -> None:
    names = ("one", "another", "last")
    counted = {name: Variant(name, "nothing", "a test", f"{__name__}:fit_counted") for name in names}
    monkeypatch.setattr(study, "VARIANTS", counted)
    monkeypatch.setattr(f"{__name__}.ALIVE", [])
    run(small_log, tmp_path / "variants.json", "--variants", "all")
    assert len(ALIVE) == 2 * len(names)


def test_names_are_parted_by_commas_and_known() -> None:
    assert variant_names(["all"]) == tuple(VARIANTS)
    assert variant_names(["two-horizon,two-horizon", ""]) == ("two-horizon",)
    with pytest.raises(ValueError, match=r"variants are 'all' or some of .*two-horizon.*got three-horizon"):
        variant_names(["two-horizon,three-horizon"])


def test_what_variants_do_not_answer_is_refused(small_log: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="one split at most"):
        run(small_log, tmp_path / "variants.json", "--variants", "two-horizon", "--splits", "temporal", "random")
