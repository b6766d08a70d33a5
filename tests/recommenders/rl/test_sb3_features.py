"""What networks read off an observation, counted by hand."""

import numpy as np
import pytest
import torch
from gymnasium import spaces

from personagym_recommenders.models.candidates import recent_genres
from personagym_recommenders.rl.sb3_features import SessionFeatures
from personagym_recommenders.rl.sb3_vec_env import policy_space

M, H = 6, 4
SHARE = np.array([[1, 0], [0, 1], [0.5, 0.5], [1, 0], [0, 1], [0, 0]], np.float32)


def space(n_items=M):
    return policy_space(
        spaces.Dict(
            {
                "user": spaces.Discrete(9),
                "profile": spaces.Box(-1, 1, (3,), np.float32),
                "history_items": spaces.Box(-1, n_items - 1, (H,), np.int32),
                "history_ratings": spaces.Box(0, 5, (H,), np.float32),
                "step": spaces.Box(0, 50, (), np.int64),
            }
        )
    )


def observe(items, ratings):
    n = len(items)
    return {
        "profile": torch.full((n, 3), 0.25),
        "history_items": torch.tensor(items, dtype=torch.float32),
        "history_ratings": torch.tensor(ratings, dtype=torch.float32),
        "step": torch.full((n, 1), 0.5),
    }


def test_the_numbers_are_profile_moment_and_weighted_sums():
    extractor = SessionFeatures(space(), item_genres=SHARE, forgetting=0.5)
    items, ratings = [[-1, 0, -1, 2], [-1, -1, -1, -1]], [[0, 5, 0, 2.5], [0, 0, 0, 0]]
    rows = extractor(observe(items, ratings)).numpy()
    assert rows.shape == (2, extractor.features_dim)
    old, latest = 0.5 * 0.25, 0.5  # (1 - forgetting) * forgetting ** age, ages 2 and 0
    expected = [0.25] * 3 + [0.5]
    expected += [old + latest, old + latest / 2, latest / 2]
    expected += [old + latest / 2, old + latest / 4, latest / 4]
    np.testing.assert_allclose(rows[0], expected, rtol=1e-6)
    np.testing.assert_allclose(rows[1], [0.25] * 3 + [0.5] + [0] * 6)


def test_genres_are_those_that_decoders_count():
    rng = np.random.default_rng(0)
    items = rng.integers(-1, M, (20, H))
    extractor = SessionFeatures(space(), item_genres=SHARE, forgetting=0.8)
    rows = extractor(observe(items.tolist(), np.zeros((20, H)).tolist())).numpy()
    np.testing.assert_allclose(rows[:, 5:7], 0.2 * recent_genres({"history_items": items}, SHARE, 0.8), rtol=1e-5)


def test_nothing_is_learned_or_saved():
    extractor = SessionFeatures(space(), item_genres=SHARE)
    assert not list(extractor.parameters())
    assert not extractor.state_dict()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((spaces.Dict({"step": spaces.Box(0, 1, (1,))}), SHARE), r"lacks \['history_items'"),
        ((space(7), SHARE), "has 6 items, the observation 7"),
        ((space(), SHARE, 1.0), "forgetting"),
    ],
)
def test_what_does_not_fit_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        SessionFeatures(*arguments)
