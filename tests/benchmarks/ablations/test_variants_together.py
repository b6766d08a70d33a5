"""Variants mixed with other users: shares are chosen by other people's rows, and what adds nothing gets none."""

from pathlib import Path

import numpy as np
import pytest

from ablations import variants_together
from ablations.results import VariantsTogether, variants_together_table
from personagym_env.data.splits import Split
from personagym_env.evaluation.fidelity.fidelity_test import Answers, FidelityTest
from personagym_env.run_context import RunContext


def test_mixtures_lie_between() -> None:
    one, other = np.array([[0.8, 0.2]]), np.array([[0.2, 0.8]])
    np.testing.assert_allclose(variants_together.geometric([one, other], [0.5, 0.5]), [[0.5, 0.5]])
    np.testing.assert_allclose(variants_together.geometric([one, other], [1.0, 0.0]), one)
    np.testing.assert_allclose(variants_together.by_odds([one, other], [0.5, 0.5]), [[0.5, 0.5]])
    assert variants_together.by_odds([np.array([1.0]), np.array([0.0])], [0.9, 0.1]) > 0.5


def answers(test: FidelityTest, name: str, knows: float) -> Answers:
    """Those of somebody who knows the truth so well, and guesses else."""
    rows = test.split.test
    truth = np.eye(len(rows.scale))[rows.rating_index]
    rng = np.random.default_rng(len(name))
    noise = rng.dirichlet(np.ones(len(rows.scale)), len(rows))
    wants = rng.uniform(0.2, 0.5, len(rows)) + knows / 2
    unseen = {kind: rng.uniform(0.2, 0.5, items.shape) for kind, items in test.unseen.items()}
    return Answers(name, ratings=knows * truth + (1 - knows) * noise, score=wants, unseen=unseen, wants=True)


@pytest.fixture
def asked(small_split: Split) -> FidelityTest:
    return FidelityTest.draw(small_split, np.random.default_rng(0), 5)


@pytest.mark.parametrize("knows", [0.6, 0.0])
def test_who_knows_more_is_heard_and_who_knows_nothing_is_not(asked: FidelityTest, knows: float) -> None:
    own, partner = answers(asked, "own", 0.3), answers(asked, "partner", knows)
    together, shares = variants_together.Halves(asked, own, np.random.default_rng(1)).best(partner)
    found, usual = asked.measure(together).statistics, asked.measure(own).statistics
    everybody = np.ones((1, asked.split.test.n_users))
    gain = {
        key: float((usual[key].resampled(everybody) - found[key].resampled(everybody))[0]) for key in ("nll", "auc")
    }
    if knows:
        assert shares["nll"] == (0.5, 0.5)
        assert min(shares["auc"]) > 0
        assert gain["nll"] > 0.05
        assert gain["auc"] < 0
    else:
        assert max(shares["nll"]) <= 0.1


def test_the_half_that_is_judged_has_no_say(asked: FidelityTest) -> None:
    """What the first half's rows are does not move its own share."""
    own, partner = answers(asked, "own", 0.3), answers(asked, "partner", 0.6)
    halves = variants_together.Halves(asked, own, np.random.default_rng(1))
    first = ~halves._second
    assert partner.ratings is not None
    spoilt = partner.ratings.copy()
    spoilt[first[asked.split.test.users]] = [1.0, 0.0, 0.0, 0.0, 0.0]
    _, before = halves.best(partner)
    _, after = halves.best(Answers("x", ratings=spoilt, score=partner.score, unseen=partner.unseen, wants=True))
    assert after["nll"][0] == before["nll"][0]
    assert after["nll"][1] < before["nll"][1]


def test_the_study_asks_everybody(planted_log: Path, tmp_path: Path) -> None:
    args = variants_together.Args(
        dataset=str(planted_log),
        users="mf",
        variants=("annotator", "social"),
        beside=("bias",),
        negatives=3,
        resamples=20,
        run=tmp_path / "run",
        output=tmp_path / "variants-together.json",
    )
    found = variants_together.study(args, RunContext(args.run))
    assert [row.name for row in found.rows] == ["bias", "annotator", "social", variants_together.EVERY]
    found.save(args.output)
    assert len(variants_together_table(VariantsTogether.load(args.output)).rows) == 4
