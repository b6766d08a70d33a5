"""A stage on the small data set, whose people never leave, and a title that gives orders."""

from collections.abc import Callable

import numpy as np
import pytest

from fixtures.hostile import MARKUP, with_title
from personagym_agents.inference.language_users import LanguageUserAgent
from personagym_benchmarks.play.stage import Stage
from personagym_env.data.splits import Split
from personagym_env.data.tables import Dataset

HOSTILE = f"{MARKUP}\u202e"
STAY = {"leaving": {"intercept": -1000.0, "satisfaction_weight": 0.0, "duration_weight": 0.0}}


@pytest.fixture(scope="package")
def hostile_item(small_split: Split) -> int:
    """The item whose title gives orders: the first one that user 3 has not rated."""
    train = small_split.train
    return int(np.setdiff1d(np.arange(train.n_items), train.items[train.indptr[3] : train.indptr[4]])[0])


@pytest.fixture(scope="package")
def stage(make_language_agent: Callable[..., LanguageUserAgent], small_data: Dataset, hostile_item: int) -> Stage:
    return Stage.make(with_title(small_data, hostile_item, HOSTILE), make_language_agent(), parameters=STAY)
