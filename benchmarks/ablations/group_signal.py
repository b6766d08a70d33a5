"""Why adapters of personas add so little: what personas, and random groups, would explain of the errors that are left.

`python benchmarks/ablations/group_signal.py` asks the bundled users, with their adapters left out, for every held-out
rating, and fits corrections by persona to their errors about some users, to judge them on others. The held-out ratings
serve to understand the users; nothing of this goes back into them.
"""

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import tyro

from ablations.results import GroupSignals
from personagym_agents.bundle.storage import load_bundle_agent
from personagym_benchmarks.console import make_console
from personagym_env.benchmark import Benchmark, user_hashes
from personagym_env.data.sources import load_dataset
from personagym_env.data.splits import temporal_split
from personagym_env.evaluation.core.result_file import recorded
from personagym_env.evaluation.core.snapshot import environment_snapshot
from personagym_env.evaluation.fidelity.fidelity_test import FidelityTest
from personagym_env.evaluation.fidelity.group_signal import group_signal

POPULARITY = (0.5, 0.75, 0.9, 0.97)
"""Quantiles of the items' training rows between which an item is as popular as others."""


@dataclass(frozen=True)
class Args:
    """Whose errors."""

    dataset: str = "ml-100k"
    """A name or path that `load_dataset` takes."""
    bundle: Path | None = None
    """Trained on the data set; None for the shipped one."""
    seed: int = 0
    """Deals random groups."""
    output: Path = Path("runs/group_signal.json")


def main(args: Args) -> None:
    """Ask, fit, print and write."""
    dataset = load_dataset(args.dataset)
    split = temporal_split(dataset.interactions)
    rng = np.random.default_rng(args.seed)
    group = load_bundle_agent(args.bundle, dataset, split.train).population.adapters
    users = load_bundle_agent(args.bundle, dataset, split.train, adapters=False)
    answers = FidelityTest.draw(split, rng, negatives=1).answers(users, name="none")
    assert answers.ratings is not None
    counts = np.bincount(split.train.items, minlength=split.train.n_items)
    bin_of = np.searchsorted(np.quantile(counts, POPULARITY), counts)
    items = split.test.items
    features = np.column_stack([dataset.catalogue.genres[items], np.eye(len(POPULARITY) + 1)[bin_of[items]]])
    errors = split.test.ratings - answers.ratings @ np.asarray(users.scale)
    signal = group_signal(errors, split.test.users, group, features, rng)
    console = make_console()
    console.print(asdict(signal))
    groups = tuple(np.bincount(group).tolist())
    GroupSignals(
        groups=groups,
        signal=signal,
        setting=recorded(args),
        environment=environment_snapshot(),
        benchmarks={dataset.name: Benchmark.of(dataset, user_hashes([users]))},
    ).save(args.output)


if __name__ == "__main__":
    main(tyro.cli(Args))
