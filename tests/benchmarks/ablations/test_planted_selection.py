"""The study of planted selections on a small log whose users rated everything."""

from pathlib import Path

import numpy as np
import pytest

from ablations.planted_selection import Args, main
from ablations.selection_results import PlantedSelections, selection_table
from personagym_env.evaluation.reporting.markdown import markdown


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "whole"
    place.mkdir()
    rng = np.random.default_rng(0)
    rows = [
        f"u{user}\ti{item}\t{int(np.clip(round(1 + item / 8 + rng.normal(0, 0.7)), 1, 5))}"
        for user in range(40)
        for item in range(40)
    ]
    (place / "whole.inter").write_text("\n".join(("user_id:token\titem_id:token\trating:float", *rows)) + "\n")
    return place


def test_from_a_whole_log_to_table_and_plot(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "planted_selection.json"
    few = ("random", "popular", "best-rated", "worst-rated")
    main(Args(str(folder), ("popularity", "rating"), (0.0, 2.0), ("bias", "mf"), few, resamples=20, output=output))
    result = PlantedSelections.load(output)
    for kind in ("popularity", "rating"):
        taus = result.taus("bias, known propensities", kind)
        assert [strength for strength, _ in taus] == [0.0, 2.0]
        assert all(tau.value > 0 for _, tau in taus)  # items differ in quality, which a bias model learns
    assert result.taus("mf, doubly robust, propensities by co-consumption", "rating")
    assert result.taus("mf", "popularity")[0] == result.taus("mf", "rating")[0]
    assert "| *a perfect judge* |" in markdown(selection_table(result))
    assert output.with_suffix(".svg").read_text().startswith("<?xml")
