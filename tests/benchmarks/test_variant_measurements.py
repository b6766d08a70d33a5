"""What variants measure of themselves: every measurement runs on a small log and says what it should."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
import pytest

from personagym_agents.variants.session_encoder import EncoderSettings
from personagym_benchmarks.variants import annotator, satisfaction, social
from personagym_benchmarks.variants.board import Measurement
from personagym_env.data.named_splits import NamedSplit, named_split
from personagym_env.data.tables import Dataset
from personagym_env.evaluation.fidelity.contamination import blind


@pytest.fixture(scope="module")
def measured(make_dataset: Callable[..., Dataset]) -> Callable[[str], list[Measurement]]:
    """The measurements of a variant on a log of 30 users."""
    dataset = make_dataset(n_users=30, n_items=100, per_user=55)
    part: NamedSplit = named_split(dataset, None, None)

    def measure(name: str) -> list[Measurement]:
        module: Any = import_module(f"personagym_benchmarks.variants.{name}")
        found: list[Measurement] = module.measure(blind(dataset, part.split.train), part, 0)
        assert all(np.isfinite(one.interval.value) for one in found)
        assert all(not one.interval.low > one.interval.value + 1e-9 for one in found)
        return found

    return measure


def figures(found: list[Measurement], question: str) -> dict[str, float]:
    """By setting and figure."""
    return {f"{one.setting}: {one.figure}": one.interval.value for one in found if one.question == question}


def test_drifting(measured: Callable[[str], list[Measurement]]) -> None:
    found = measured("drifting")
    assert {"chosen law", "held-out rows, told one row ahead", "recovery of a planted drift"} == {
        one.question for one in found
    }


def test_dual_memory(measured: Callable[[str], list[Measurement]]) -> None:
    found = figures(measured("dual_memory"), "ranking")
    assert 0 <= found["1 taken among 10, the others any items: NDCG@1, popularity"] <= 1
    assert len(found) == 2 * 3 * 7


def test_social(measured: Callable[[str], list[Measurement]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(social, "ROUNDS", 5)
    monkeypatch.setattr(social, "TOLD", (1, 5))
    found = figures(measured("social"), "concentration of what is taken")
    less = {
        words: value for words, value in found.items() if "1 rounds" in words and words.endswith("less no influence")
    }
    searched = {words for words in less if social.SEARCHES in words}
    assert [less[words] for words in less if words not in searched] == [0, 0, 0, 0]  # nobody has taken anything yet
    assert len(searched) == 2
    assert all(less[words] != 0 for words in searched)
    assert len(found) == 2 * (1 + 2 * 4)


def test_annotator(measured: Callable[[str], list[Measurement]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(annotator, "ROUNDS", 2)
    found = measured("annotator")
    weights = figures(found, "weights of length 1")
    for name in ("satisfaction", "clicks"):
        own = [value for words, value in weights.items() if words.startswith(f"optimised for {name}")]
        assert np.linalg.norm(own) == pytest.approx(1)
    worth = figures(found, "real worth")
    picked = "mean rating of 5 picks among held-out items"
    gap = worth[f"optimised for satisfaction: {picked}"] - worth[f"optimised for clicks: {picked}"]
    assert worth[f"satisfaction less clicks: {picked}"] == pytest.approx(gap, abs=1e-9)


def test_satisfaction(measured: Callable[[str], list[Measurement]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(satisfaction, "DRAWS", 3)
    monkeypatch.setattr(satisfaction, "SETTINGS", EncoderSettings(window=5, width=8, steps=10))
    found = figures(measured("satisfaction"), "who stays")
    assert all(0 <= value <= 1 for words, value in found.items() if ": AUC" in words)
    gap = found["10 labels: log loss, learned encodings"] - found["10 labels: log loss, fitted law"]
    assert found["10 labels: log loss, learned encodings less fitted law"] == pytest.approx(gap, abs=1e-9)
