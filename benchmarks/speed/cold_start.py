"""How long a process takes from nothing to the first observation, in processor seconds.

`python benchmarks/speed/cold_start.py` makes an environment in processes of their own: some find an empty cache folder
and fit everything, others take it from there. What the users stand on is imported before, so that what this project
adds to it is told apart. Kernels that Numba compiles are no part of it: a machine compiles them once, at the first
slate that language-model users are shown.
"""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median
from typing import NamedTuple

import tyro

from personagym_benchmarks.console import make_console
from personagym_env.evaluation.core.result_file import recorded
from personagym_env.evaluation.core.snapshot import environment_snapshot
from personagym_env.evaluation.reporting.terminal import rich_table
from speed.machine_results import ColdStart, Start
from speed.tables import cold_start_table

CHILD = Path(__file__).with_name("first_observation.py")
LIBRARIES = {"persona": ("torch", "transformers.models.auto", "transformers.models.llama.modeling_llama")}
"""What users stand on, by their name; classical users on nothing that takes long to import."""


@dataclass(frozen=True)
class Args:
    """What to measure."""

    dataset: str = "ml-100k"
    users: tuple[str, ...] = ("mf", "persona")
    repeats: int = 3
    """Processes for each figure."""
    output: Path = Path("runs/cold_start.json")


class Observed(NamedTuple):
    """What one process took."""

    package: float
    libraries: float
    made: float
    modules: tuple[str, ...]


def observe(args: Args, users: str, cache: Path) -> Observed:
    """Start one process, which keeps its fits in a folder."""
    command = [sys.executable, str(CHILD), args.dataset, users, *LIBRARIES.get(users, ())]
    surrounding = os.environ | {"PERSONAGYM_CACHE": str(cache), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=surrounding, stdout=subprocess.PIPE, text=True, check=True)
    found = json.loads(done.stdout)
    package, libraries, made = found["seconds"]
    return Observed(package, libraries, made, tuple(found["modules"]))


def start_of(users: str, *, first: bool, observed: list[Observed]) -> Start:
    """The figures of some processes."""
    made = [one.made for one in observed]
    package, libraries = (
        mean(parts) for parts in zip(*((one.package, one.libraries) for one in observed), strict=True)
    )
    return Start(users, first, package, libraries, median(made), min(made), max(made), observed[-1].modules)


def main(args: Args) -> None:
    """Measure, print and write."""
    starts = []
    for users in args.users:
        first, later = [], []
        for _ in range(args.repeats):
            with tempfile.TemporaryDirectory() as cache:
                first.append(observe(args, users, Path(cache)))
                later.append(observe(args, users, Path(cache)))
        starts += [start_of(users, first=True, observed=first), start_of(users, first=False, observed=later)]
    found = ColdStart(starts=tuple(starts), setting=recorded(args), environment=environment_snapshot())
    console = make_console()
    console.print(rich_table(cold_start_table(found)))
    for one in starts:
        if not one.first and one.modules:
            console.print(f"{one.users}: {', '.join(one.modules)} are imported although all fits were kept")
    found.save(args.output)


if __name__ == "__main__":
    main(tyro.cli(Args))
