"""Between one adapter for all and one per persona: do users gain where the two are blended?

`python benchmarks/ablations/blends.py --personas DIR ... --singles DIR ...` takes bundles of persona adapters and of
single ones on the same base, one of each per training seed, as `benchmarks/ablations/ablation.py` makes them. Each
persona's adapter is shrunk towards the single one by several shares, and each user answers through an average of all
personas' adapters weighted by nearness. All of them answer the same held-out rows; what is printed and written are
differences to the base without adapters, averaged over the seeds, with intervals over users. It says what blending
would bring; nothing is chosen by it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from rich.console import Console

from ablations.results import BLENDED, Blends, blends_table
from personagym_agents.bundle.storage import load_bundle_agent, read_groups, read_personas
from personagym_agents.probes.blends import by_nearness, load_blended_agent, shrunk
from personagym_benchmarks.console import make_console
from personagym_env.data.sources import load_dataset
from personagym_env.data.splits import Split, temporal_split
from personagym_env.data.tables import Dataset, FloatArray
from personagym_env.data.traits import user_traits
from personagym_env.evaluation.core.result_file import recorded
from personagym_env.evaluation.core.snapshot import environment_snapshot
from personagym_env.evaluation.core.statistics import Interval, interval, user_resamples
from personagym_env.evaluation.fidelity.fidelity_test import FidelityTest
from personagym_env.evaluation.reporting.terminal import rich_table
from personagym_env.protocols import UserAgent


@dataclass(frozen=True)
class Args:
    """Which adapters, blended how."""

    personas: tuple[Path, ...]
    """Bundles of persona adapters, one per training seed."""
    singles: tuple[Path, ...]
    """As many bundles of single adapters, on the same base."""
    dataset: str = "ml-100k"
    """A name or path that `load_dataset` takes."""
    shares: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75, 1.0)
    """Of the single adapter in what a user answers through; 0 is the persona's own."""
    sharpness: tuple[float, ...] = (0.3, 3.0)
    """How fast a persona's weight falls with its distance from the user."""
    resamples: int = 2_000
    """Bootstrap resamples of users behind the intervals."""
    seed: int = 0
    """Draws questions and resamples."""
    output: Path = Path("runs/blends.json")
    """Where the JSON goes."""


def blends_of(args: Args, place: Path, distances: FloatArray) -> Iterator[tuple[str, FloatArray]]:
    """Name and weights of each blend of a persona bundle's adapters and one single adapter."""
    _, groups = read_groups(place)
    for share in args.shares:
        yield f"persona, {share:.0%} single", shrunk(groups, share)
    for sharpness in args.sharpness:
        weights = by_nearness(distances, sharpness)
        yield f"personas by nearness, sharpness {sharpness:g}", np.column_stack([weights, np.zeros(len(weights))])


def ask(test: FidelityTest, agent: UserAgent, weights: FloatArray) -> dict[str, FloatArray]:
    """Measure to (b,) value under each resample."""
    found = test.ask(agent).statistics
    return {name: found[name].resampled(weights) for name in BLENDED}


def compare(args: Args, dataset: Dataset, split: Split, console: Console) -> Mapping[str, Mapping[str, Interval]]:
    """Blend to figure to its difference from the base, over all seeds.

    Raises:
        ValueError: there are not as many single bundles as persona ones.
    """
    if len(args.personas) != len(args.singles) or not args.personas:
        raise ValueError(f"each persona bundle needs a single one, got {len(args.personas)} and {len(args.singles)}")
    rng = np.random.default_rng(args.seed)
    test = FidelityTest.draw(split, rng)
    weights = user_resamples(split.test.n_users, args.resamples, rng)
    traits = user_traits(split.train, dataset.catalogue)
    base = ask(test, load_bundle_agent(args.personas[0], dataset, split.train, adapters=False), weights)
    seeds: dict[str, list[dict[str, FloatArray]]] = {}
    for pair in zip(args.personas, args.singles, strict=True):
        distances = read_personas(pair[0]).distances(traits)
        for name, blend in blends_of(args, pair[0], distances):
            agent = load_blended_agent(pair, blend, dataset, split.train, name=name)
            seeds.setdefault(name, []).append(ask(test, agent, weights))
            console.print(f"{name}: asked {len(seeds[name])} of {len(args.personas)} seeds")
    return {
        name: {measure: interval(np.mean([run[measure] for run in runs], axis=0) - base[measure]) for measure in base}
        for name, runs in seeds.items()
    }


def main(args: Args) -> None:
    """Ask, print, write."""
    console = make_console()
    dataset = load_dataset(args.dataset)
    differences = compare(args, dataset, temporal_split(dataset.interactions), console)
    bundles = [path.name for path in (*args.personas, *args.singles)]
    found = Blends(
        differences=differences, setting=recorded(args) | {"bundles": bundles}, environment=environment_snapshot()
    )
    console.print(rich_table(blends_table(found)))
    found.save(args.output)


if __name__ == "__main__":
    main(tyro.cli(Args, description=__doc__))
