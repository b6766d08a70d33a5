"""Variants as judges: asked once about the same picks, with their core and without, each beside its twin."""

from pathlib import Path

import pytest

from ablations import variant_judges
from ablations.variant_judges_results import VariantJudges, variant_judges_table
from personagym_env.run_context import RunContext

FEW = ("random", "popular", "best-rated", "worst-rated", "mf-2")


def test_every_variant_stands_beside_its_twin(planted_log: Path, tmp_path: Path) -> None:
    args = variant_judges.Args(
        dataset=str(planted_log),
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
