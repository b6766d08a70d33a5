"""A small bundle whose base the scripts put adapters on, and a chat server on the loopback."""

from pathlib import Path

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
