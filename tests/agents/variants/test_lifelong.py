"""Frozen partitions win where a life tells more than its last rows, and not where only these tell; they never move."""

from functools import partial

import numpy as np
import pytest
import torch

from personagym_agents.variants.lifelong import Cache, Partitions

GROUPS, PER_GROUP, USERS, LENGTH, PARTITION = 4, 40, 60, 36, 4


@pytest.mark.parametrize("steady", [True, False])
def test_a_life_tells_more_than_its_end_where_taste_is_steady(steady: bool, log_of_groups, wants_of_groups) -> None:
    rng = np.random.default_rng(1)
    if steady:  # each row is of the user's own group, or of any
        home = rng.integers(0, GROUPS, USERS)
        groups = np.where(rng.random((USERS, LENGTH)) < 0.4, home[:, None], rng.integers(0, GROUPS, (USERS, LENGTH)))
    else:  # the group of now says nothing of that of an earlier partition
        groups = np.repeat(rng.integers(0, GROUPS, (USERS, 3)), LENGTH // 3, axis=1)[:, :-PARTITION]
        home = groups[:, -1]
    log = log_of_groups(groups, np.full_like(groups, 4), GROUPS, PER_GROUP)
    encoders = (partial(encoder, partition=PARTITION) for encoder in (Partitions, Cache))
    life, cache = (np.mean(wants_of_groups(log, GROUPS, encoder).argmax(axis=1) == home) for encoder in encoders)
    if steady:
        assert life > cache + 0.1
    else:
        assert life < cache + 0.05


def test_old_summaries_are_reused_exactly() -> None:
    torch.manual_seed(0)
    encoder = Partitions(5, partition=4).eval()
    rows = torch.randn(14, 5)
    life = encoder.begin()
    with torch.no_grad():
        states = encoder(torch.zeros(1, 14, dtype=torch.long), rows[None], torch.ones(1, 14))[0, :, 0]
        for number, row in enumerate(rows):
            torch.testing.assert_close(encoder.state(life), states[number])
            before = life
            life = encoder.live(life, row)
            assert torch.equal(life.summaries[: len(before.summaries)], before.summaries)
        torch.testing.assert_close(encoder.state(life), states[14])
    assert len(life.summaries) == 3
    assert life.rows == 2
