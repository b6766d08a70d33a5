"""The benchmark hash: what moves it, what does not, and who refuses to mix."""

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pytest

from personagym_env import PersonaRecVectorEnv, SessionParameters, World, make_world
from personagym_env.benchmark import BEHAVIOUR, Benchmark, refuse_mixed, user_hashes
from personagym_env.data.splits import temporal_split
from personagym_env.data.tables import Dataset
from personagym_env.protocols import UserFingerprint

NAMES = [assumption.name for assumption, _ in SessionParameters().assumptions()]
WHAT_HAPPENS = "747e3173"
"""Of behaviour 2."""


@dataclass(frozen=True)
class KnownAgent:
    """Users who can tell what they are."""

    agent: Any
    fingerprint: UserFingerprint | None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.agent, name)


@pytest.fixture(scope="module")
def world(dataset: Dataset, agent: Any) -> World:
    return make_world(dataset, KnownAgent(agent, UserFingerprint("ab" * 32, "cd" * 32)))


def test_the_same_world_has_the_same_hash(world: World) -> None:
    again = make_world(world.dataset, world.agent)
    assert again is not world
    assert world.benchmark_hash is not None
    assert again.benchmark == world.benchmark
    assert world.benchmark_hash in str(world.benchmark)


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_moves_the_hash(name: str, world: World) -> None:
    part, _, field = name.partition(".")
    value = world.parameters.to_dict()[part][field]
    other = replace(
        world,
        parameters=world.parameters.updated({part: {field: 2 if field == "max_sessions" else 0.9 * value or 0.5}}),
    )
    assert other.benchmark_hash != world.benchmark_hash
    assert world.benchmark.differences(other.benchmark) == [
        f"session parameters {world.benchmark.parameters} and {other.benchmark.parameters}"
    ]


def test_late_digits_of_a_fit_do_not_move_the_hash(world: World) -> None:
    """Two machines fit the same parameters to about eight digits."""
    values = {
        part: {field: value * (1 + 1e-9) for field, value in fields.items() if field != "max_sessions"}
        for part, fields in world.parameters.to_dict().items()
    }
    assert replace(world, parameters=world.parameters.updated(values)).benchmark_hash == world.benchmark_hash


def changed_data(data: Dataset) -> dict[str, Dataset]:
    """Data sets that differ in one thing."""
    catalogue, log = data.catalogue, data.interactions
    genres = catalogue.genres.copy()
    genres[3, 0] = ~genres[3, 0]
    ratings = log.ratings.copy()
    ratings[-1] = 6 - ratings[-1] if ratings[-1] != 3 else 4
    assert log.timestamps is not None
    texts = {
        "title": replace(catalogue, titles=("Another", *catalogue.titles[1:])),
        "year": replace(catalogue, years=catalogue.years + 1),
        "genre": replace(catalogue, genres=genres),
        "name of a genre": replace(catalogue, genre_names=("another", *catalogue.genre_names[1:])),
        "item id": replace(catalogue, ids=("another", *catalogue.ids[1:])),
    }
    people = replace(data.users, attributes={"age": ("31", *data.users.attributes["age"][1:])})
    logs = {"rating": replace(log, ratings=ratings), "time": replace(log, timestamps=log.timestamps + 1)}
    return {
        **{name: replace(data, catalogue=one) for name, one in texts.items()},
        **{name: replace(data, interactions=one) for name, one in logs.items()},
        "attribute": replace(data, users=people),
        "user id": replace(data, users=replace(data.users, ids=("another", *data.users.ids[1:]))),
    }


@pytest.mark.parametrize(
    "what", ["title", "year", "genre", "name of a genre", "item id", "rating", "time", "attribute", "user id"]
)
def test_everything_in_the_data_moves_the_hash(what: str, world: World) -> None:
    other = replace(world, dataset=changed_data(world.dataset)[what])
    assert other.benchmark_hash != world.benchmark_hash
    assert other.benchmark.data != world.benchmark.data


def test_the_name_of_the_data_set_does_not(world: World) -> None:
    assert replace(world, dataset=replace(world.dataset, name="mine")).benchmark_hash == world.benchmark_hash


def test_users_and_known_rows_move_the_hash_and_other_rows_may_be_compared(world: World) -> None:
    shorter = make_world(world.dataset, world.agent, train_share=0.5, parameters=world.parameters.to_dict())
    assert shorter.benchmark_hash != world.benchmark_hash
    assert shorter.benchmark.differences(world.benchmark) == []
    fingerprints = [UserFingerprint("ab" * 32, "ef" * 32), UserFingerprint("12" * 32, "cd" * 32)]
    same_rows, other_rows = (replace(world, agent=KnownAgent(world.agent, found)) for found in fingerprints)
    assert len({same_rows.benchmark_hash, other_rows.benchmark_hash, world.benchmark_hash}) == 3
    (told,) = world.benchmark.differences(same_rows.benchmark)
    assert told == f"users table@{'ab' * 6} with weights {'cd' * 6} and {'ef' * 6}"
    assert world.benchmark.differences(other_rows.benchmark) == []


@pytest.mark.parametrize("fingerprint", ["none", "missing"])
def test_users_who_cannot_tell_have_no_hash(fingerprint: str, world: World, agent: Any) -> None:
    unknown = replace(world, agent=KnownAgent(agent, None) if fingerprint == "none" else agent)
    assert unknown.benchmark_hash is None
    assert "benchmark unknown" in str(unknown.benchmark)
    assert "table (unknown)" in str(unknown.benchmark)


def test_a_record_that_was_edited_is_refused(world: World) -> None:
    record = asdict(world.benchmark)
    assert Benchmark(**record) == world.benchmark
    with pytest.raises(ValueError, match="it was edited"):
        Benchmark(**record | {"parameters": "0" * 12})


def test_different_benchmarks_are_not_mixed(world: World, agent: Any) -> None:
    one = {"films": world.benchmark}
    other = {"films": replace(world, dataset=changed_data(world.dataset)["title"]).benchmark}
    unknown = {"films": replace(world, agent=agent).benchmark}
    refuse_mixed({"a board": one, "a study": one, "of others": unknown, "an old one": {}})
    refuse_mixed({"a board": one, "of other data": {"dishes": other["films"]}})
    with pytest.raises(ValueError, match=r"a board and a study were measured in different.* on 'films'.* data"):
        refuse_mixed({"a board": one, "an old one": {}, "a study": other})


def test_what_was_only_asked_may_stand_beside_sessions(world: World) -> None:
    asked = Benchmark.of(world.dataset, user_hashes([world.agent]))
    assert asked.hash not in (None, world.benchmark_hash)
    assert asked.differences(world.benchmark) == world.benchmark.differences(asked) == []
    assert "session parameters" not in str(asked)


def test_an_earlier_behaviour_is_another_benchmark(world: World) -> None:
    earlier = Benchmark.of(
        world.dataset, user_hashes([world.agent]), known=world.train, parameters=world.parameters, behaviour=1
    )
    assert earlier.hash != world.benchmark_hash
    (told,) = world.benchmark.differences(earlier)
    assert told == f"environment PersonaRec-v0, behaviour {BEHAVIOUR} and PersonaRec-v0, behaviour 1"


def test_behaviour_has_a_version(dataset: Dataset, make_agent: Callable[..., Any]) -> None:
    """What happens under a seed.

    If this fails, sessions go another way than they did: raise BEHAVIOUR, say in docs/changelog.md what moved, and
    write the digest that it has now here.
    """
    parameters = {
        "returning": {"max_sessions": 4, "location": 0.0},
        "drift": {"scale": 0.1},
        "leaving": {"intercept": -1.5},
    }
    train = temporal_split(dataset.interactions, 0.8).train
    world = World(dataset, train, make_agent(weariness=0.05), SessionParameters().updated(parameters))
    env = PersonaRecVectorEnv(world, 8, 4, autoreset_mode="SameStep", max_episode_steps=20)
    rng, digest = np.random.default_rng(0), hashlib.sha256()
    env.reset(seed=0)
    for _ in range(40):
        observation, reward, terminated, truncated, info = env.step(rng.integers(0, 80, (8, 4)))
        whole = (observation["user"], observation["history_items"], observation["step"], info["session"])
        for array in (*whole, terminated, truncated, np.rint(100 * reward)):
            digest.update(np.asarray(array, "<i8").tobytes())
    assert (BEHAVIOUR, digest.hexdigest()[:8]) == (2, WHAT_HAPPENS)
