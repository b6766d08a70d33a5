"""A valid action never raises: users who have consumed nearly everything meet slates with empty places."""

import numpy as np
import pytest

from personagym_env.env import PersonaRecEnv
from personagym_env.session.kernel import Place
from personagym_env.session.parameters import SessionParameters
from personagym_env.vector_env import PersonaRecVectorEnv
from personagym_env.world import World
from personagym_recommenders import (
    CandidateFeatures,
    ChosenCandidates,
    DecodeAction,
    MostPopular,
    NamedItems,
    NearestItems,
    VectorDecodeAction,
    WeightedFeatures,
)
from personagym_recommenders.base import top_k, top_k_or_empty

STEPS = 30
STAYS = {
    "leaving": {"intercept": -12.0, "satisfaction_weight": 0.0, "duration_weight": 0.0},
    "examination": {"decay": 0.0},
    "choice": {"outside": -20.0},
}
"""Users who look at everything, take something at every step and never leave."""


def make_decoder(kind, pool):
    features = CandidateFeatures([MostPopular()], pool)
    decoders = {"weighted": WeightedFeatures(features), "chosen": ChosenCandidates(features)}
    return {**decoders, "nearest": NearestItems(2), "named": NamedItems()}[kind]


CASES = [
    (kind, n_items, per_user, k, pool)
    for kind in ("weighted", "chosen", "nearest", "named")
    for n_items, per_user, k, pool in (
        (8, 6, 3, 8),
        (12, 10, 4, 12),
        (12, 12, 2, 12),  # everything was rated before the first step
        (20, 10, 10, 20),
        (20, 10, 5, 3),  # fewer candidates than places
        (16, 8, 1, 16),
    )
]


@pytest.mark.parametrize(("kind", "n_items", "per_user", "k", "pool"), CASES)
def test_places_run_empty_and_nothing_raises(make_dataset, make_agent, kind, n_items, per_user, k, pool):
    data = make_dataset(n_users=6, n_items=n_items, per_user=per_user)
    agent = make_agent(n_users=6, n_items=n_items)
    world = World(data, data.interactions, agent, SessionParameters().updated(STAYS))
    decoder = make_decoder(kind, pool).fit(world.train, data.catalogue)
    one = DecodeAction(PersonaRecEnv(world, k, max_episode_steps=STEPS), decoder)
    many = VectorDecodeAction(PersonaRecVectorEnv(world, 4, k, max_episode_steps=STEPS), decoder)
    reach = min(n_items - per_user, pool if kind in ("weighted", "chosen") else n_items)
    one.reset(seed=0)
    many.reset(seed=0)
    many.action_space.seed(0)
    for step in range(STEPS):
        actions = many.action_space.sample()
        left = max(0, reach - step)
        for places in (one.step(actions[0])[4]["places"], *many.step(actions)[4]["places"]):
            assert (places == Place.SHOWN).sum() == min(k, left)
    many.close()


@pytest.mark.parametrize("seed", range(20))
def test_the_best_come_first_and_the_rest_is_not_allowed(seed):
    rng = np.random.default_rng(seed)
    n, m = 7, int(rng.integers(2, 9))
    k = int(rng.integers(1, m + 1))
    scores, allowed = rng.integers(0, 4, (n, m)).astype(float), rng.random((n, m)) < rng.random()
    chosen = top_k_or_empty(scores, allowed, k)
    for row in range(n):
        room = int(allowed[row].sum())
        assert len(set(chosen[row].tolist())) == k
        assert allowed[row, chosen[row, : min(k, room)]].all()
        assert not allowed[row, chosen[row, min(k, room) :]].any()
        if room >= k:
            np.testing.assert_array_equal(chosen[row], top_k(scores[row : row + 1], allowed[row : row + 1], k)[0])
        else:
            assert (np.diff(scores[row, chosen[row, :room]]) <= 0).all()
