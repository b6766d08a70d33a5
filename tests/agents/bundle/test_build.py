"""What a bundle's figures are measured on."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from fixtures.display import RecordingDisplay
from personagym_agents.bundle.build import build_bundle
from personagym_agents.bundle.settings import SMALL, AdapterSettings, BundleSettings
from personagym_agents.memory.settings import Recall
from personagym_agents.training.base import train_base
from personagym_agents.training.settings import TrainingSettings
from personagym_env.data.splits import Split
from personagym_env.data.tables import Dataset
from personagym_env.run_context import RunContext


@pytest.fixture(scope="module")
def measured(
    small_data: Dataset, small_split: Split, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[int | None], int]:
    """Held-out rows that a bundle with a budget of tokens was measured on."""
    settings = BundleSettings(
        base=SMALL,
        width=32,
        layers=1,
        vocabulary=1200,
        teacher="bias",
        recall=Recall(evidence=False),
        training=TrainingSettings(epochs=1, batch=4, warmup=1),
        adapters=AdapterSettings(groups="none"),
        history_lines=4,
    )
    folder = tmp_path_factory.mktemp("measured")
    base = train_base(small_data, small_split, settings, RunContext(folder / "run"))

    def ask(tokens: int | None) -> int:
        display = RecordingDisplay()
        context = RunContext(folder / "run", display=display)
        adapters, place = replace(settings.adapters, tokens=tokens), folder / f"users-{tokens}"
        manifest = build_bundle(base, adapters, place=place, split_words="test", context=context)
        assert 0.3 < manifest.metrics["base"]["rmse"] < 3
        [line] = [line for line in display.lines if line.startswith("measured on")]
        words = line.replace(",", "").split()
        assert words[4] == str(len(small_split.test))
        return int(words[2])

    return ask


def test_figures_are_of_as_many_held_out_rows_as_the_tokens_allow(
    measured: Callable[[int | None], int], small_split: Split
) -> None:
    everything = measured(None)
    assert everything == len(small_split.test) == measured(1_000_000)
    counts = small_split.test.counts
    assert measured(1) in set(counts[counts > 0].tolist())
    some = measured(len(small_split.test) * 10)
    assert 0 < some < everything
