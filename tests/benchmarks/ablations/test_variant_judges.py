"""Variants as judges: asked once about the same picks, with their core and without, each beside its twin."""

from pathlib import Path

import numpy as np
import pytest

from ablations import variant_judges
from ablations.variant_judges_results import VariantJudges, variant_judges_table
from personagym_env.run_context import RunContext

FEW = ("random", "popular", "best-rated", "worst-rated", "mf-2")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Forty users with fifty of sixty items, late ones the better ones."""
    folder, rng = tmp_path / "planted", np.random.default_rng(0)
    folder.mkdir()
    rows = ["user_id:token\titem_id:token\trating:float\ttimestamp:float"]
    for user in range(40):
        for item in rng.choice(60, 50, replace=False):
            rating = int(np.clip(round(1 + 4 * item / 60 + rng.normal(0, 0.7)), 1, 5))
            rows.append(f"u{user}\ti{item}\t{rating}\t{rng.integers(10**6)}")
    (folder / "planted.inter").write_text("\n".join(rows) + "\n")
    return folder


def test_every_variant_stands_beside_its_twin(log: Path, tmp_path: Path) -> None:
    args = variant_judges.Args(
        dataset=str(log),
        variants=("drifting", "annotator"),
        floors=("bias",),
        recommenders=FEW,
        evaluated=35,
        resamples=20,
        run=tmp_path / "run",
        output=tmp_path / "variants-agreement.json",
    )
    found = variant_judges.study(args, RunContext(args.run))
    assert set(found.recommenders) == set(FEW)
    assert [(row.truth, row.judge) for row in found.rows] == [
        (truth, judge) for truth in found.ceilings for judge in ("bias", "drifting", "annotator")
    ]
    assert set(found.users.values()) == {35}
    rating = found.rows[:3]
    assert [row.figure for row in rating] == ["expected", "expected", "annotation"]
    assert rating[0].twin is None
    assert all(row.tau.value > 0.3 for row in rating)
    for row in found.rows:
        if row.twin is not None:
            assert row.difference is not None
            assert row.difference.value == pytest.approx(row.tau.value - row.twin.value)
    found.save(args.output)
    assert len(variant_judges_table(VariantJudges.load(args.output)).rows) == len(found.rows)
