"""Which way of letting users with different adapters share a batch is fastest, in decisions per second.

`python benchmarks/speed/mixed_adapters.py` gives 64 users 4, 16 and 64 random adapters and lets the reaction engine
answer them in five ways that take turns in one process, beside users who all have one adapter:

* merged weights: `W + B A` is kept for every adapter, neighbouring rows of one adapter are one product;
* low-rank by run: `W` for all rows, then the two factors for neighbouring rows of one adapter;
* low-rank stacked: `W`, then the factors of all adapters side by side, with a mask between the two products;
* peft's mixed batch: `peft` itself, `adapter_names=`, which is given one padded row for each user, as it expects;
* a model per adapter: a merged copy of the whole model for each adapter, which answers its users in passes of its own.

Base and adapters are random, since speed does not depend on them; the ways' answers are compared as well.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
import tyro
from peft.tuners.lora import LoraLayer
from torch import nn

from personagym_agents.bundle.storage import load_bundle_agent
from personagym_agents.documents.corpus import Corpus
from personagym_agents.inference.language_users import LanguageUserAgent
from personagym_agents.inference.linear import product
from personagym_agents.inference.pass_layout import ragged
from personagym_agents.model.adapters import (
    AdapterGate,
    LowRank,
    MixedLinear,
    adapter_factors,
    add_adapters,
    lora_config,
)
from personagym_agents.model.causal_lm import small_model
from personagym_benchmarks.console import make_console
from personagym_env.data.sources import load_dataset
from personagym_env.data.splits import temporal_split
from personagym_env.data.tables import FloatArray, IntArray
from personagym_env.evaluation.core.interleaved_timing import Clock, TimedCall, interleaved_rates
from personagym_env.evaluation.core.result_file import recorded
from personagym_env.evaluation.core.snapshot import environment_snapshot
from personagym_env.evaluation.reporting.terminal import rich_table
from speed.engine import Sessions
from speed.results import MixedAdapters, MixedRate
from speed.tables import mixed_rates_table

MERGED, BY_RUN, STACKED, PEFT = "merged weights", "low-rank by run", "low-rank stacked", "peft's mixed batch"
COPIES = "a model per adapter"
FACTOR_SPREAD = 0.02
"""Standard deviation of the adapters' second factors, which begin as zeros: enough to tell a wrong adapter."""


@dataclass(frozen=True)
class Args:
    """What to measure."""

    slate_size: int = 10
    users: int = 64
    adapters: tuple[int, ...] = (4, 16, 64)
    rank: int = 16
    width: tuple[int, ...] = (128, 256)
    """Of the model: the bundled one, and a larger one."""
    layers: tuple[int, ...] = (3, 6)
    """Of the model of each width."""
    repeats: int = 5
    seconds: float = 1.0
    """Length of one repeat at least."""
    clock: Clock = "wall"
    """Which seconds; `processor` with one thread where other programs keep the machine busy."""
    output: Path = Path("runs/mixed_adapters.json")


class RowGate(AdapterGate):
    """A gate that also says which adapter each row has, and where its tokens stand in a padded batch."""

    rows: IntArray
    """(b,) adapter of each row."""
    grid: torch.Tensor
    """(b, L) tokens of each row; those behind its last repeat it."""
    place: torch.Tensor
    """(t,) where each token stands in the flattened grid."""
    mask: torch.Tensor
    """(t, a) 1 where the token has the adapter."""

    def __init__(self, adapters: int) -> None:
        super().__init__()
        self._adapters = adapters

    def choose(self, adapters: IntArray, counts: IntArray) -> None:
        """See `AdapterGate.choose`."""
        super().choose(adapters, counts)
        self.rows = adapters
        row, offset = ragged(np.asarray(counts, np.int64))
        longest = np.arange(int(counts.max()))
        grid = (np.cumsum(counts) - counts)[:, None] + np.minimum(longest, counts[:, None] - 1)
        self.grid = torch.from_numpy(grid)
        self.place = torch.from_numpy(row * len(longest) + offset)
        self.mask = nn.functional.one_hot(torch.from_numpy(adapters[row]), self._adapters).float()


class StackedLinear(nn.Module):
    """A linear layer and the factors of all adapters side by side, those of other rows masked."""

    def __init__(self, base: nn.Module, adapters: list[LowRank], gate: RowGate) -> None:
        super().__init__()
        self.base, self.gate = base, gate
        self.register_buffer("down", torch.cat([one.down for one in adapters], dim=1))
        self.register_buffer("up", torch.cat([one.up for one in adapters], dim=0))
        self.rank = adapters[0].down.shape[1]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(..., in) to (..., out)."""
        tokens = x.flatten(0, -2)
        inner = product(tokens, self.get_buffer("down").T).view(len(tokens), -1, self.rank)
        inner.mul_(self.gate.mask[:, :, None])
        answer = self.base(tokens) + product(inner.flatten(1), self.get_buffer("up").T)
        return cast(torch.Tensor, answer.view(*x.shape[:-1], -1))


class PeftLinear(nn.Module):
    """The layer that `peft` made, given the rows as a padded batch."""

    def __init__(self, layer: nn.Module, names: list[str], gate: RowGate) -> None:
        super().__init__()
        self.layer, self.names, self.gate = layer, names, gate

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(..., in) to (..., out)."""
        tokens, gate = x.flatten(0, -2), self.gate
        batch = tokens.index_select(0, gate.grid.flatten()).view(*gate.grid.shape, -1)
        answer: torch.Tensor = self.layer(batch, adapter_names=[self.names[adapter] for adapter in gate.rows])
        return answer.flatten(0, 1).index_select(0, gate.place).view(*x.shape[:-1], -1)


def mixed_layer(way: str, layer: LoraLayer, own: list[LowRank], names: list[str], gate: RowGate) -> nn.Module:
    """What stands in a layer's place."""
    base = layer.get_base_layer()
    if way == STACKED:
        return StackedLinear(base, own, gate)
    if way == PEFT:
        return PeftLinear(cast(nn.Module, layer), names, gate)
    return MixedLinear(base, own, gate, merged=way == MERGED)


def in_way(way: str, corpus: Corpus, count: int, size: tuple[int, int], rank: int) -> LanguageUserAgent:
    """Users with random adapters, so many of them, dealt evenly; the same in each way."""
    torch.manual_seed(0)
    model = small_model(len(corpus.tokenizer), width=size[0], layers=size[1])
    names = [f"random-{number}" for number in range(count)]
    add_adapters(model, names, lora_config(model, rank=rank, alpha=rank, dropout=0.0))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=FACTOR_SPREAD)
    adapters, gate = [adapter_factors(model, name) for name in names], RowGate(count)
    for name in adapters[0]:
        parent, _, last = name.rpartition(".")
        layer = cast(LoraLayer, model.get_submodule(name))
        mixed = mixed_layer(way, layer, [factors[name] for factors in adapters], names, gate)
        setattr(model.get_submodule(parent), last, mixed)
    dealt = np.arange(corpus.train.n_users) % count
    return LanguageUserAgent(model, corpus, name=way, gate=gate, adapter_of=dealt)


class Apart:
    """Users of one adapter after the other, each adapter with a model and passes of its own."""

    def __init__(self, agent: LanguageUserAgent, users: IntArray, slate_size: int) -> None:
        adapters = agent.population.adapters[users]
        # A pass over one adapter alone reads its merged weights and no others, as a copy of the model would.
        self._parts = [Sessions(agent, users[adapters == one], slate_size) for one in np.unique(adapters)]

    def __call__(self) -> int:
        """One slate for each user."""
        return sum(part() for part in self._parts)


def wants(agent: LanguageUserAgent, args: Args) -> FloatArray:
    """(n, k) of each user's first slate."""
    rows = np.arange(args.users)
    slates = np.random.default_rng(1).integers(0, agent.n_items, (len(rows), args.slate_size))
    sessions = agent.open(len(rows))
    sessions.start(rows, rows)
    return sessions.react(rows, slates).choice_probability


def kept_mb(model: nn.Module, copies: int | None) -> float:
    """Mebibytes of a model's parameters and buffers; of so many copies of its parameters if they are asked for."""
    parts = [*model.parameters()] if copies else [*model.parameters(), *model.buffers()]
    return sum(part.numel() * part.element_size() for part in parts) * (copies or 1) / 2**20


def compare(corpus: Corpus, size: tuple[int, int], count: int, args: Args) -> list[MixedRate]:
    """All ways with one model and so many adapters, in turns with users who all have one adapter."""
    users = np.arange(args.users)
    agents = {way: in_way(way, corpus, count, size, args.rank) for way in (MERGED, BY_RUN, STACKED, PEFT)}
    ways: dict[str, TimedCall] = {way: Sessions(agent, users, args.slate_size) for way, agent in agents.items()}
    ways[COPIES] = Apart(agents[MERGED], users, args.slate_size)
    one = {"one": Sessions(in_way(MERGED, corpus, 1, size, args.rank), users, args.slate_size)}
    taken = interleaved_rates(one | ways, args.repeats, args.seconds, args.clock)
    expected, rates = wants(agents[PEFT], args), []
    for way in ways:
        agent, own = agents[MERGED if way == COPIES else way], np.array(taken[way])
        rates.append(
            MixedRate(
                width=size[0],
                layers=size[1],
                adapters=count,
                way=way,
                median=float(np.median(own)),
                low=float(own.min()),
                high=float(own.max()),
                times_one_adapter=float(np.median(np.array(taken["one"]) / own)),
                weights_mb=kept_mb(agent.population.model, count if way == COPIES else None),
                largest_difference=float(np.abs(wants(agent, args) - expected).max()),
            )
        )
    return sorted(rates, key=lambda rate: -rate.median)


def winners(rates: list[MixedRate]) -> Mapping[str, str]:
    """The fastest way of each model and number of adapters."""
    best: dict[str, str] = {}
    for rate in sorted(rates, key=lambda rate: -rate.median):
        best.setdefault(f"width {rate.width}, {rate.adapters} adapters", rate.way)
    return best


def main(args: Args) -> None:
    """Measure, print and write."""
    dataset = load_dataset("ml-100k")
    train = temporal_split(dataset.interactions).train
    corpus = load_bundle_agent(None, dataset, train, adapters=False).corpus
    sizes = zip(args.width, args.layers, strict=True)
    rates = [rate for size in sizes for count in args.adapters for rate in compare(corpus, size, count, args)]
    found = MixedAdapters(
        rates=tuple(rates),
        fastest=winners(rates),
        setting=recorded(args) | {"threads": torch.get_num_threads()},
        environment=environment_snapshot(),
    )
    console = make_console()
    console.print(rich_table(mixed_rates_table(found)))
    console.print(found.fastest)
    found.save(args.output)


if __name__ == "__main__":
    main(tyro.cli(Args))
