"""Vectors learned without labels tell groups that only sequences show, and nothing that sequences do not show."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from personagym_agents.variants.barlow import PROJECTED, embed, read_sequences, redundancy_loss, train_reader

GROUPS, PER_GROUP, USERS, LENGTH, STEPS = 4, 30, 100, 10, 80


@pytest.mark.parametrize("related", [True, False])
def test_groups_with_one_label_each(related: bool, log_of_groups, catalogue_of_groups) -> None:
    rng = np.random.default_rng(0)
    own = np.arange(USERS) % GROUPS
    strays = rng.random((USERS, LENGTH)) < 0.15
    groups = np.where(strays, rng.integers(0, GROUPS, (USERS, LENGTH)), own[:, None])
    log = log_of_groups(groups, np.full((USERS, LENGTH), 3), GROUPS, PER_GROUP)
    catalogue = catalogue_of_groups(GROUPS, PER_GROUP)
    catalogue = replace(catalogue, genres=np.zeros_like(catalogue.genres))
    label = own if related else rng.permutation(own)
    right = {}
    for core in (True, False):
        vectors = embed(train_reader(log, catalogue, core=core, seed=0, steps=STEPS), log)
        known = np.array([np.flatnonzero(label == group)[0] for group in range(GROUPS)])  # one user of each group
        nearest = ((vectors[:, None] - vectors[known]) ** 2).sum(axis=-1).argmin(axis=1)
        right[core] = np.mean(np.delete(nearest == label, known))
    if related:
        assert right[True] > right[False] + 0.15
    else:
        assert right[True] < right[False] + 0.15


def test_the_loss_is_nothing_where_views_agree_and_coordinates_do_not() -> None:
    generator = torch.Generator().manual_seed(0)
    views = torch.linalg.qr(torch.randn(512, PROJECTED, generator=generator) - 0.0)[0]
    views = torch.linalg.qr(views - views.mean(dim=0))[0]
    other = torch.randn(512, PROJECTED, generator=generator)
    assert redundancy_loss(views, views) < 0.1
    assert redundancy_loss(views, other) > 0.8 * PROJECTED
    assert redundancy_loss(views, views[:, :1].expand(-1, PROJECTED)) > 0.8 * PROJECTED


def test_views_keep_rows_and_stay_near(log_of_groups) -> None:
    log = log_of_groups(np.zeros((2, 12), np.int64), np.full((2, 12), 3), 1, 12)
    whole = read_sequences(log)
    view = whole.view(torch.Generator().manual_seed(0))
    assert [sorted(row) for row in view.items.tolist()] == [sorted(row) for row in whole.items.tolist()]
    place = {item: at for at, item in enumerate(whole.items[0].tolist())}
    assert max(abs(place[item] - at) for at, item in enumerate(view.items[0].tolist())) <= 4
    assert 0 < int(view.real.sum()) < 24
