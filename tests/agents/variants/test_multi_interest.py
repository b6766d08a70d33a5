"""Several interests win where users have several, and not where they have one; interests can be told."""

from functools import partial

import numpy as np
import pytest

from personagym_agents.variants.multi_interest import INTERESTS, Interests, Topics, find_topics, interests_in_words

GROUPS, PER_GROUP, USERS, LENGTH = 6, 40, 60, 24
SETTINGS = {"width": 3, "epochs": 15, "batch_rows": 128, "learning_rate": 0.04}


@pytest.mark.parametrize("several", [True, False])
def test_one_vector_lies_between_two_interests(several: bool, log_of_groups, wants_of_groups) -> None:
    rng = np.random.default_rng(2)
    own = np.stack([rng.choice(GROUPS, 2 if several else 1, replace=False) for _ in range(USERS)])
    groups = own[np.arange(USERS)[:, None], rng.integers(0, own.shape[1], (USERS, LENGTH))]
    log = log_of_groups(groups, np.full_like(groups, 4), GROUPS, PER_GROUP)
    right = []
    for interests in (INTERESTS, 1):
        wants = wants_of_groups(log, GROUPS, partial(Interests, interests=interests), **SETTINGS)
        best = np.argsort(-wants, axis=1)[:, : own.shape[1]]
        right.append(np.mean([len(set(one) & set(real)) / len(real) for one, real in zip(best, own, strict=True)]))
    if several:
        assert right[0] > right[1] + 0.1
    else:
        assert right[0] < right[1] + 0.1


def test_topics_are_groups_that_texts_tell_and_interests_have_words(catalogue_of_groups, log_of_groups) -> None:
    catalogue = catalogue_of_groups(3, 8)
    topics = find_topics(catalogue, seed=0)
    for group in range(3):
        assert len(set(topics.of_item[group::3])) == 1
    assert set(topics.names) == {"genre 0", "genre 1", "genre 2"}
    log = log_of_groups(np.array([[0, 0, 0, 1]]), np.full((1, 4), 4), 3, 8)
    assert interests_in_words(topics, log, 0) == ("75% genre 0", "25% genre 1")
    assert interests_in_words(Topics(np.zeros(24, np.int64), ("anything",)), log, 0) == ("100% anything",)
