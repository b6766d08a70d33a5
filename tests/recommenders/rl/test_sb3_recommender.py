"""Policies on the leaderboard: the slates of the environment that trained them, saved without pickle, and better."""

import os
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from stable_baselines3 import A2C, PPO, SAC
from stable_baselines3.common.policies import MultiInputActorCriticPolicy

from personagym_env.conformance.recommender import check_recommender
from personagym_env.data.traits import profile_features, user_traits
from personagym_env.env import observation_space
from personagym_env.evaluation.core.simulate import SessionPlan, simulate
from personagym_env.session.parameters import SessionParameters
from personagym_env.vector_env import PersonaRecVectorEnv
from personagym_env.world import make_world
from personagym_recommenders import (
    CandidateFeatures,
    ChosenCandidates,
    LeastPopular,
    MostPopular,
    NamedItems,
    NearestItems,
    VectorDecodeAction,
    WeightedFeatures,
    load_recommender,
)
from personagym_recommenders.rl.sb3_features import NEEDED, SessionFeatures
from personagym_recommenders.rl.sb3_recommender import SB3Recommender
from personagym_recommenders.rl.sb3_storage import build_policy, describe_policy
from personagym_recommenders.rl.sb3_vec_env import SB3VecEnv, policy_space

K = 3
DECODERS = {
    "weighted": lambda: WeightedFeatures(CandidateFeatures([MostPopular(), LeastPopular()])),
    "chosen": lambda: ChosenCandidates(CandidateFeatures([MostPopular(), LeastPopular()])),
    "nearest": lambda: NearestItems(4),
    "named": lambda: NamedItems(),
}


@pytest.fixture
def world(dataset, make_agent):
    """Users who like what is rare, and stay."""
    world = make_world(dataset, make_agent(rating=4), parameters={"leaving": {"intercept": -6.0}})
    counts = np.bincount(world.train.items, minlength=80)
    world.agent.want_logit[:] = np.where(counts <= np.median(counts), 2.0, -4.0)
    return world


def make_env(world, decoder, n=8, **options):
    users = PersonaRecVectorEnv(world, n, K, max_episode_steps=10, history_length=10, autoreset_mode="SameStep")
    return SB3VecEnv(VectorDecodeAction(users, decoder), horizon=10, **options)


def extractor(catalogue):
    return {
        "features_extractor_class": SessionFeatures,
        "features_extractor_kwargs": {"item_genres": catalogue.genre_shares},
    }


@pytest.mark.parametrize("name", sorted(DECODERS))
def test_conforms(name, checkerboard):
    log, catalogue = checkerboard.log, checkerboard.catalogue
    decoder = DECODERS[name]().fit(log, catalogue)
    profiles = profile_features(user_traits(log, catalogue))
    world = SimpleNamespace(train=log, profiles=profiles, parameters=SessionParameters())
    space = policy_space(observation_space(world, 6), NEEDED)
    torch.manual_seed(0)
    policy = MultiInputActorCriticPolicy(space, decoder.action_space(K), lambda _: 0.0, **extractor(catalogue))
    check_recommender(SB3Recommender(policy, decoder), log, catalogue)


def test_slates_are_those_of_the_environment(world):
    decoder = DECODERS["nearest"]().fit(world.train, world.dataset.catalogue)
    env = make_env(world, decoder)
    model = PPO("MultiInputPolicy", env, n_steps=8, batch_size=32, n_epochs=2, seed=1, device="cpu")
    model.learn(64)
    recommender = SB3Recommender(model.policy, decoder, horizon=10)
    wrapper, users = env.env, env.get_attr("unwrapped")[0]
    seen = env.reset()
    for _ in range(6):
        raw = users._sessions.observe()
        actions, _ = model.predict(seen, deterministic=True)
        expected = decoder.decode(raw, actions, K)
        np.testing.assert_array_equal(recommender.recommend(raw, K), expected)
        seen, *_ = env.step(actions)
    assert wrapper.decoder is decoder


@pytest.mark.parametrize("algorithm", [PPO, A2C, SAC])
def test_policies_come_back_from_json_and_arrays(algorithm, world, tmp_path):
    decoder = DECODERS["weighted"]().fit(world.train, world.dataset.catalogue)
    env = make_env(world, decoder, 2, parts=NEEDED)
    kwargs = extractor(world.dataset.catalogue) | {"net_arch": [8], "activation_fn": torch.nn.ReLU}
    model = algorithm("MultiInputPolicy", env, policy_kwargs=kwargs, seed=0, device="cpu")
    recommender = SB3Recommender(model.policy, decoder, name="mine", horizon=10)
    recommender.save(tmp_path)
    assert {path.suffix for path in tmp_path.rglob("*") if path.is_file()} == {".safetensors"}
    loaded = SB3Recommender.load(tmp_path)
    assert (loaded.name, loaded.horizon, type(loaded.policy)) == ("mine", 10, type(model.policy))
    assert loaded.policy.observation_space == model.policy.observation_space
    assert loaded.policy.action_space == model.policy.action_space
    rows = env.get_attr("unwrapped")[0]
    env.reset()
    observation = rows._sessions.observe()
    np.testing.assert_array_equal(loaded.recommend(observation, K), recommender.recommend(observation, K))


class Trap:
    """A learning rate that makes a folder where it is unpickled."""

    def __init__(self, place):
        self.place = place

    def __call__(self, left):
        """The same throughout."""
        return 1e-3

    def __reduce__(self):
        return os.mkdir, (self.place,)


@pytest.mark.parametrize("algorithm", [PPO, SAC])
def test_files_of_stable_baselines_become_folders_without_pickle(algorithm, world, tmp_path):
    decoder = DECODERS["weighted"]().fit(world.train, world.dataset.catalogue)
    env = make_env(world, decoder, 2, parts=NEEDED)
    kwargs = extractor(world.dataset.catalogue) | {"net_arch": [8]}
    rate = Trap(str(tmp_path / "sprung"))
    model = algorithm("MultiInputPolicy", env, policy_kwargs=kwargs, seed=0, device="cpu", learning_rate=rate)
    model.save(tmp_path / "model.zip")
    fresh = DECODERS["weighted"]()
    read = SB3Recommender.from_zip(tmp_path / "model.zip", algorithm, fresh, horizon=10)
    assert not (tmp_path / "sprung").exists(), "what a policy does not need was unpickled"
    assert (read.name, read.horizon) == (algorithm.__name__, 10)
    read.fit(world.train, world.dataset.catalogue).save(tmp_path / "policy")
    loaded = load_recommender(str(tmp_path / "policy")).fit(world.train, world.dataset.catalogue)
    rows = env.get_attr("unwrapped")[0]
    env.reset()
    observation = rows._sessions.observe()
    expected = SB3Recommender(model.policy, decoder, horizon=10).recommend(observation, K)
    np.testing.assert_array_equal(loaded.recommend(observation, K), expected)


def test_what_is_no_policy_file_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match="no file"):
        SB3Recommender.from_zip(tmp_path / "none.zip", PPO, NamedItems())
    (tmp_path / "text.zip").write_text("no zip")
    with pytest.raises(ValueError, match="holds no policy of PPO"):
        SB3Recommender.from_zip(tmp_path / "text.zip", PPO, NamedItems())


def test_policies_of_other_items_decoders_and_observations_are_refused(world, make_dataset):
    log, catalogue = world.train, world.dataset.catalogue
    decoder = DECODERS["weighted"]().fit(log, catalogue)
    env = make_env(world, decoder, 2, parts=NEEDED)
    policy = PPO("MultiInputPolicy", env, policy_kwargs=extractor(catalogue), device="cpu").policy
    other = make_dataset(n_items=60)
    with pytest.raises(ValueError, match="trained on a catalogue of 80 items, this one has 60"):
        SB3Recommender(policy, decoder).fit(other.interactions, other.catalogue)
    with pytest.raises(ValueError, match=r"answers with Box\(.*its decoder NearestItems takes"):
        SB3Recommender(policy, NearestItems(4)).fit(log, catalogue)
    env.reset()
    observation = dict(env.get_attr("unwrapped")[0]._sessions.observe())
    recommender = SB3Recommender(policy, decoder).fit(log, catalogue)
    wide = np.pad(observation["profile"], ((0, 0), (0, 1)))
    with pytest.raises(ValueError, match="trained on a 'profile' of shape"):
        recommender.recommend(observation | {"profile": wide}, K)
    del observation["profile"]
    with pytest.raises(ValueError, match=r"looks at \['profile'\]"):
        recommender.recommend(observation, K)


def test_what_cannot_be_saved_or_built_is_said(world, tmp_path):
    decoder = DECODERS["weighted"]().fit(world.train, world.dataset.catalogue)
    env = make_env(world, decoder, 2, parts=NEEDED)

    class Own(SessionFeatures):
        """Not known."""

    kwargs = extractor(world.dataset.catalogue)
    own = PPO("MultiInputPolicy", env, policy_kwargs=kwargs | {"features_extractor_class": Own}, device="cpu")
    with pytest.raises(TypeError, match="cannot save features_extractor_class"):
        describe_policy(own.policy)
    description, arrays = describe_policy(PPO("MultiInputPolicy", env, policy_kwargs=kwargs, device="cpu").policy)
    with pytest.raises(ValueError, match="cannot be built"):
        build_policy(description | {"class": {"class": "os.system"}}, arrays)
    with pytest.raises(ValueError, match="cannot be built"):
        build_policy(description, {name: value for name, value in arrays.items() if "action_net" not in name})
    decoder.save(tmp_path)
    with pytest.raises(ValueError, match="holds a saved WeightedFeatures"):
        SB3Recommender.load(tmp_path)


def test_training_finds_what_users_like(world):
    """From 2,000 steps a policy that began undecided learns to show what is rare, and says so in its weights."""
    decoder = DECODERS["weighted"]().fit(world.train, world.dataset.catalogue)
    model = PPO(
        "MultiInputPolicy",
        make_env(world, decoder, 16, parts=NEEDED),
        n_steps=16,
        batch_size=64,
        n_epochs=6,
        learning_rate=3e-3,
        gamma=0.5,
        seed=0,
        device="cpu",
        policy_kwargs=extractor(world.dataset.catalogue) | {"net_arch": [16]},
    )
    recommender = SB3Recommender(model.policy, decoder, horizon=10)
    plan = SessionPlan.draw(12, episodes_per_user=3, seed=5)

    def value(one):
        return simulate(one, world, plan, slate_size=K, max_episode_steps=10, history_length=10).returns.mean()

    before = value(recommender)
    model.learn(2_048)
    rare = value(LeastPopular().fit(world.train, world.dataset.catalogue))
    assert before < 0.5 * rare
    assert value(recommender) > 0.9 * rare
