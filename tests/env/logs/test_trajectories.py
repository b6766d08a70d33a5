"""Trajectories tell what the log tells, and the satisfaction that the environment itself had."""

import json
from pathlib import Path

import numpy as np
import pytest

from fixtures.small_logs import EPISODES, HISTORY, LONGEST, Collected, K
from personagym_env.logs.sessions import open_log
from personagym_env.logs.trajectories import export_trajectories, turn_satisfaction
from personagym_env.vector_env import PersonaRecVectorEnv
from personagym_env.world import make_world


def test_satisfaction_is_that_of_the_environment(collected: Collected) -> None:
    batch = next(open_log(collected.folder).batches())
    found = turn_satisfaction(batch, collected.world.dynamics)
    env = PersonaRecVectorEnv(collected.world, 5, K, max_episode_steps=LONGEST, history_length=HISTORY)
    env.reset(seed=collected.header.seed)
    # Row i of part 0 begins with episode 4 i.
    rows = [np.flatnonzero(batch.episode == 4 * row) for row in range(5)]
    for step in range(min(len(one) for one in rows)):
        *_, info = env.step(batch.slate[[one[step] for one in rows]])
        np.testing.assert_allclose(found[[one[step] for one in rows]], info["latent"]["satisfaction"], atol=1e-6)
    assert found.std() > 0.01


def test_lines_are_episodes_of_turns(collected: Collected, tmp_path: Path) -> None:
    log, path = open_log(collected.folder), tmp_path / "some" / "trajectories.jsonl"
    assert export_trajectories(log, collected.world, path) == EPISODES
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    batch = log.read()
    assert [line["episode"] for line in lines] == np.unique(batch.episode).tolist()
    turns = [turn for line in lines for turn in line["turns"]]
    assert len(turns) == len(batch)
    for row, turn in enumerate(turns):
        took = batch.item[row] >= 0
        assert turn["taken"] == (f"i{batch.item[row]}" if took else None)
        assert turn["rating"] == (batch.rating[row] if took else None)
        assert turn["slate"] == [f"i{item}" for item in batch.slate[row]]
    assert lines[0]["attributes"] == {"age": "30"}
    assert {line["left"] for line in lines} == {True, False}
    assert export_trajectories(log, collected.world, path, episodes=3) == 3


def test_what_a_log_cannot_tell_is_refused(collected: Collected, tmp_path: Path) -> None:
    world = collected.world
    several = make_world(world.dataset, world.agent, parameters={"returning": {"max_sessions": 3}})
    with pytest.raises(ValueError, match="this world has up to 3 sessions"):
        export_trajectories(open_log(collected.folder), several, tmp_path / "trajectories.jsonl")
    assert not list(tmp_path.iterdir())
