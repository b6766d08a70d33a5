"""The examples run, on a log small enough for seconds, and do what they promise."""

import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from personagym_recommenders import load_recommender

EXAMPLES = Path(__file__).parents[1] / "examples"
LONGEST = 150
"""Lines that an example may have."""


def run(example: str, **options: object) -> str:
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / example), *words],
        env=os.environ | {"COLUMNS": "200", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_examples_are_short_and_tested(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LONGEST
    assert f"{path.name}" in Path(__file__).read_text() or path.name == "own_recommender.py"  # in the conformance tests


def test_the_gymnasium_loop_tells_of_each_session(small_log: Path) -> None:
    told = run("gymnasium_loop.py", dataset=small_log, agent="bias", episodes=4).splitlines()
    assert len(told) == 4
    line = r"user \d+ (left|was cut off) after \d+ slates: \d+ clicks, return \d+\.\d\d"
    assert all(re.fullmatch(line, session) for session in told)


def test_sb3_leaves_a_policy_that_is_a_recommender(small_log: Path, tmp_path: Path) -> None:
    told = run("sb3.py", dataset=small_log, agent="bias", steps=256, num_envs=4, judged=4, output=tmp_path / "policy")
    assert re.search(r"mean return \d+\.\d\d before, \d+\.\d\d after 256 user-steps", told)
    assert load_recommender(str(tmp_path / "policy")).name == "PPO"


def test_ppo_tells_how_it_learns(small_log: Path) -> None:
    size = {"steps": 256, "num_envs": 8, "num_steps": 16, "dimensions": 4}
    told = run("ppo.py", dataset=small_log, agent="bias", **size).splitlines()
    assert re.fullmatch(r" +256 steps, +\d+ s: mean return \d+\.\d\d", told[-1])


def test_rllib_meets_users_as_vectors_and_answers_with_queries(small_log: Path) -> None:
    """RLlib itself has an environment of its own, and what it wrote there is in the repository."""
    example = EXAMPLES / "rllib" / "ppo.py"
    assert len(example.read_text().splitlines()) <= LONGEST
    make_users = runpy.run_path(str(example))["make_users"]
    env = make_users({"num_envs": 3, "dataset": str(small_log), "agent": "bias", "dimensions": 4})
    observation, _ = env.reset(seed=0)
    assert observation in env.observation_space
    before = observation
    for _ in range(3):
        observation, reward, *_ = env.step(env.action_space.sample())
        assert reward.shape == (3,)
    assert observation in env.observation_space
    assert (observation != before).any()
    told = json.loads((example.parent / "output.json").read_text())
    assert len(told["iterations"]) == 40
    assert told["versions"]["gymnasium"].startswith("1.2.")


def test_offline_rl_deploys_what_the_log_promises_most_of(small_log: Path, tmp_path: Path) -> None:
    size = {"episodes": 40, "steps": 8, "judged": 3}
    told = run("offline_rl.py", dataset=small_log, agent="bias", output=tmp_path, **size, **{"held-out": 30})
    chosen = re.search(r"^(.+) is deployed: mean return \d+\.\d\d$", told, re.MULTILINE)
    assert chosen is not None
    assert load_recommender(str(tmp_path / chosen[1])).name == chosen[1]


def test_what_torchrl_learns_from_an_exported_log_comes_back_and_plays(small_log: Path, tmp_path: Path) -> None:
    size = {"episodes": 30, "steps": 5, "batch": 16, "judged": 5}
    told = run("torchrl_cql.py", dataset=small_log, agent="bias", output=tmp_path, **size)
    assert re.search(r"^logging policy: mean return \d+\.\d\d\ntorchrl CQL: mean return \d+\.\d\d$", told, re.MULTILINE)
    assert list(tmp_path.glob("minari/personagym/*/data/29")), "Minari did not get all sessions"
