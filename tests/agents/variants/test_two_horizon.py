"""Two horizons win where users turn from one group of items to another, and not where their taste stays."""

import numpy as np
import pytest
import torch

from personagym_agents.variants.prefixes import running_average, running_mean
from personagym_agents.variants.two_horizon import OneHorizon, TwoHorizons

GROUPS, PER_GROUP, USERS, LENGTH, PHASE = 4, 40, 60, 36, 6


@pytest.mark.parametrize("turning", [True, False])
def test_the_latest_items_tell_where_taste_turns(turning: bool, log_of_groups, wants_of_groups) -> None:
    rng = np.random.default_rng(1)
    if turning:
        phases = np.stack([rng.permutation(np.arange(LENGTH // PHASE) % GROUPS) for _ in range(USERS)])
        groups = np.repeat(phases, PHASE, axis=1)[:, : LENGTH - PHASE // 2]  # ends in the middle of a phase
    else:
        groups = np.repeat(rng.integers(0, GROUPS, (USERS, 1)), LENGTH, axis=1)
    log = log_of_groups(groups, np.full_like(groups, 4), GROUPS, PER_GROUP)
    found = (wants_of_groups(log, GROUPS, encoder).argmax(axis=1) for encoder in (TwoHorizons, OneHorizon))
    two, one = (np.mean(wanted == groups[:, -1]) for wanted in found)
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
    weights = torch.tensor([[1.0, 3.0, 0.0, 0.0, 4.0]])[..., None]
    assert running_average(tokens, weights)[0, :, 0, 0].tolist() == [0.0, 0.0, 0.75, 0.75, 0.75, 2.375]
