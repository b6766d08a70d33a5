"""The benchmarks of speed, at sizes at which they are done in seconds; what they measure then says nothing."""

import importlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tyro

from personagym_env.data.tables import Dataset
from personagym_env.protocols import UserAgent
from personagym_env.session.parameters import SessionParameters
from personagym_env.vector_env import PersonaRecVectorEnv
from personagym_env.world import World

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(autouse=True)
def _found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scripts import each other as `speed`."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def run(script: str, output: Path, *options: str) -> dict[str, Any]:
    """The results that a script writes, in this process, which has imported what all of them need."""
    module = importlib.import_module(f"speed.{script}")
    module.main(tyro.cli(module.Args, args=["--output", str(output), *options]))
    result = json.loads(output.read_text())
    assert isinstance(result, dict)
    return result


def test_throughput(tmp_path: Path) -> None:
    sizes = ("--classical-envs", "1", "8", "--language-envs", "2", "--frozen-envs", "8")
    options = (*sizes, "--filling-items", "12", "--filling-steps", "8", "--repeats", "2", "--seconds", "0.05")
    result = run("throughput", tmp_path / "throughput.json", *options)
    rates = [(rate["users"], rate["envs"]) for rate in result["rates"]]
    assert rates[:4] == [("mf", 1), ("mf", 8), ("frozen mf, table full", 8), ("persona", 2)]
    assert all(0 < rate["low"] <= rate["median"] <= rate["high"] for rate in result["rates"])
    assert all(len(shares) == 5 for shares in result["profiles"].values())
    times, low, high = result["frozen"]["times_classical"]
    assert 0 < low <= times <= high
    known = [step["known"] for step in result["frozen"]["filling"]["steps"]]
    assert known == sorted(known)
    assert known[0] == 0 < known[-1] <= 1


def test_growth(tmp_path: Path) -> None:
    result = run("growth", tmp_path / "growth.json", "--users", "30", "60", "--seconds", "0.01")
    small, large = result["sizes"]
    assert (small["users"], large["users"]) == (30, 60)
    assert all(size["step_us"] > 0 and size["reset_us"] > 0 for size in (small, large))
    assert 0 < small["held_mb"] <= small["peak_mb"]
    assert small["further_kb"] is None
    # A user has 20 rows of the log, a diary of the session, an observation: kilobytes, not megabytes.
    assert 1 < large["further_kb"] < 100
    assert large["memory_kb"] == pytest.approx(1024 * large["held_mb"] / 60)
    shares = result["profile"]["time_shares"]
    assert len(shares) == 5
    assert result["profile"]["next_bottleneck"] == max(shares, key=shares.get)


def test_cold_start(tmp_path: Path) -> None:
    result = run("cold_start", tmp_path / "cold_start.json", "--users", "mf", "--repeats", "1")
    first, later = result["starts"]
    assert (first["first"], later["first"]) == (True, False)
    assert 0 < later["median"] < first["median"]
    assert later["modules"] == []


def test_collect(tmp_path: Path) -> None:
    result = run("collect", tmp_path / "collect.json", "--users", "bias", "--episodes", "64", "--repeats", "1")
    assert [rate["candidates"] for rate in result["rates"]] == [100, None]
    for rate in result["rates"]:
        assert 0 < rate["low"] == rate["median"] == rate["high"]
        assert rate["processor_median"] > 0


def test_mixed_adapters(tmp_path: Path) -> None:
    sizes = ("--adapters", "3", "--width", "128", "--layers", "3", "--users", "4")
    result = run("mixed_adapters", tmp_path / "mixed.json", *sizes, "--repeats", "1", "--seconds", "0.01")
    rates = {rate["way"]: rate for rate in result["rates"]}
    ways = {"merged weights", "low-rank by run", "low-rank stacked", "peft's mixed batch", "a model per adapter"}
    assert set(rates) == ways
    assert all(rate["largest_difference"] < 1e-4 for rate in rates.values())
    assert rates["merged weights"]["weights_mb"] > rates["low-rank by run"]["weights_mb"]
    assert set(result["fastest"]) == {"width 128, 3 adapters"}


def test_ppo(tmp_path: Path) -> None:
    pytest.importorskip("stable_baselines3")
    result = run("ppo_throughput", tmp_path / "ppo.json", "--envs", "4", "--rollout", "4", "--repeats", "1")
    (comparison,) = result["comparisons"]
    low, high = comparison["ratio"][1:]
    assert low == high == comparison["ratio"][0] > 0
    assert comparison["user_steps"].keys() == {"SB3VecEnv", "DummyVecEnv"}
    assert all(0 < share < 1 for share in comparison["update_share"].values())


def test_a_loss_of_a_fifth_is_told() -> None:
    module = importlib.import_module("speed.baseline")
    kept = json.loads(module.BASELINE.read_text())
    assert all(ratio > 1 for ratio in kept.values())
    assert module.losses(kept, kept) == []
    first, *others = kept
    slower = {first: 0.79 * kept[first], **{name: 0.81 * kept[name] for name in others[1:]}}
    assert module.losses(slower, kept) == [
        f"{others[0]}: not measured, {kept[others[0]]:.1f} before",
        f"{first}: {slower[first]:.1f}, {kept[first]:.1f} before",
    ]


REHEARSED = ("--device", "cpu", "--models", "tiny", "--users", "2", "--envs", "2", "--gemm", "64", "--no-training")


@pytest.mark.slow
def test_gpu(tmp_path: Path) -> None:
    command = ["bash", str(BENCHMARKS / "speed" / "gpu.sh"), *REHEARSED, "--repeats", "1", "--seconds", "0.01"]
    surrounding = os.environ | {"OUT": str(tmp_path), "PYTHON": sys.executable}
    done = subprocess.run(command, env=surrounding, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "gpu.json").read_text())
    (rate,) = result["rates"]
    assert rate["low"] == rate["median"] == rate["high"] > 0
    assert rate["gemm_share"] > 0
    assert result["user_steps"]["2"] > 0
    assert result["training_seconds"] is None


def test_a_long_log_is_watched_as_it_is_written(tmp_path: Path) -> None:
    memory = importlib.import_module("speed.process_memory")
    resident, private = memory.resident_and_private_mb()
    assert 0 < private <= resident
    with memory.watched(tmp_path) as watch:
        (tmp_path / "part-000000.parquet").touch()
        while watch.first_part is None:
            time.sleep(0.01)
    assert 0.5 * private / 2**10 < watch.peak_gb < 2**10


def test_users_of_a_long_log_never_leave(dataset: Dataset, agent: UserAgent) -> None:
    scale = importlib.import_module("speed.scale")
    world = scale.never_leaving(World(dataset, dataset.interactions, agent, SessionParameters()))
    env = PersonaRecVectorEnv(world, 8, slate_size=2)
    env.reset(seed=0)
    for _ in range(20):
        assert not env.step(np.tile([0, 1], (8, 1)))[2].any()


def test_a_script_is_a_program() -> None:
    """From a folder of its own, with what it shares with others found."""
    command = [sys.executable, str(BENCHMARKS / "speed" / "growth.py"), "--help"]
    done = subprocess.run(command, cwd=BENCHMARKS.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--users" in done.stdout
