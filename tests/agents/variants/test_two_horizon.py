"""Two horizons win where users turn from one group of items to another, and not where their taste stays."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from personagym_agents.variants.towers import TowerSettings, fit_towers
from personagym_agents.variants.two_horizon import OneHorizon, TwoHorizons, running_mean
from personagym_env.data.tables import Interactions

GROUPS, PER_GROUP, USERS, LENGTH, PHASE = 4, 40, 60, 36, 6
SETTINGS = replace(TowerSettings(), epochs=10, width=8, batch_rows=256, learning_rate=0.02)


def share_of_next_group(log: Interactions, groups: np.ndarray, encoder: type[torch.nn.Module]) -> float:
    """How often the group of a user's next item is the one that the user is said to want most."""
    genres = np.arange(log.n_items)[:, None] % GROUPS == np.arange(GROUPS)
    wants = fit_towers(log, genres, encoder, SETTINGS).log_affinity(np.arange(USERS))
    by_group = np.stack([wants[:, group::GROUPS].mean(axis=1) for group in range(GROUPS)], axis=1)
    return float((by_group.argmax(axis=1) == groups).mean())


@pytest.mark.parametrize("turning", [True, False])
def test_the_latest_items_tell_where_taste_turns(turning: bool, log_of_groups: Callable[..., Interactions]) -> None:
    rng = np.random.default_rng(1)
    if turning:
        phases = np.stack([rng.permutation(np.arange(LENGTH // PHASE) % GROUPS) for _ in range(USERS)])
        groups = np.repeat(phases, PHASE, axis=1)[:, : LENGTH - PHASE // 2]  # ends in the middle of a phase
    else:
        groups = np.repeat(rng.integers(0, GROUPS, (USERS, 1)), LENGTH, axis=1)
    log = log_of_groups(groups, np.full_like(groups, 4), GROUPS, PER_GROUP)
    two, one = (share_of_next_group(log, groups[:, -1], encoder) for encoder in (TwoHorizons, OneHorizon))
    if turning:
        assert two > 0.5
        assert two > one + 0.25
    else:
        assert min(one, two) > 0.95


def test_running_means() -> None:
    tokens = torch.arange(5.0)[None, :, None]
    assert running_mean(tokens)[0, :, 0].tolist() == [0.0, 0.0, 0.5, 1.0, 1.5, 2.0]
    assert running_mean(tokens, 3)[0, :, 0].tolist() == [0.0, 0.0, 0.5, 1.0, 2.0, 3.0]
    assert running_mean(tokens, 9)[0, 1:].tolist() == running_mean(tokens)[0, 1:].tolist()
