"""Environments in other processes: threads that a fork leaves behind are waited for by nobody."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fixtures import forks


@pytest.fixture(scope="module")
def run(small_folder: Path, small_bundle: Path) -> Callable[..., tuple[list[str], str]]:
    """Runs cases one after the other: those that ended well, and what the first that did not said."""
    pytest.importorskip("stable_baselines3")

    def run_cases(*cases: str) -> tuple[list[str], str]:
        # Two threads, which sleep while they wait for each other: on busy cores they would spend most time waiting.
        threads = {"OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": "2", "OMP_WAIT_POLICY": "PASSIVE"}
        variables = os.environ | threads
        command = [sys.executable, forks.__file__, str(small_folder), str(small_bundle), *cases]
        done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
        return done.stdout.splitlines(), done.stderr[-2000:]

    return run_cases


def test_some_after_a_fork(run: Callable[..., tuple[list[str], str]]) -> None:
    ended, error = run(*forks.SOME_FORKED)
    assert ended == list(forks.SOME_FORKED), error


@pytest.mark.slow
def test_all_others_after_a_fork(run: Callable[..., tuple[list[str], str]]) -> None:
    assert {*forks.SOME_FORKED, *forks.OTHERS_FORKED} == set(forks.FORKED)
    ended, error = run(*forks.OTHERS_FORKED)
    assert ended == list(forks.OTHERS_FORKED), error


@pytest.mark.slow
def test_in_processes_that_start_afresh(run: Callable[..., tuple[list[str], str]]) -> None:
    ended, error = run(*forks.STARTED_AFRESH)
    assert ended == list(forks.STARTED_AFRESH), error
