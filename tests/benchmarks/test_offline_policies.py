"""Logs are collected, learners read them, a held-out log makes its promises, and the same sessions judge everybody."""

from pathlib import Path

import pytest
import tyro

from personagym_benchmarks.cli.offline_policies import OfflinePoliciesCommand
from personagym_env.evaluation.off_policy.offline_policies import OfflineComparison
from personagym_recommenders import load_recommender

SIZE = {
    "users": "bias",
    "static": ("popular", "best-rated"),
    "logging": "popular",
    "pool": 70,
    "conservatism": ("0.01",),
    "episodes": 40,
    "held-out": 30,
    "steps": 8,
    "online-steps": 64,
    "longest": 4,
    "judged": 1,
    "resamples": 20,
}


def test_everybody_is_judged_and_asked_about(
    small_log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = []
    for name, value in SIZE.items():
        given += [f"--{name}", *(value if isinstance(value, tuple) else (str(value),))]
    places = ["--dataset", str(small_log), "--folder", str(tmp_path / "run"), "--output", str(tmp_path / "found.json")]
    tyro.cli(OfflinePoliciesCommand, args=[*places, *given]).main()
    found = OfflineComparison.load(tmp_path / "found.json")
    names = [row.recommender for row in found.rows]
    learners = ["BC", "CQL 0.01", "IQL 0.8"]
    uniform = [f"{name}, uniform log" for name in learners]
    policies = ["logging policy", "uniform policy"]
    assert names == [*policies, "popular", "best-rated", *learners, *uniform, "PPO online", "OracleGreedy"]
    asked = {row.recommender for row in found.rows if row.promised is not None}
    assert asked == {"popular", "best-rated", *learners}
    assert found.chosen in asked
    assert 0 <= found.regret_share <= 1
    assert found.differences[0].right == "logging policy"
    assert (found.differences[-1].left, found.differences[-1].right) == ("CQL 0.01, uniform log", "BC, uniform log")
    assert "Off-policy evaluation would deploy" in " ".join(capsys.readouterr().out.split())
    assert any((tmp_path / "run" / "tensorboard").iterdir())
    assert load_recommender(str(tmp_path / "run" / "logging-policy" / "IQL-0.8")).name == "IQL 0.8"
