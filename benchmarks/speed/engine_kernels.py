"""What each kernel of the reaction engine gives over the path through torch, in decisions per second.

`python benchmarks/speed/engine_kernels.py` lets the shipped users answer slates with one kernel taken away at a time,
and without any:

* row attention, compiled by Numba, against torch's fused attention in rectangles (`inference.attention`);
* products with weights through oneDNN against torch's own `linear` (`inference.linear`);
* low-rank factors of many adapters, compiled by Numba, against a product for each run of tokens (`model.adapters`).
  Shipped users have four adapters, whose merged weights need no factors, so random adapters are dealt to them here.

With and without take turns in one process; what counts is their ratio, repeat by repeat. A kernel earns its lines if
the interval of its ratio lies above `EARNS` at some number of users.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np
import torch
import tyro
from rich.console import Console
from scipy.stats import quantile_test
from torch import nn

from personagym_agents.bundle.storage import load_bundle_agent
from personagym_agents.inference import linear, packed_pass
from personagym_agents.inference.kernels import low_rank, matmul_tile, row_attention, simd
from personagym_agents.inference.language_users import LanguageUserAgent
from personagym_agents.model import adapters
from personagym_agents.model.adapters import LowRank, mix_adapters
from personagym_agents.model.causal_lm import decoder_of
from personagym_env.benchmark import Benchmark, user_hashes
from personagym_env.data.sources import load_dataset
from personagym_env.data.splits import temporal_split
from personagym_env.evaluation.core.interleaved_timing import Clock, interleaved_rates
from personagym_env.evaluation.core.result_file import recorded
from personagym_env.evaluation.core.snapshot import environment_snapshot
from personagym_env.evaluation.reporting.terminal import rich_table
from speed.engine import Sessions
from speed.results import KernelGain, KernelGains, KernelVerdict, Ratio
from speed.tables import gains_table

EARNS = 1.1
"""Times as many decisions per second that a kernel must surely give somewhere."""
SHIPPED = "shipped adapters"


@dataclass(frozen=True)
class Args:
    """What to measure."""

    slate_size: int = 10
    users: tuple[int, ...] = (1, 16, 64, 256)
    adapters: tuple[int, ...] = (16, 64)
    """Numbers of random adapters that are dealt to the users; more than have merged weights."""
    repeats: int = 15
    """Six at least, for an interval."""
    seconds: float = 0.5
    """Length of one repeat at least."""
    clock: Clock = "wall"
    """Which seconds; `processor` with one thread where other programs keep the machine busy."""
    output: Path = Path("runs/kernels.json")

    def __post_init__(self) -> None:
        if self.repeats < 6:
            raise ValueError(f"repeats must be at least 6 for an interval of the median, got {self.repeats}")


class Kernel(NamedTuple):
    """A kernel and how to do without it."""

    own: tuple[ModuleType, ...]
    """Files that would go with it."""
    shared: tuple[ModuleType, ...]
    """Files that would go with the last of those who share them."""
    module: ModuleType
    """Where it is chosen."""
    switch: str
    """The name by which it is chosen there."""
    off: object
    """What stands for that name where the kernel is not to be chosen."""

    def left_out(self) -> AbstractContextManager[object]:
        """Do without it until the end of the block."""
        return patch.object(self.module, self.switch, self.off)


def never(tensor: torch.Tensor) -> bool:
    """Suits nothing."""
    return False


_NUMBA = (matmul_tile, simd)
ROW_ATTENTION, LOW_RANK, ONEDNN, ALL = "row attention", "low-rank factors", "oneDNN products", "all kernels"
KERNELS = {
    ROW_ATTENTION: Kernel((row_attention,), _NUMBA, packed_pass, "suits_row_attention", never),
    LOW_RANK: Kernel((low_rank,), _NUMBA, adapters, "suits_low_rank", never),
    ONEDNN: Kernel((linear,), (), linear, "HAS_ONEDNN", False),
}


@contextmanager
def without(name: str) -> Iterator[None]:
    """Do without a kernel, or without all of them."""
    with ExitStack() as stack:
        for kernel in KERNELS.values() if name == ALL else [KERNELS[name]]:
            stack.enter_context(kernel.left_out())
        yield


def is_sure(gain: KernelGain) -> bool:
    """Whether the whole interval of the ratio lies above `EARNS`."""
    return gain.ratio.low > EARNS


def with_random_adapters(
    agent: LanguageUserAgent, count: int, rank: int, rng: np.random.Generator
) -> LanguageUserAgent:
    """The users of a model without adapters, which gets random ones, so many of them, dealt evenly."""
    model, spread = agent.population.model, 0.02
    layers = {name: part for name, part in decoder_of(model).named_modules() if isinstance(part, nn.Linear)}

    def factor(*shape: int) -> torch.Tensor:
        return torch.from_numpy(rng.normal(0, spread, shape)).float()

    dealt = [
        {
            name: LowRank(factor(layer.in_features, rank), factor(rank, layer.out_features))
            for name, layer in layers.items()
        }
        for _ in range(count)
    ]
    gate = mix_adapters(decoder_of(model), dealt)
    return LanguageUserAgent(model, agent.corpus, name="random", gate=gate, adapter_of=np.arange(agent.n_users) % count)


def choices(agent: LanguageUserAgent, n: int, slate_size: int) -> np.ndarray:
    """(n, k) probabilities of choosing from each user's first slate."""
    rows = np.arange(n)
    sessions = agent.open(n)
    sessions.start(rows, rows % agent.n_users)
    slates = np.random.default_rng(1).integers(0, agent.n_items, (n, slate_size))
    return sessions.react(rows, slates).choice_probability


def compare(agent: LanguageUserAgent, kind: str, kernels: tuple[str, ...], n: int, args: Args) -> list[KernelGain]:
    """The gains of several kernels to n users of one kind."""
    users, expected = np.arange(n) % agent.n_users, choices(agent, n, args.slate_size)
    ways, differences = {"with": Sessions(agent, users, args.slate_size).__call__}, {}
    for kernel in kernels:
        # Sessions of its own: each way goes through the same steps from the same start.
        sessions = Sessions(agent, users, args.slate_size)

        def step(kernel: str = kernel, sessions: Sessions = sessions) -> int:
            with without(kernel):
                return sessions()

        ways[kernel] = step
        with without(kernel):
            differences[kernel] = float(np.abs(choices(agent, n, args.slate_size) - expected).max())
    taken = interleaved_rates(ways, args.repeats, args.seconds, args.clock)
    gains = []
    for kernel in kernels:
        ratios = np.array(taken["with"]) / np.array(taken[kernel])
        found: Any = quantile_test(ratios, q=1.0, p=0.5)
        ends = found.confidence_interval(0.95)
        gains.append(
            KernelGain(
                kernel=kernel,
                adapters=kind,
                users=n,
                decisions_per_second=float(np.median(taken["with"])),
                without=float(np.median(taken[kernel])),
                ratio=Ratio(float(np.median(ratios)), float(ends.low), float(ends.high)),
                largest_difference=differences[kernel],
            )
        )
    return gains


def lines(modules: tuple[ModuleType, ...]) -> dict[str, int]:
    """Lines of each module's file."""
    files = [Path(str(module.__file__)) for module in modules]
    return {file.name: len(file.read_text(encoding="utf-8").splitlines()) for file in files}


def verdicts(gains: list[KernelGain]) -> dict[str, KernelVerdict]:
    """What each kernel costs in lines, and whether it earns them."""
    return {
        name: KernelVerdict(
            lines(kernel.own), lines(kernel.shared), any(is_sure(gain) for gain in gains if gain.kernel == name)
        )
        for name, kernel in KERNELS.items()
    }


def main(args: Args) -> None:
    """Measure, print and write."""
    dataset = load_dataset("ml-100k")
    train = temporal_split(dataset.interactions).train
    shipped = load_bundle_agent(None, dataset, train, device="cpu")
    plain = [load_bundle_agent(None, dataset, train, adapters=False, device="cpu") for _ in args.adapters]
    rng = np.random.default_rng(0)
    dealt = [with_random_adapters(agent, count, 16, rng) for agent, count in zip(plain, args.adapters, strict=True)]
    gains = []
    for n in args.users:
        gains += compare(shipped, SHIPPED, (ROW_ATTENTION, ONEDNN, ALL), n, args)
        for agent, count in zip(dealt, args.adapters, strict=True):
            gains += compare(agent, f"{count} random adapters", (LOW_RANK,), n, args)
    found = KernelGains(
        kernels=verdicts(gains),
        gains=tuple(gains),
        setting=recorded(args) | {"threads": torch.get_num_threads(), "vector lanes": simd.WIDTH},
        environment=environment_snapshot(),
        benchmarks={dataset.name: Benchmark.of(dataset, user_hashes([shipped]))},
    )
    Console().print(rich_table(gains_table(found)))
    found.save(args.output)


if __name__ == "__main__":
    main(tyro.cli(Args))
