"""What a result was measured with, so that it can be measured again; it names neither host nor path nor person."""

import os
import platform
import subprocess
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

PACKAGES = (
    "gymnasium",
    "numpy",
    "peft",
    "personagym",
    "recbole",
    "scikit-learn",
    "scipy",
    "stable-baselines3",
    "torch",
    "transformers",
)
"""Distributions whose versions can move a figure."""


def environment_snapshot() -> dict[str, object]:
    """Versions, processor and commit, JSON-able."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor_name(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "commit": _commit(),
        "versions": versions,
    }


def describe(snapshot: Mapping[str, object]) -> str:
    """One line for people."""
    return f"{snapshot['cores']} cores of {snapshot['processor']}, Python {snapshot['python']}"


def _processor_name() -> str:
    """The model name, which Linux keeps in a file and other systems report themselves."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _commit() -> str | None:
    """The commit that this package's files are checked out from, with `+` where they were changed since."""

    def git(*arguments: str) -> str:
        here = Path(__file__).parent
        answer = subprocess.run(["git", "-C", str(here), *arguments], capture_output=True, text=True, check=True)
        return answer.stdout.strip()

    try:
        if git("ls-files", "--error-unmatch", Path(__file__).name) == "":
            return None
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return None
