"""The queue of the paper's table: what is asked, who learns from what, and what comes of rows that are done."""

import importlib
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from fixtures.gguf_file import save_gguf
from personagym_env.data.splits import Split
from personagym_env.data.tables import Dataset
from personagym_env.evaluation.reporting.markdown import markdown

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"


@pytest.fixture(scope="module")
def modules() -> tuple[ModuleType, ModuleType]:
    """The queue and how its rows are made."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        return importlib.import_module("ablations.paper_slm"), importlib.import_module("ablations.paper_slm_rows")


@pytest.fixture(scope="module")
def questions(modules: tuple[ModuleType, ModuleType], small_data: Dataset, small_split: Split) -> object:
    return modules[1].Questions.draw(small_data, small_split, 3, 1)


def test_everybody_is_asked_about_the_same_held_out_rows(
    modules: tuple[ModuleType, ModuleType], small_data: Dataset, small_split: Split
) -> None:
    first, second = (modules[1].Questions.draw(small_data, small_split, 3, 1) for _ in range(2))
    np.testing.assert_array_equal(first.items, second.items)
    assert (np.bincount(first.users, minlength=small_data.interactions.n_users) == 3).all()
    assert (np.bincount(first.users[first.prompted]) == 1).all()
    assert small_split.test.contains(first.users, first.items).all()


def test_adapters_learn_from_rows_that_fit_and_personas_begin_as_the_one_for_all(
    modules: tuple[ModuleType, ModuleType], questions: object, tmp_path: Path
) -> None:
    rows = modules[1]
    base = str(save_gguf(tmp_path / "tiny.gguf"))
    single = rows.AdaptedRow("single", 60)
    one = rows.adapted(single, questions, base, tmp_path)
    assert 40 <= one.rows <= 60
    assert np.isfinite(one.expected).all()
    assert ((np.array(one.expected) >= 1) & (np.array(one.expected) <= 5)).all()
    personas = rows.AdaptedRow("personas", 30, personas=True, begins="single", learning_rate=1e-9)
    several = rows.adapted(personas, questions, base, tmp_path)
    np.testing.assert_allclose(several.expected, one.expected, atol=0.02)  # half precision
    again = rows.adapted(single, questions, base, tmp_path)
    np.testing.assert_allclose(again.expected, one.expected, atol=0.02)


def test_rows_of_several_seeds_are_one_row_of_the_result_with_paired_differences(
    modules: tuple[ModuleType, ModuleType], questions: object
) -> None:
    queue, rows = modules
    real = questions.ratings  # type: ignore[attr-defined]
    near, far = ((real + error).tolist() for error in (0.5, 1.0))
    some = [value if place % 3 == 0 else None for place, value in enumerate(far)]
    left, right = queue.COMPARED[0]
    found = {
        f"{left} #0": rows.Found(left, near, rows=10, minutes=1.0),
        f"{left} #1": rows.Found(left, far, rows=10, minutes=2.0),
        f"{right} #0": rows.Found(right, far),
        "prompted": rows.Found("prompted", some, unparsable=0.25, generated=4),
    }
    shown = queue.result(replace(queue.Args(), resamples=20), questions, found)
    by_name = {row.name: row for row in shown.rows}
    assert by_name[left].rmse.value == pytest.approx(0.75)
    assert by_name[left].minutes == 1.5
    assert by_name["prompted"].asked == len(some[::3])
    assert shown.differences[f"{left} - {right}"].value == pytest.approx(-0.25)
    assert "25.0%" in markdown(queue.paper_slm_table(shown))
    assert left in markdown(queue.differences_table(shown))
