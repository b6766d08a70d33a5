"""The published floors on MovieLens-100K hold: each user's last fifth by time, history from training rows alone."""

from importlib.util import find_spec

import numpy as np
import pytest

from personagym_agents.classical.users import fit_classical
from personagym_env.data.sources import load_dataset
from personagym_env.data.splits import Split, temporal_split
from personagym_env.evaluation.fidelity.fidelity_test import FidelityTest

pytestmark = pytest.mark.skipif(find_spec("recbole") is None, reason="MovieLens-100K comes from the recbole package")


@pytest.fixture(scope="module")
def split() -> Split:
    return temporal_split(load_dataset("ml-100k").interactions, 0.8)


@pytest.fixture(scope="module")
def questions(split: Split) -> FidelityTest:
    return FidelityTest.draw(split, np.random.default_rng(0), negatives=20)


def figures(fidelity) -> dict[str, float]:
    return {name: float(each.resampled(np.ones((1, 943)))[0]) for name, each in fidelity.statistics.items()}


@pytest.mark.parametrize(
    ("name", "rmse", "nll", "auc_gain"),
    [("bias", 0.990, 1.32, -0.01), ("knn", 0.970, 1.30, 0.05), ("mf", 0.963, 1.285, 0.05)],
)
def test_figures(name, rmse, nll, auc_gain, split, questions):
    popularity = figures({floor.name: floor for floor in questions.floors()}["popularity"])["auc"]
    reached = figures(questions.ask(fit_classical(name, split.train)))
    assert reached["rmse"] < rmse
    assert reached["nll"] < nll
    assert reached["auc"] > popularity + auc_gain
