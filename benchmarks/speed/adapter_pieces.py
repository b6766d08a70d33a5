"""What training persona adapters in pieces costs: `python benchmarks/speed/adapter_pieces.py`, with the extra `scale`.

The adapters of the shipped base are trained side by side, which is one piece of work, and each alone, by one worker and
by several on a cluster of this machine's cores; all begin as one adapter for all users, which is trained once. Those
trained alone have to come out with the same bytes from any number of workers, and are asked about held-out rows beside
those trained side by side. Seconds are those of the pieces, without the questions.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import tyro

from personagym_agents.bundle.build import build_bundle
from personagym_agents.bundle.settings import AdapterSettings, BundleSettings
from personagym_agents.bundle.storage import bundle_users
from personagym_agents.personas.settings import PersonaSettings
from personagym_agents.training.base import TrainedBase, train_base
from personagym_benchmarks.console import make_console
from personagym_benchmarks.display import console_run
from personagym_env.data.named_splits import named_split
from personagym_env.data.sources import load_dataset
from personagym_env.evaluation.core.result_file import recorded
from personagym_env.evaluation.core.snapshot import environment_snapshot
from personagym_env.evaluation.core.statistics import Interval, interval, user_resamples
from personagym_env.evaluation.fidelity.fidelity_test import FidelityTest
from personagym_env.evaluation.reporting.terminal import rich_table
from personagym_env.run_context import RunContext
from personagym_env.workers import ray_workers
from speed.machine_results import AdapterPieces, Clocked, TrainedPieces
from speed.scale import Measured
from speed.tables import adapter_pieces_table


@dataclass(frozen=True)
class Args:
    """What to measure."""

    dataset: str
    """Name or path of the data."""
    settings: BundleSettings = field(
        default_factory=lambda: BundleSettings(
            adapters=AdapterSettings(rows=2_000), personas=PersonaSettings(n_personas=4)
        )
    )
    """Of the users; the rows of an adapter are limited so that the run takes minutes."""
    workers: int = 2
    resamples: int = 1_000
    run: Path = Path("runs/adapter-pieces")
    """Folder of the display; what is trained is thrown away."""
    output: Path = Path("runs/adapter_pieces.json")


def trained(base: TrainedBase, place: Path, begun: Path, together: int, workers: int) -> TrainedPieces:
    """Train the adapters by so many workers, from the adapter for all users on; `place` becomes the bundle."""
    run = place.with_name(f"{place.name}-run")
    shutil.copytree(begun, run)
    adapters = replace(base.settings.adapters, side_by_side=together)
    with ray_workers("local", workers) as cluster:
        measured = Measured(cluster, began=time.perf_counter())
        context = RunContext(run, workers=measured)
        build_bundle(base, adapters, place=place, split_words="", context=context, measure=False)
        took = Clocked(time.perf_counter() - measured.began, measured.seconds)
    pieces = len(list(run.iterdir())) - len(list(begun.iterdir()))
    return TrainedPieces(together, pieces, workers, took, measured.worker_mb)


def differences(base: TrainedBase, place: Path, other: Path, args: Args) -> Mapping[str, Interval]:
    """What the users of one bundle are worse at than those of another, by statistic, over the same users."""
    rng = np.random.default_rng(0)
    test = FidelityTest.draw(base.split, rng)
    one, two = (test.ask(bundle_users(bundle, base.dataset, base.split.train)).statistics for bundle in (place, other))
    weights = user_resamples(base.split.test.n_users, args.resamples, rng)
    return {name: interval(one[name].resampled(weights) - two[name].resampled(weights)) for name in one}


def files(place: Path) -> dict[str, bytes]:
    """Of all adapters of a bundle."""
    folder = place / "adapters"
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def measure(args: Args, context: RunContext, folder: Path) -> AdapterPieces:
    """Train once side by side and twice alone, and compare.

    Raises:
        RuntimeError: several workers trained other adapters than one.
    """
    dataset = load_dataset(args.dataset)
    _, words, split = named_split(dataset)
    base = train_base(dataset, split, args.settings, replace(context, folder=folder))
    begun = folder / "begun"
    for_all = replace(args.settings.adapters, groups="single")
    with context.bar("the adapter for all", None):
        build_bundle(base, for_all, place=folder / "one", split_words="", context=RunContext(begun), measure=False)
    many, runs = AdapterSettings().side_by_side, []
    for name, together, workers in (("stack", many, 1), ("alone", 1, 1), ("several", 1, args.workers)):
        with context.bar(f"{name}, {workers} worker{'s' * (workers > 1)}", None):
            runs.append(trained(base, folder / name, begun, together, workers))
    if files(folder / "alone") != files(folder / "several"):
        raise RuntimeError(f"{args.workers} workers trained other adapters than one")
    return AdapterPieces(
        runs=tuple(runs),
        alone_less_stack=differences(base, folder / "alone", folder / "stack", args),
        adapters=len(list((folder / "alone" / "adapters").iterdir())),
        setting=recorded(args) | {"training rows": words},
        environment=environment_snapshot(),
    )


def main(args: Args) -> None:
    """Measure, print and write."""
    os.environ["OMP_NUM_THREADS"] = "1"  # of the workers, as Ray sets it
    console = make_console()
    with (
        console_run(console, args.run, "python benchmarks/speed/adapter_pieces.py") as context,
        tempfile.TemporaryDirectory(prefix="adapter-pieces-") as folder,
    ):
        found = measure(args, context, Path(folder))
    console.print(rich_table(adapter_pieces_table(found)))
    for name, difference in found.alone_less_stack.items():
        console.print(
            f"{name}, alone less side by side: {difference.value:.4f} [{difference.low:.4f}, {difference.high:.4f}]"
        )
    found.save(args.output)


if __name__ == "__main__":
    main(tyro.cli(Args))
