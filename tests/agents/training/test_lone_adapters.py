"""Adapters with embeddings of their own, trained one by one: the same files whoever trains them."""

from pathlib import Path
from shutil import rmtree

import pytest

from fixtures.gguf_file import save_gguf
from fixtures.workers import PickledWorkers
from personagym_agents.bundle.build import build_bundle
from personagym_agents.bundle.settings import AdapterSettings, BundleSettings
from personagym_agents.memory.settings import Recall
from personagym_agents.personas.settings import PersonaSettings
from personagym_agents.training import lone_adapters
from personagym_agents.training.base import train_base
from personagym_agents.training.settings import TrainingSettings
from personagym_env.data.splits import Split
from personagym_env.data.tables import Dataset
from personagym_env.run_context import RunContext
from personagym_env.workers import Workers

NAMES = ["persona-0", "persona-1"]


def test_they_are_the_same_whoever_trains_them(
    small_data: Dataset, small_split: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In any order, by copies of everything, some of which are lost; what is kept is not trained again."""
    monkeypatch.setattr("personagym_agents.documents.field_tokens._SELDOM", 1)
    settings = BundleSettings(
        base=str(save_gguf(tmp_path / "tiny.gguf")),
        teacher="bias",
        adapters=AdapterSettings(rank=2, alpha=2, training=TrainingSettings(epochs=1, batch=8, warmup=1)),
        personas=PersonaSettings(n_personas=len(NAMES)),
        recall=Recall(evidence=False),
        history_lines=4,
    )
    base = train_base(small_data, small_split, settings, RunContext(tmp_path))

    def build(name: str, workers: Workers | None = None) -> dict[str, bytes]:
        """The files of all adapters."""
        context = RunContext(tmp_path / f"run-{name}", workers=workers)
        build_bundle(base, place=tmp_path / name, split_words="", context=context, measure=False)
        folder = tmp_path / name / "adapters"
        return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    alone, workers = build("alone"), PickledWorkers(2)
    assert {Path(name).parent.name for name in alone} == set(NAMES)
    assert build("shared", workers) == alone
    kept = sorted((tmp_path / "run-shared").iterdir())
    assert sum(workers.done_by) == len(kept) == len(NAMES)
    rmtree(kept[0])
    assert build("shared", workers) == alone
    assert sum(workers.done_by) == len(NAMES) + 1

    def refuse(*args: object, **named: object) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(lone_adapters, "train", refuse)
    assert build("alone") == alone
