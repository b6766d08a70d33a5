"""What somebody does who has just arrived: the commands from a fresh clone, and from an installed wheel."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE_ROOTS = (".", "agents", "recommenders", "benchmarks")


def run(command: list[str], folder: Path, **variables: str) -> str:
    """What a command prints that is run in a folder, with nothing of this checkout on the path but by `variables`."""
    environment = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "PYTHONHOME"}}
    done = subprocess.run(
        command, cwd=folder, env=environment | variables, capture_output=True, text=True, check=False, timeout=800
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_clone_stays_clean_and_its_tables_true(tmp_path: Path) -> None:
    """The README's commands in the README's order: what the first writes must not fail the second."""
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("this is no git checkout, so there is nothing to clone")
    clone = tmp_path / "clone"
    run(["git", "clone", "--quiet", "--no-local", "--depth", "1", f"file://{ROOT}", str(clone)], tmp_path)
    path = os.pathsep.join(str(clone / root) for root in SOURCE_ROOTS)
    program = (
        "import personagym_env; print(personagym_env.__file__); from personagym_benchmarks.cli import main; main()"
    )
    options = "leaderboard --agent mf --floors bias --users 5 --contestants random popular --no-reference"
    told = run([sys.executable, "-c", program, *options.split(), "--resamples", "50"], clone, PYTHONPATH=path)
    assert Path(told.splitlines()[0]).is_relative_to(clone)
    assert (clone / "runs" / "leaderboard.json").is_file()
    assert (clone / "runs" / "leaderboard.html").is_file()
    tables = "tests/test_docs.py::test_tables_are_those_of_the_results"
    assert "1 passed" in run([sys.executable, "-m", "pytest", "-q", tables], clone, PYTHONPATH=path)
    assert run(["git", "status", "--porcelain"], clone) == ""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the programs of a fresh environment into which the wheel was installed.

    What the wheel depends on comes from the environment that the tests run in, whose own installation of this checkout
    is not looked at: it stands in a `.pth` file, and those of a folder that a `.pth` file names are not read.
    """
    place = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    run([*pip, "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(place), str(ROOT)], place)
    (wheel,) = place.glob("*.whl")
    run([sys.executable, "-m", "venv", "--without-pip", str(place / "fresh")], place)
    programs = place / "fresh" / ("Scripts" if os.name == "nt" else "bin")
    python = str(programs / "python")
    run([*pip, "--python", python, "install", "--quiet", "--no-deps", "--no-index", str(wheel)], place)
    packages = Path(run([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], place).strip())
    (packages / "outer.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return programs


@pytest.mark.slow
@pytest.mark.timeout(900)  # on a slow processor
def test_a_wheel_brings_the_command_line(installed: Path, tmp_path: Path) -> None:
    program = str(installed / "personagym")
    assert "leaderboard" in run([program, "--help"], tmp_path)
    told = run(
        [program, *["leaderboard", "--agent", "mf", "--users", "20", "--contestants", "popular", "ease"]], tmp_path
    )
    assert "Agreement with real value" in told
    assert {path.name for path in (tmp_path / "runs").iterdir()} == {"leaderboard.json", "leaderboard.html"}


@pytest.mark.slow
def test_a_wheel_brings_the_environment_and_its_users(installed: Path, tmp_path: Path) -> None:
    code = """
import gymnasium as gym, personagym_agents, personagym_benchmarks, personagym_env, personagym_recommenders
for package in (personagym_env, personagym_agents, personagym_recommenders, personagym_benchmarks):
    print(package.__file__)
env = gym.make("personagym_env:PersonaRec-v0")
env.reset(seed=0)
env.step(env.action_space.sample())
print(env.unwrapped.world.agent.name)
"""
    *files, users = run([str(installed / "python"), "-c", code], tmp_path).splitlines()
    assert len(files) == 4
    assert all(Path(file).is_relative_to(installed.parent) for file in files)
    assert users == "persona"
