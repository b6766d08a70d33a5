"""A small bundle whose base the scripts put adapters on, and a chat server on the loopback."""

from pathlib import Path

import numpy as np
import pytest

from fixtures.chat_server import *  # noqa: F403
from personagym_agents.bundle.build import build_bundle
from personagym_agents.bundle.settings import SMALL, AdapterSettings, BundleSettings
from personagym_agents.memory.settings import Recall
from personagym_agents.personas.settings import PersonaSettings
from personagym_agents.training.base import train_base
from personagym_agents.training.settings import TrainingSettings
from personagym_env.data.splits import temporal_split
from personagym_env.data.tables import Dataset
from personagym_env.run_context import RunContext

QUICK = TrainingSettings(epochs=1, batch=4, warmup=1)


@pytest.fixture(scope="session")
def short_bundle(small_data: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base without memory, taste and titles."""
    place = tmp_path_factory.mktemp("frontier") / "bundle"
    settings = BundleSettings(
        base=SMALL,
        width=32,
        layers=1,
        vocabulary=900,
        teacher="bias",
        training=QUICK,
        recall=Recall(evidence=False),
        taste=False,
        titles=False,
        adapters=AdapterSettings(groups="none"),
        personas=PersonaSettings(n_personas=2),
    )
    context = RunContext(place.with_name("run"))
    base = train_base(small_data, temporal_split(small_data.interactions), settings, context)
    build_bundle(base, place=place, split_words="test", context=context, measure=False)
    return place


@pytest.fixture
def planted_log(tmp_path: Path) -> Path:
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
