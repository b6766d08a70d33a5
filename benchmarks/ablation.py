"""Bundles for the ablation of the adapters: who shares one, everything else equal.

`python benchmarks/ablation.py` trains adapters for all users together, for random groups of the personas' sizes and for
the personas, several seeds each, on one base. With `--no-memory --run runs/no-memory` that base knows no reason memory,
which else tells a user's group most of what it could learn. It prints the command that puts them on the fidelity board.
A bundle that exists is kept, so that a run that was cut off goes on where it was.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import tyro
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from personagym_agents.making import BundleSettings, make_bundle
from personagym_agents.personas import Groups
from personagym_agents.reporting import training_report
from personagym_env.data.sources import load_dataset
from personagym_env.data.splits import PROTOCOLS


@dataclass(frozen=True)
class Args:
    """What to train."""

    dataset: str = "ml-100k"
    protocol: str = "temporal"
    groups: tuple[Groups, ...] = ("single", "random", "persona")
    seeds: int = 2
    """Trainings of each kind of adapters; the base is one."""
    memory: bool = True
    """Whether users recall evidence about an item before they answer."""
    run: Path = Path("runs/train")
    """Folder of the base's checkpoints, which `make bundle` shares."""
    output: Path = Path("runs/ablation")
    """Folder of the bundles."""


def main(args: Args) -> None:
    """Train what is missing."""
    console = Console()
    dataset, protocol = load_dataset(args.dataset), PROTOCOLS[args.protocol]
    split = protocol.split(dataset.interactions)
    made, told = [], "" if args.memory else "no-memory-"
    for seed in range(args.seeds):
        for kind in args.groups:
            place = args.output / f"{args.protocol}-{told}{kind}-{seed}"
            made.append(f"'{kind}{'' if args.memory else ', no memory'}={place}'")
            if place.exists():
                continue
            default = BundleSettings().adapters
            adapters = replace(default, groups=kind, training=replace(default.training, seed=seed))
            columns = TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn()
            run = args.run if seed == 0 and kind == "persona" else args.output / "run" / place.name
            with Progress(*columns, console=console) as progress, training_report(run, progress) as report:
                make_bundle(
                    dataset,
                    split,
                    BundleSettings(adapters=adapters, memory=args.memory),
                    place=place,
                    run=run,
                    base_run=args.run,
                    command="python benchmarks/ablation.py",
                    split_words=protocol.description,
                    say=progress.console.print,
                    report=report,
                )
    console.print("python benchmarks/fidelity.py --bundles " + " ".join(made), soft_wrap=True)


if __name__ == "__main__":
    main(tyro.cli(Args))
