"""The benchmarks of speed, at sizes at which they are done in seconds; what they measure then says nothing."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def run(script: str, output: Path, *options: str) -> dict[str, object]:
    """The results that a script writes."""
    command = [sys.executable, str(ROOT / "benchmarks" / f"{script}.py"), "--output", str(output), *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads(output.read_text())
    assert isinstance(result, dict)
    return result


def test_throughput(tmp_path: Path) -> None:
    options = ("--classical-envs", "1", "8", "--language-envs", "2", "--repeats", "2", "--seconds", "0.05")
    result = run("throughput", tmp_path / "throughput.json", *options)
    rates = [(rate["users"], rate["envs"]) for rate in result["rates"]]
    assert rates[:3] == [("mf", 1), ("mf", 8), ("persona", 2)]
    assert all(0 < rate["low"] <= rate["median"] <= rate["high"] for rate in result["rates"])
    assert all(len(shares) == 5 for shares in result["profiles"].values())


def test_growth(tmp_path: Path) -> None:
    result = run("growth", tmp_path / "growth.json", "--users", "30", "60", "--seconds", "0.01")
    assert [size["users"] for size in result["sizes"]] == [30, 60]
    assert all(size["step_us"] > 0 and size["reset_us"] > 0 for size in result["sizes"])


def test_ppo(tmp_path: Path) -> None:
    pytest.importorskip("stable_baselines3")
    result = run("ppo_throughput", tmp_path / "ppo.json", "--envs", "4", "--rollout", "4", "--repeats", "1")
    (comparison,) = result["comparisons"]
    low, high = comparison["ratio"][1:]
    assert low == high == comparison["ratio"][0] > 0
    assert comparison["user_steps"].keys() == {"SB3VecEnv", "DummyVecEnv"}
    assert all(0 < share < 1 for share in comparison["update_share"].values())
