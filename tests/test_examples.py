"""The examples run, on a log small enough for seconds, and leave what they promise."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]


def run(example: str, **options: object) -> str:
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / example), *words],
        cwd=ROOT,
        env=os.environ | {"COLUMNS": "200", "OMP_NUM_THREADS": "1", "MPLBACKEND": "agg"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 users with 60 of 150 items each, in RecBole's format: 12 rows per user are held out."""
    folder = tmp_path_factory.mktemp("data") / "small"
    folder.mkdir()
    rng = np.random.default_rng(0)
    rows = [
        f"u{user}\ti{item}\t{rng.integers(1, 6)}\t{60 * time}"
        for user in range(40)
        for time, item in enumerate(rng.choice(150, 60, replace=False))
    ]
    header = "user_id:token\titem_id:token\trating:float\ttimestamp:float"
    (folder / "small.inter").write_text("\n".join([header, *rows]) + "\n")
    return folder


@pytest.fixture(scope="module")
def trained(log: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `ppo.py` leaves behind."""
    folder = tmp_path_factory.mktemp("ppo")
    size = {"pool": 90, "steps": 512, "envs": 8, "rollout": 16, "judges": 10, "points": 3}
    told = run("ppo.py", dataset=log, users="bias", output=folder, **size)
    assert "512 steps in" in told
    return folder


def test_ppo_leaves_policy_curve_and_figures(trained: Path) -> None:
    figures = json.loads((trained / "training.json").read_text())
    assert [point["steps"] for point in figures["curve"]] == [0, 256, 512]
    assert set(figures["static"]) == {"MostPopular", "BestRated", "ItemKNN", "EASE"}
    for low, high in ((point["return"][1], point["return"][2]) for point in figures["curve"]):
        assert 0 <= low <= high <= 50
    assert (trained / "curve.png").read_bytes().startswith(b"\x89PNG")
    assert (trained / "policy" / "recommender.safetensors").is_file()


def test_compare_policies_shows_everybody_beside_real_value(log: Path, trained: Path, tmp_path: Path) -> None:
    size = {"judges": 20, "episodes": 1, "warm-up": 10, "resamples": 20}
    output = tmp_path / "policies.json"
    told = run("compare_policies.py", dataset=log, users="bias", policy=trained / "policy", output=output, **size)
    names = (
        "Random",
        "MostPopular",
        "BestRated",
        "ItemKNN",
        "EASE",
        "OracleGreedy",
        "LinUCB",
        "LinearThompson",
        "PPO",
    )
    for name in names:
        assert f"{name}: return" in told
        assert f"│ {name} " in told
    assert "real value" in told
    assert "PPO less the best static recommender" in told
    assert "20 sessions each with users bias" in told
    written = json.loads(output.read_text())
    assert tuple(line["recommender"] for line in written["rows"]) == names
    assert [lead["recommender"] for lead in written["leads"]] == ["LinUCB", "LinearThompson", "PPO"]
    for line in written["rows"]:
        value, low, high = line["real"]
        assert 1 <= low <= value <= high <= written["best"][2]
