"""The comparison of policies trains one, leaves it with its curve, and judges everybody by the same sessions."""

import re
from pathlib import Path

import pytest
import tyro

from personagym_benchmarks.cli.policies import PoliciesCommand
from personagym_benchmarks.policies.training import LearningCurve
from personagym_env.evaluation.leaderboard.policies import PolicyComparison
from personagym_recommenders import load_recommender

NAMES = ("random", "popular", "best-rated", "item-knn", "ease", "oracle-greedy", "linucb", "thompson", "PPO")


def command(log: Path, output: Path, *given: str) -> PoliciesCommand:
    size = ("--users", "bias", "--judges", "20", "--episodes", "1", "--warm-up", "10", "--resamples", "20")
    places = ("--dataset", str(log), "--folder", str(output / "ppo"), "--output", str(output / "policies.json"))
    return tyro.cli(PoliciesCommand, args=[*size, *places, *given])


def test_a_policy_is_trained_and_everybody_is_judged(
    small_log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    size = {"steps": 512, "envs": 8, "rollout": 16, "judges": 10, "points": 3, "pool": 90}
    training = [word for name, value in size.items() for word in (f"--training.{name}", str(value))]
    command(small_log, tmp_path, *training).main()
    told = capsys.readouterr().out
    for name in NAMES:
        assert f"{name}: return" in told
        assert re.search(rf"^\W*{re.escape(name)} ", told, re.MULTILINE), "a row of the table begins with the name"
    found = PolicyComparison.load(tmp_path / "policies.json")
    assert [one.hash is None for one in found.benchmarks.values()] == [False]
    assert tuple(row.recommender for row in found.rows) == NAMES
    assert (found.users, found.sessions) == ("bias", 20)
    assert [one.left for one in found.differences] == ["linucb", "thompson", "PPO"]
    for row in found.rows:
        assert 1 <= row.real.low <= row.real.value <= row.real.high <= found.best.high
    curve = LearningCurve.load(tmp_path / "ppo" / "curve.json")
    assert [point.steps for point in curve.points] == [0, 256, 512]
    assert set(curve.static) == {"popular", "best-rated", "item-knn", "ease"}
    for point in curve.points:
        assert 0 <= point.value.low <= point.value.high <= 50
    assert "user-steps of training" in (tmp_path / "ppo" / "curve.svg").read_text()
    policy = tmp_path / "ppo" / "policy"
    assert load_recommender(str(policy)).name == "PPO"
    # The same policy, given by its folder, earns the same.
    command(small_log, tmp_path / "again", "--policy", str(policy), "--bandits", "--static", "popular").main()
    again = PolicyComparison.load(tmp_path / "again" / "policies.json")
    earned = {row.recommender: row.simulated for row in found.rows}
    assert {row.recommender: row.simulated for row in again.rows} == {
        name: earned[name] for name in ("random", "popular", "oracle-greedy", "PPO")
    }
