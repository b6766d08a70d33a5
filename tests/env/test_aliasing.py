"""What goes in and what comes out belongs to the caller, who may write into it: nothing of the environment changes."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from personagym_env import PersonaRecEnv, PersonaRecVectorEnv, World, make_world
from personagym_env.data.tables import Dataset, FloatArray, IntArray
from personagym_env.protocols import Reaction

N, K, STEPS = 3, 4, 12
MODES = ("NextStep", "SameStep", "Disabled")


@dataclass(frozen=True, eq=False)
class ThriftyAgent:
    """Users whose sessions answer from one buffer, which they fill again at every question."""

    agent: Any
    buffer: FloatArray

    def __getattr__(self, name: str) -> Any:
        return getattr(self.agent, name)

    def open(self, n: int) -> "ThriftyAgent":
        """The sessions, thrifty likewise."""
        return ThriftyAgent(self.agent.open(n), np.zeros((n, K), np.float32))

    def react(self, rows: IntArray, slates: IntArray) -> Reaction:
        """An answer that lasts until the next question."""
        answer = self.agent.react(rows, slates)
        self.buffer[: len(rows)] = answer.choice_probability
        return Reaction(self.buffer[: len(rows)], answer.rating)


@pytest.fixture(scope="module")
def worlds(dataset: Dataset, make_agent: Callable[..., Any]) -> dict[str, World]:
    agent = make_agent(weariness=0.05)
    brief = {"leaving": {"intercept": -1.0}}
    agents = {"table": agent, "thrifty": ThriftyAgent(agent, np.zeros((N, K), np.float32)), "mf": "mf"}
    return {name: make_world(dataset, users, parameters=brief) for name, users in agents.items()}


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, np.ndarray]]:
    """Every array in dictionaries, tuples and arrays of objects."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield from leaves(part, f"{path}/{key}")
    elif isinstance(value, tuple | list):
        for place, part in enumerate(value):
            yield from leaves(part, f"{path}/{place}")
    elif isinstance(value, np.ndarray) and value.dtype == object:
        yield from leaves(value.tolist(), path)
    elif isinstance(value, np.ndarray):
        yield path, value


def scribble(value: Any) -> set[str]:
    """Write nonsense into every array; their paths."""
    seen = set()
    for path, array in leaves(value):
        array[...] = ~array if array.dtype == np.bool_ else 77
        seen.add(path)
    return seen


class Player:
    """Plays one environment; the caller of a scribbling one spoils all that it gave and got, each time."""

    def __init__(self, env: Any, *, scribbling: bool) -> None:
        self.env, self.scribbling, self.spoiled = env, scribbling, set[str]()
        self.shape = (K,) if isinstance(env, PersonaRecEnv) else (N, K)

    def reset(self, options: dict[str, Any], seed: int | None = None) -> tuple[Any, ...]:
        """What comes, before anybody wrote into it."""
        came = self.env.reset(seed=seed, options=options)
        return self._seen(came, options)

    def step(self, rng: np.random.Generator) -> tuple[Any, ...]:
        """What comes, before anybody wrote into it, and which sessions have ended."""
        slates = rng.integers(0, 70, self.shape)
        came = self.env.step(slates)
        ended = np.asarray(came[2]) | np.asarray(came[3])
        return (*self._seen(came, {"slates": slates}), ended.copy())

    def _seen(self, came: Any, given: dict[str, Any]) -> tuple[Any, ...]:
        before = [(path, array.copy()) for path, array in leaves(came)]
        if self.scribbling:
            self.spoiled |= scribble(came) | scribble(given)
        return before, self.env.render()


def play(players: list[Player], *, restart: str) -> None:
    """Compare everything that comes, and what is drawn, over several sessions."""
    generators = [np.random.default_rng(1) for _ in players]
    users = {"user": np.array(3)} if restart == "single" else {"user": np.array([3, 1, 4])}
    first = [player.reset({name: value.copy() for name, value in users.items()}, seed=5) for player in players]
    np.testing.assert_equal(*first)
    for _ in range(STEPS):
        seen = [player.step(rng) for player, rng in zip(players, generators, strict=True)]
        np.testing.assert_equal(*(one[:2] for one in seen))
        ended = seen[0][2]
        if restart == "single" and ended:
            np.testing.assert_equal(*(player.reset({"user": np.array([7])}) for player in players))
        elif restart == "Disabled" and ended.any():
            np.testing.assert_equal(*(player.reset({"reset_mask": ended.copy()}) for player in players))


@pytest.mark.parametrize("agent", ["table", "thrifty", "mf"])
@pytest.mark.parametrize("restart", ["single", *MODES])
def test_callers_may_write_into_all_that_they_give_and_get(agent: str, restart: str, worlds: dict[str, World]) -> None:
    """In every autoreset mode: about thirty arrays, of actions, options, observations, infos and rewards."""

    def make() -> Any:
        if restart == "single":
            return PersonaRecEnv(worlds[agent], K, render_mode="ansi")
        return PersonaRecVectorEnv(worlds[agent], N, K, autoreset_mode=restart, render_mode="ansi")

    scribbler = Player(make(), scribbling=True)
    play([Player(make(), scribbling=False), scribbler], restart=restart)
    spoiled = {re.sub(r"^(/\d+)*/", "", path) for path in scribbler.spoiled}
    assert {"slates", "user", "profile", "latent/choice_probability", "latent/satiation", "examined"} <= spoiled
    assert len(scribbler.spoiled) >= 10 + 10 * (restart != "single")


def test_what_is_drawn_does_not_change_with_the_callers_buffer(worlds: dict[str, World]) -> None:
    env = PersonaRecEnv(worlds["table"], K, render_mode="ansi")
    env.reset(seed=1)
    slate = np.array([1, 2, 3, 4])
    env.step(slate)
    before = env.render()
    slate[:] = [5, 6, 7, 8]
    assert env.render() == before


def test_a_reset_has_an_info_of_the_same_form_as_a_step(worlds: dict[str, World]) -> None:
    """Keys, types, shapes and dtypes are the same, as those want it who store infos in arrays."""
    env = PersonaRecEnv(worlds["mf"], K)
    form = None
    for _ in range(4):
        infos = [env.reset(seed=2)[1]]
        over = False
        while not over:
            *_, terminated, truncated, info = env.step(np.arange(K))
            infos.append(info)
            over = terminated or truncated
        for info in infos:
            shape = [(path, type(value), np.shape(value), value.dtype) for path, value in flat(info)]
            assert form is None or shape == form
            form = shape


def flat(info: dict[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in info.items():
        if isinstance(value, dict):
            yield from flat(value, f"{path}/{key}")
        else:
            yield f"{path}/{key}", value


def test_a_reset_says_that_nothing_has_been_shown(worlds: dict[str, World]) -> None:
    _, info = PersonaRecEnv(worlds["mf"], K).reset(seed=0)
    assert info["clicked_item"] == info["clicked_place"] == -1
    assert (info["places"] == -1).all()
    assert not info["examined"].any()
    assert not any(info["reward_components"].values())
    assert info["latent"]["satisfaction"] == np.float32(worlds["mf"].parameters.satisfaction.initial)
    assert info["rating"] == info["gap_days"] == info["session"] == info["latent"]["hazard"] == 0
