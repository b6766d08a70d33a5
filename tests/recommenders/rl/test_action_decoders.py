"""Decoders of actions, and the environments that they make: slates that are known, and both shells alike."""

import gymnasium as gym
import numpy as np
import pytest

from personagym_env.env import PersonaRecEnv
from personagym_env.vector_env import PersonaRecVectorEnv
from personagym_env.world import make_world
from personagym_recommenders import (
    BestRated,
    CandidateFeatures,
    ChosenCandidates,
    DecodeAction,
    ItemKNN,
    LeastPopular,
    MostPopular,
    NamedItems,
    NearestItems,
    VectorDecodeAction,
    WeightedFeatures,
)

K = 3


def features(pool=24):
    return CandidateFeatures([MostPopular(), ItemKNN()], pool)


DECODERS = {
    "weighted": lambda: WeightedFeatures(features()),
    "chosen": lambda: ChosenCandidates(features()),
    "nearest": lambda: NearestItems(4),
    "named": lambda: NamedItems(),
}


@pytest.fixture(params=sorted(DECODERS))
def decoder(request, checkerboard):
    return DECODERS[request.param]().fit(checkerboard.log, checkerboard.catalogue)


def draw(decoder, n, seed=0):
    space = decoder.action_space(K)
    space.seed(seed)
    return np.stack([space.sample() for _ in range(n)])


def test_slates_are_distinct_and_unconsumed(decoder, checkerboard, observe):
    users = list(range(48))
    fresh = checkerboard.left[:, :2].tolist()
    rows = observe(users, items=fresh)
    slates = decoder.decode(rows, draw(decoder, 48), K)
    assert slates.shape == (48, K)
    assert all(len(set(slate)) == K for slate in slates.tolist())
    assert not checkerboard.log.contains(np.array(users)[:, None], slates).any()
    assert not (slates[:, :, None] == np.array(fresh)[:, None]).any()


def test_candidates_bound_the_slate(decoder, observe):
    rng = np.random.default_rng(1)
    pool = np.argsort(rng.random((48, 24)), axis=1) < 5
    slates = decoder.decode(observe(list(range(48))), draw(decoder, 48), 5, pool)
    np.testing.assert_array_equal(np.sort(slates, axis=1), np.nonzero(pool)[1].reshape(48, 5))


def test_rows_stand_alone_and_loaded_decoders_agree(decoder, observe, tmp_path):
    rows, actions = observe([4, 9, 9]), draw(decoder, 3)
    slates = decoder.decode(rows, actions, K)
    decoder.save(tmp_path)
    np.testing.assert_array_equal(type(decoder).load(tmp_path).decode(rows, actions, K), slates)
    np.testing.assert_array_equal(decoder.decode(observe([9]), actions[1:2], K), slates[1:2])
    assert decoder.action_space(K).contains(actions[0])


def test_too_few_items_are_an_error(decoder, observe):
    pool = np.zeros((1, 24), bool)
    pool[0, :2] = True
    with pytest.raises(ValueError, match="fewer than the k = 3"):
        decoder.decode(observe([0]), draw(decoder, 1), K, pool)


def test_unfitted_decoders_are_errors(observe):
    with pytest.raises(ValueError, match="must be fitted"):
        NamedItems().decode(observe([0]), np.zeros((1, K), int), K)


@pytest.mark.parametrize("place", [0, 1])
def test_one_weight_alone_is_that_recommender(checkerboard, observe, place):
    recommender = (MostPopular(), ItemKNN())[place].fit(checkerboard.log, checkerboard.catalogue)
    decoder = WeightedFeatures(features()).fit(checkerboard.log, checkerboard.catalogue)
    rows = observe(list(range(48)))
    weights = np.zeros((48, 3), np.float32)
    weights[:, place] = 0.25
    ours, theirs = decoder.decode(rows, weights, K), recommender.recommend(rows, K)
    scores = recommender.score(rows)
    # Of equal scores the decoder takes the more promising candidate and the recommender the lower id.
    np.testing.assert_array_equal(np.take_along_axis(scores, ours, axis=1), np.take_along_axis(scores, theirs, axis=1))


def test_a_negative_weight_on_repetition_changes_the_genre(checkerboard, observe):
    decoder = WeightedFeatures(CandidateFeatures([MostPopular()])).fit(checkerboard.log, checkerboard.catalogue)
    rows = observe([0], items=[[1, 3]])  # two odd items just now
    avoid, seek = (decoder.decode(rows, np.array([[0, weight]]), K) for weight in (-1, 1))
    assert (avoid % 2 == 0).all()
    assert (seek % 2 == 1).all()


def test_chosen_candidates_are_shown_in_the_order_named_and_repetitions_filled(checkerboard, observe):
    decoder = ChosenCandidates(features()).fit(checkerboard.log, checkerboard.catalogue)
    order = decoder.features.of(observe([6])).items[0]
    assert decoder.decode(observe([6]), np.array([[4, 2, 4]]), K)[0].tolist() == order[[4, 2, 0]].tolist()
    assert decoder.decode(observe([6]), np.array([[4, 2, 1]]), 2)[0].tolist() == order[[4, 2]].tolist()
    assert decoder.decode(observe([6]), np.array([[1, 0, 5]]), 4)[0].tolist() == order[[1, 0, 5, 2]].tolist()


def test_named_items_are_shown_and_the_rest_filled_by_popularity(make_log, observe):
    log, catalogue = make_log([(0, 0, 3), (1, 1, 3), (2, 1, 3), (1, 4, 3), (2, 4, 3), (3, 4, 3), (3, 2, 3)], 4, 6)
    decoder = NamedItems().fit(log, catalogue)
    assert decoder.decode(observe([0]), np.array([[5, 3, 2]]), K)[0].tolist() == [5, 3, 2]
    assert decoder.decode(observe([0]), np.array([[5, 0, 5]]), K)[0].tolist() == [5, 4, 1]
    assert decoder.action_space(K) == gym.spaces.MultiDiscrete([6] * K)


def test_nearest_items_find_what_is_consumed_together(checkerboard, observe):
    """Two components of the checkerboard tell even from odd items."""
    decoder = NearestItems(2).fit(checkerboard.log, checkerboard.catalogue)
    even, odd = decoder.embedding_[::2].mean(axis=0), decoder.embedding_[1::2].mean(axis=0)
    slates = decoder.decode(observe([0, 0]), np.stack([even, odd]), K)
    assert (slates[0] % 2 == 0).all()
    assert (slates[1] % 2 == 1).all()
    assert np.linalg.norm(decoder.embedding_, axis=1).max() == pytest.approx(1)
    product = decoder.embedding_ @ decoder.embedding_.T
    gram = np.asarray((decoder.seen_.T @ decoder.seen_).toarray())
    np.testing.assert_allclose(product / product.max(), _rank_two(gram) / _rank_two(gram).max(), atol=1e-5)
    with pytest.raises(ValueError, match="dimensions must be below"):
        NearestItems(24).fit(checkerboard.log, checkerboard.catalogue)


def _rank_two(matrix):
    values, vectors = np.linalg.eigh(matrix)
    return (vectors[:, -2:] * values[-2:]) @ vectors[:, -2:].T


@pytest.fixture
def world(dataset, agent):
    return make_world(dataset, agent, parameters={"leaving": {"intercept": -1.0}})


@pytest.mark.parametrize("name", sorted(DECODERS))
def test_single_and_vector_wrappers_are_one(world, name):
    decoder = DECODERS[name]().fit(world.train, world.dataset.catalogue)
    sizes = {"max_episode_steps": 5, "history_length": 6}
    vector = VectorDecodeAction(PersonaRecVectorEnv(world, 3, K, autoreset_mode="SameStep", **sizes), decoder)
    singles = [DecodeAction(PersonaRecEnv(world, K, **sizes), decoder) for _ in range(3)]
    assert vector.single_action_space == singles[0].action_space == decoder.action_space(K)
    vector.reset(seed=4)
    for i, env in enumerate(singles):
        env.reset(seed=4 + i)
    rng = np.random.default_rng(0)
    for _ in range(12):
        actions = draw(decoder, 3, int(rng.integers(1000)))
        observation, reward, terminated, truncated, _ = vector.step(actions)
        for i, env in enumerate(singles):
            one, gained, left, cut, _ = env.step(actions[i])
            if left or cut:
                one, _ = env.reset()
            assert (gained, left, cut) == (reward[i], terminated[i], truncated[i])
            for key, value in one.items():
                np.testing.assert_array_equal(value, observation[key][i])
    vector.close()


def test_wrappers_check_actions(world):
    decoder = DECODERS["weighted"]().fit(world.train, world.dataset.catalogue)
    env = VectorDecodeAction(PersonaRecVectorEnv(world, 2, K), decoder)
    with pytest.raises(gym.error.ResetNeeded):
        env.step(np.zeros((2, 3)))
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"shape \(2, 3\), got \(2, 4\)"):
        env.step(np.zeros((2, 4)))
    with pytest.raises(ValueError, match="finite"):
        env.step(np.full((2, 3), np.nan))
    single = DecodeAction(PersonaRecEnv(world, K), NamedItems().fit(world.train, world.dataset.catalogue))
    with pytest.raises(gym.error.ResetNeeded):
        single.step(np.zeros(K, int))
    single.reset(seed=0)
    with pytest.raises(ValueError, match="integers"):
        single.step(np.array([0, 1, 80]))
    with pytest.raises(TypeError, match="answers with slates"):
        DecodeAction(DecodeAction(PersonaRecEnv(world, K), decoder), decoder)


def test_features_of_several_recommenders_are_all_there():
    assert WeightedFeatures(CandidateFeatures([MostPopular(), LeastPopular(), BestRated()])).action_space(K).shape == (
        4,
    )
