"""Rendering: what text and image show, and the conventions of `gym.make`."""

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.passive_env_checker import env_render_passive_checker

from personagym_env import PersonaRecEnv, World, make_world
from personagym_env.data.tables import Dataset

K = 4
STAY = {"leaving": {"intercept": -1000.0, "satisfaction_weight": 0.0, "duration_weight": 0.0}}
ID = "PersonaRec-v0"
MODES = ("ansi", "rgb_array")
UNKNOWN = ("text", "rgb", "RGB_ARRAY", "depth_array", "depth_array_list", "ansi_list_list", "list", "_list", "", "html")


@pytest.fixture
def world(dataset: Dataset, agent: Any) -> World:
    return make_world(dataset, agent, parameters=STAY)


def test_rendering_shows_titles_wants_stars_and_the_end(dataset: Dataset, make_agent: Callable[..., Any]) -> None:
    parameters = {"leaving": {"intercept": 1000.0}, "choice": {"outside": -1000.0}}
    world = make_world(dataset, make_agent(choice_probability=0.25, rating=3), parameters=parameters)
    env = PersonaRecEnv(world, 2, render_mode="ansi")
    observation, _ = env.reset(seed=0)
    text = env.render()
    assert text is not None
    assert f"User u{observation['user']} (age 30; 16 ratings known" in text
    rated = int(world.train.items[world.train.indptr[observation["user"]]])
    fresh = next(i for i in range(80) if not world.train.contains(observation["user"], np.array([i]))[0])
    env.step(np.array([fresh, rated]))
    text = env.render()
    assert text is not None
    for part in (
        f"Film {fresh} ",
        "want  25%",
        "taken ★★★★☆ 4",
        "empty: rated before",
        "satisfaction █",
        "user leaves",
    ):
        assert part in text, part


def test_rendering_needs_a_mode_and_a_session(world: World) -> None:
    with pytest.raises(ValueError, match=r"one of \['ansi', 'rgb_array'\], got 'human'"):
        PersonaRecEnv(world, 4, render_mode="human")
    with pytest.raises(gym.error.ResetNeeded):
        PersonaRecEnv(world, 4, render_mode="ansi").render()


def is_frame(frame: Any, mode: str) -> bool:
    """Whether it is what Gymnasium expects of a mode: text, or an image (height, width, 3)."""
    if mode == "ansi":
        return isinstance(frame, str) and "satisfaction" in frame
    return isinstance(frame, np.ndarray) and frame.dtype == np.uint8 and frame.ndim == 3 and frame.shape[2] == 3


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("way", ["name", "module and name", "spec", "spec from JSON"])
@pytest.mark.parametrize("mode", [None, *MODES, *(f"{mode}_list" for mode in MODES)])
def test_modes_of_make(mode: str | None, way: str, arguments: dict[str, Any]) -> None:
    """A mode gives a frame, a mode with `_list` all frames since the last call, however the environment is named."""
    spec = gym.spec(ID)
    names = {"name": ID, "module and name": f"personagym_env:{ID}", "spec": spec}
    env = gym.make(
        names.get(way) or gym.envs.registration.EnvSpec.from_json(spec.to_json()),
        render_mode=mode,
        parameters=STAY,
        **arguments,
    )
    env.reset(seed=0)
    for _ in range(3):
        env.step(np.arange(K))
    assert env.render_mode == mode
    assert env.unwrapped.metadata["render_modes"] == list(MODES)
    if mode is None:
        with pytest.warns(UserWarning, match="does nothing without a render mode"):
            assert env.unwrapped.render() is None
    elif mode.endswith("_list"):
        frames = env.render()
        assert len(frames) == 4
        assert all(is_frame(frame, mode.removesuffix("_list")) for frame in frames)
        assert env.render() == []
    else:
        assert is_frame(env.render(), mode)
        env_render_passive_checker(env.unwrapped)


@pytest.mark.parametrize("mode", UNKNOWN)
def test_unknown_modes_are_warned_of_by_gymnasium_and_refused(mode: str, arguments: dict[str, Any]) -> None:
    with pytest.warns(UserWarning, match="not in the possible render_modes"), pytest.raises(ValueError, match="one of"):
        gym.make(ID, render_mode=mode, **arguments)
    with pytest.raises(ValueError, match="one of"):
        gym.make_vec(ID, num_envs=2, render_mode=mode, **arguments)


def test_human_rendering_is_gymnasiums_own(arguments: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pygame")
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    with pytest.warns(UserWarning, match="HumanRendering wrapper is being applied"):
        env = gym.make(ID, render_mode="human", **arguments)
    env.reset(seed=0)
    env.step(np.arange(K))
    env.close()


@pytest.mark.parametrize("kind", [None, "sync"])
@pytest.mark.parametrize("mode", MODES)
def test_vector_environments_give_a_frame_for_each_row(mode: str, kind: str | None, arguments: dict[str, Any]) -> None:
    env = gym.make_vec(ID, num_envs=3, vectorization_mode=kind, render_mode=mode, parameters=STAY, **arguments)
    single = gym.make(ID, render_mode=mode, parameters=STAY, **arguments)
    env.reset(seed=5)
    single.reset(seed=5)
    for _ in range(2):
        env.step(np.tile(np.arange(K), (3, 1)))
        single.step(np.arange(K))
    frames = env.render()
    assert len(frames) == 3
    assert all(is_frame(frame, mode) for frame in frames)
    np.testing.assert_array_equal(frames[0], single.render())


@pytest.mark.parametrize("mode", MODES)
def test_a_collected_video_has_one_size_and_rendering_changes_nothing(mode: str, arguments: dict[str, Any]) -> None:
    """Every frame of several episodes has the same shape, as encoders want it, and the sessions go on as without."""
    plain, drawn = (gym.make(ID, render_mode=m, **arguments) for m in (None, f"{mode}_list"))
    rng, frames = np.random.default_rng(0), []
    for seed in range(3):
        plain.reset(seed=seed)
        drawn.reset(seed=seed)
        over = False
        while not over:
            slate = rng.integers(0, 80, K)
            np.testing.assert_equal(plain.step(slate), step := drawn.step(slate))
            over = step[2] or step[3]
        frames += drawn.render()
    if mode == "rgb_array":
        assert {frame.shape for frame in frames} == {frames[0].shape}
        assert all(size % 16 == 0 for size in frames[0].shape[:2])
        assert len({frame.tobytes() for frame in frames}) > 3


def test_an_image_shows_what_was_taken_and_how_content_the_user_is(
    dataset: Dataset, make_agent: Callable[..., Any]
) -> None:
    """Green behind what was taken, and a green bar that grows with satisfaction."""

    def picture(rating: int, outside: float) -> np.ndarray:
        world = make_world(
            dataset,
            make_agent(choice_probability=0.9, rating=rating),
            parameters={**STAY, "choice": {"outside": outside}},
        )
        env = PersonaRecEnv(world, K, render_mode="rgb_array")
        user, _ = env.reset(seed=0)
        fresh = [i for i in range(80) if not world.train.contains(user["user"], np.array([i]))[0]][:K]
        env.step(np.array(fresh))
        frame = env.render()
        assert isinstance(frame, np.ndarray)
        return frame

    def pixels(frame: np.ndarray, colour: tuple[int, int, int]) -> int:
        return int((frame == colour).all(axis=2).sum())

    taken, content = (0xDC, 0xF3, 0xE0), (0x3A, 0xA6, 0x55)
    happy, sad, alone = picture(4, -1000.0), picture(0, -1000.0), picture(4, 1000.0)
    assert pixels(happy, taken) > 5000 < pixels(sad, taken)
    assert pixels(alone, taken) == 0
    assert pixels(happy, content) > pixels(sad, content) > 0
