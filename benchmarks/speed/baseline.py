"""Ratios of speeds that must not fall: `python benchmarks/speed/baseline.py` fails where one lost a fifth.

Speeds of one machine say nothing on another, and little on a busy one; ratios within one run, of processor time and
with one thread, say how much this project does beside what it is measured against. `--update` writes them down as the
ones to keep, in `baseline.json` beside this file.
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro

from personagym_agents.bundle.storage import load_bundle_agent
from personagym_agents.inference.thread_pool import one_thread
from personagym_env.data.sources import load_dataset
from personagym_env.data.splits import temporal_split
from personagym_env.evaluation.core.interleaved_timing import interleaved_rates
from personagym_env.files import write_atomically
from personagym_env.world import make_world
from speed import engine, throughput

BASELINE = Path(__file__).with_name("baseline.json")
KEPT = 0.8
"""Share of a ratio that must be left."""


@dataclass(frozen=True)
class Args:
    """How long to measure."""

    repeats: int = 5
    seconds: float = 0.5
    """Length of one repeat at least."""
    update: bool = False
    """Write the ratios down, whatever they were."""


@one_thread()
def measure(args: Args) -> dict[str, float]:
    """Ratios by what they are, medians over repeats."""
    dataset = load_dataset("ml-100k")
    classical = make_world(dataset, "mf")
    users = load_bundle_agent(None, dataset, temporal_split(dataset.interactions).train, adapters=False)
    settings, stepping = engine.Args(), throughput.Args()
    rates = interleaved_rates(
        {
            "one": throughput.stepping(classical, 1, stepping),
            "many": throughput.stepping(classical, 1024, stepping),
            "prompts": engine.plain(users, settings, batched=False),
            "answers": engine.Sessions(users, np.arange(1), settings.slate_size),
            "all answers": engine.Sessions(users, np.arange(64), settings.slate_size),
        },
        args.repeats,
        args.seconds,
        "processor",
    )
    pairs = {
        "1,024 environments over one, factor-model users": ("many", "one"),
        "1 user of the engine over one prompt per pair": ("answers", "prompts"),
        "64 users of the engine over one prompt per pair": ("all answers", "prompts"),
    }
    return {
        name: float(np.median(np.array(rates[upper]) / np.array(rates[lower])))
        for name, (upper, lower) in pairs.items()
    }


def losses(found: Mapping[str, float], baseline: Mapping[str, float]) -> list[str]:
    """What was lost, in words; empty if every ratio of the baseline is there and near."""
    told = [f"{name}: not measured, {kept:.1f} before" for name, kept in baseline.items() if name not in found]
    return told + [
        f"{name}: {found[name]:.1f}, {kept:.1f} before"
        for name, kept in baseline.items()
        if name in found and found[name] < KEPT * kept
    ]


def main(args: Args) -> int:
    """Measure, print and compare; 1 if something was lost."""
    found = measure(args)
    for name, ratio in found.items():
        print(f"{ratio:8.1f}  {name}")
    if args.update:
        write_atomically(
            BASELINE, json.dumps({name: round(ratio, 1) for name, ratio in found.items()}, indent=1) + "\n"
        )
        return 0
    lost = losses(found, json.loads(BASELINE.read_text(encoding="utf-8")))
    print(*lost or ["nothing lost"], sep="\n")
    return int(bool(lost))


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Args, description=__doc__)))
