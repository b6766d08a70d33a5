"""Bundles for the ablation of the adapters: who shares one, everything else equal, all on the base of one bundle.

`python benchmarks/ablations/ablation.py` trains adapters for all users together, for all users together on as many rows
as a persona has, for random groups of the personas' sizes, for the personas, and for each user alone, several seeds
each. `--equal-rows` holds the training rows of all adapters equal: each learns from as many as the smallest persona
has, drawn from its group's users, with the last weights of more and smaller steps, since an average over few steps
would keep much of the untrained ones. `--bundle` takes the base of another bundle, such as one of `personagym train
--recall.evidence False --adapters.groups none`: a memory tells most of what a group could. It prints the command that
puts all of them on the fidelity board. A bundle that exists is kept, so that a run that was cut off goes on where it
was.
"""

import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import tyro

from personagym_agents.bundle.build import build_bundle
from personagym_agents.bundle.manifest import BUNDLED, bundle_fits, read_manifest
from personagym_agents.bundle.settings import AdapterSettings, BundleSettings
from personagym_agents.bundle.storage import REASONS
from personagym_agents.memory.settings import Recall
from personagym_agents.personas.settings import Features, Groups, PersonaSettings
from personagym_agents.training.base import TrainedBase, train_base
from personagym_agents.training.settings import TrainingSettings
from personagym_agents.training.tensorboard import tensorboard_log
from personagym_benchmarks.console import make_console
from personagym_benchmarks.display import console_run
from personagym_env.data.named_splits import named_split
from personagym_env.data.sources import load_dataset
from personagym_env.run_context import RunContext


@dataclass(frozen=True)
class Args:
    """What to train."""

    dataset: str = "ml-100k"
    """A name or path that `load_dataset` takes."""
    split: str = "temporal"
    """Which rows are training rows."""
    bundle: Path = BUNDLED
    """Bundle, trained on those rows, whose base gets the adapters."""
    kinds: tuple[str, ...] = ("single", "single-equal-rows", "random", "persona")
    """Out of single, single-equal-rows, random, persona, individual."""
    seeds: int = 5
    """Trainings of each kind, and draws of random groups; the base is one."""
    equal_rows: bool = False
    """Whether every adapter learns from as many rows as the smallest persona has."""
    averaging: float | None = None
    """Decay of the moving average of the adapters' weights that a training ends with, 0 for the last weights as they
    are; None for the default. Adapters of few rows take few steps, of which an average keeps a part."""
    personas: int | None = None
    """Number of personas; None for as many as the criterion chooses."""
    features: Features = "behaviour"
    """What personas are made of."""
    rank: int | None = None
    """Rank of the adapters, and what they are scaled by; None for the default."""
    output: Path = Path("runs/ablation")
    """Folder of the bundles."""


_TRAINING = TrainingSettings(epochs=2, batch=12, learning_rate=2e-3, warmup=20, weight_decay=0.0, averaging=0.95)


def kinds_of_adapters(args: Args, rows: Sequence[int]) -> Mapping[str, AdapterSettings]:
    """Settings by kind for personas with (p,) training rows.

    A user alone has a few documents, so adapters of that kind step after each, twice. Rows that are held equal are as
    many as the smallest persona has.
    """
    default = AdapterSettings(tokens=None, choices=True, training=_TRAINING)
    if args.rank is not None:
        default = replace(default, rank=args.rank, alpha=args.rank)
    if args.averaging is not None:
        default = replace(default, training=replace(default.training, averaging=args.averaging))
    if args.equal_rows:
        training = replace(default.training, epochs=2, batch=4, averaging=0.0)
        default = replace(default, rows=min(rows), training=training)
        kinds: tuple[Groups, ...] = ("single", "random", "persona")
        return {kind: replace(default, groups=kind) for kind in kinds}
    often = replace(default.training, epochs=2, batch=1, warmup=1)
    return {
        "single": replace(default, groups="single"),
        "single-equal-rows": replace(default, groups="single", rows=sum(rows) // len(rows)),
        "random": replace(default, groups="random"),
        "persona": replace(default, groups="persona"),
        "individual": replace(default, groups="individual", training=often),
    }


def words_of(args: Args, settings: BundleSettings) -> tuple[str, str]:
    """What sets the adapters apart, and what users recall, as words behind the name of a kind."""
    apart = ", equal rows" if args.equal_rows else ""
    apart += "" if args.averaging is None else f", averaging {args.averaging:g}"
    apart += "" if args.personas is None else f", {args.personas} personas"
    apart += "" if args.features == "behaviour" else f", features {args.features}"
    apart += "" if args.rank is None else f", rank {args.rank}"
    if settings.recall == Recall():
        return apart, ""
    return apart, f", {settings.recall}" if settings.recall else ", no memory"


def train_missing(args: Args, trained_base: TrainedBase, context: RunContext) -> list[str]:
    """Train the bundles that are not there yet; all of them as `name=path`.

    Raises:
        ValueError: a kind is unknown.
    """
    rows = np.bincount(trained_base.personas.assignment, trained_base.split.train.counts).astype(int).tolist()
    kinds = kinds_of_adapters(args, rows)
    unknown = sorted(set(args.kinds) - set(kinds))
    if unknown:
        raise ValueError(f"kinds of adapters must be some of {', '.join(kinds)}, got {', '.join(unknown)}")
    entries = []
    apart, told = words_of(args, trained_base.settings)
    for seed in range(args.seeds):
        for kind in args.kinds:
            words = f"{args.split}-{args.bundle.name}-{kind}{apart}-{seed}"
            place = args.output / words.replace(", ", "-").replace(" ", "-")
            entries.append(f"'{kind}{apart}{told}={place}'")
            if place.exists():
                continue
            run = args.output / "run" / place.name
            with tensorboard_log(run) as figures:
                build_bundle(
                    trained_base,
                    replace(kinds[kind], seed=seed),
                    place=place,
                    split_words=named_split(trained_base.dataset, args.split).description,
                    context=replace(context, folder=run, figures=figures),
                    measure=False,
                )
    return entries


def main(args: Args) -> None:
    """Train what is missing.

    Raises:
        ValueError: the bundle was trained on other rows than the split's, or options exclude each other.
    """
    if args.equal_rows and args.averaging is not None:
        raise ValueError("--equal-rows keeps the last weights as they are: it goes without --averaging")
    console = make_console()
    dataset = load_dataset(args.dataset)
    split = named_split(dataset, args.split).split
    if not bundle_fits(args.bundle, split.train):
        raise ValueError(f"the bundle at {args.bundle} was not trained on the {args.split!r} rows of {args.dataset}")
    recall = read_manifest(args.bundle).settings.recall
    if recall.reason_book is not None:
        recall = replace(recall, reason_book=str(args.bundle / REASONS))
    settings = BundleSettings(
        base=str(args.bundle / "base"),
        recall=recall,
        personas=PersonaSettings(n_personas=args.personas, features=args.features),
    )
    command = shlex.join(["python", "benchmarks/ablations/ablation.py", *sys.argv[1:]])
    with console_run(console, args.output / "run", command) as context:
        trained_base = train_base(dataset, split, settings, context)
        entries = train_missing(args, trained_base, context)
    _, told = words_of(args, settings)
    none = f"none{told}"
    named = [f"'{none}'", *dict.fromkeys(entry.partition("=")[0] + "'" for entry in entries)]
    told_apart = [name for name in named if name != "'persona'"]
    console.print(
        f"personagym fidelity --bases '{none}={args.bundle}' --bundles {' '.join(entries)} --ablations "
        f"{' '.join(told_apart)}",
        soft_wrap=True,
    )


if __name__ == "__main__":
    main(tyro.cli(Args, description=__doc__))
