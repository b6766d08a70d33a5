"""Two horizons where rows are parted by time, and where they are parted at random."""

import numpy as np

from personagym_agents.variants.two_horizon import fit_two_horizon
from personagym_benchmarks.variants.asked import Asked, whole_log
from personagym_benchmarks.variants.board import Measurement
from personagym_env.data.named_splits import NamedSplit
from personagym_env.data.splits import random_split, temporal_split
from personagym_env.data.tables import Dataset
from personagym_env.evaluation.fidelity.contamination import blind


def measure(dataset: Dataset, part: NamedSplit, seed: int) -> list[Measurement]:
    """Both horizons less one, with the log parted both ways; by time only where it has times."""
    log = whole_log(part.split)
    splits = {"random split": random_split(log, rng=np.random.default_rng(seed))}
    if log.timestamps is not None:
        splits = {"temporal split": temporal_split(log)} | splits
    found = []
    for setting, split in splits.items():
        told = blind(dataset, split.train)
        agents = {
            name: fit_two_horizon(told, split.train, core=core, seed=seed)
            for name, core in (("two", True), ("one", False))
        }
        found += Asked.of(split, agents, seed).difference("two profiles or one", setting, "two", "one")
    return found
