"""Decisions per second of the reaction engine: one user's answer to one item of a slate is one decision.

`python benchmarks/engine.py` asks the same language-model users in three ways, side by side in one process: one prompt
per pair through plain `transformers`, the prompts of one slate as a batch, and this engine at several numbers of users.
The FLOP rate counts the products that the answers need (2 per weight and token, 4 per hidden unit, layer and visible
token for attention; no padding), and is given as a share of the rate of a plain matrix product in the same run.
"""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import tyro
from rich.console import Console
from rich.table import Table
from transformers import PreTrainedModel

from personagym_agents.adapters import add_adapters, lora_config, mix_adapters
from personagym_agents.bundle import load_bundle_agent
from personagym_agents.corpus import Corpus
from personagym_agents.language import LanguageUserAgent
from personagym_agents.model import answer_logits, decoder_of, small_model
from personagym_env.data.sources import load_dataset
from personagym_env.data.splits import temporal_split
from personagym_env.evaluation.leaderboard import write_atomically
from personagym_env.evaluation.snapshot import environment_snapshot

RESULTS = Path(__file__).parent / "results"
GEMM = 1024
"""Side of the square matrices whose product gives the rate to compare with."""


@dataclass(frozen=True)
class Args:
    """What to measure."""

    slate_size: int = 10
    users: tuple[int, ...] = (1, 16, 64, 256)
    personas: tuple[int, ...] = (1, 4, 16, 64)
    """Numbers of adapters in one batch of 64 users."""
    large_width: int = 256
    large_layers: int = 6
    """A larger model of the bundled architecture, with random weights."""
    repeats: int = 5
    seconds: float = 2.0
    """Length of one repeat at least."""
    output: Path = RESULTS / "engine.json"


@dataclass(frozen=True)
class Rate:
    """Decisions per second over repeats."""

    model: str
    way: str
    median: float
    low: float
    high: float
    gemm_share: float | None = None
    """Achieved FLOP rate over that of a matrix product."""


def timed(work: Callable[[], int], args: Args) -> tuple[float, float, float]:
    """Median, lowest and highest decisions per second of `work`, which says how many it made."""
    rates = []
    for repeat in range(args.repeats + 1):
        made, begin = 0, time.perf_counter()
        while time.perf_counter() - begin < args.seconds:
            made += work()
        if repeat:  # the first one warms up
            rates.append(made / (time.perf_counter() - begin))
    return float(np.median(rates)), min(rates), max(rates)


def gemm_rate(args: Args) -> float:
    """FLOP per second of a square matrix product."""
    left, right = torch.randn(2, GEMM, GEMM)

    def multiply() -> int:
        torch.matmul(left, right)
        return 2 * GEMM**3

    return timed(multiply, args)[0]


def prompts(agent: LanguageUserAgent, user: int, items: np.ndarray) -> list[list[int]]:
    """Whole prompts of a user for (k,) items, as token lists."""
    population, corpus = agent.population, agent.corpus
    pieces = population.pieces
    lines = corpus.with_memory(corpus.of_item[items], corpus.recall(np.array([user]))[0, items])
    script = [piece for piece in population.scripts[user] if piece >= 0]
    return [
        [token for piece in (*script, *line) for token in pieces.tokens[piece, : pieces.lengths[piece]]]
        for line in lines
    ]


def plain(agent: LanguageUserAgent, model: PreTrainedModel, args: Args, *, batched: bool) -> Callable[[], int]:
    """Prompts through the model as anybody would, one by one or a slate at a time."""
    rng = np.random.default_rng(0)

    @torch.no_grad()
    def work() -> int:
        items = rng.integers(0, agent.n_items, args.slate_size)
        texts = prompts(agent, int(rng.integers(agent.n_users)), items)
        ends = torch.tensor([len(text) - 1 for text in texts])
        if not batched:
            hidden = [decoder_of(model)(torch.tensor([text])).last_hidden_state[0, -1] for text in texts]
            answer_logits(model, torch.stack(hidden), agent.population.answer_ids)
            return len(texts)
        width = max(map(len, texts))
        tokens = torch.tensor([text + [0] * (width - len(text)) for text in texts])
        states = decoder_of(model)(tokens).last_hidden_state[torch.arange(len(texts)), ends]
        answer_logits(model, states, agent.population.answer_ids)
        return len(texts)

    return work


def engine(agent: LanguageUserAgent, n: int, args: Args) -> tuple[Callable[[], int], float]:
    """Steps of n open sessions, each scoring a slate and consuming one item, and the FLOPs of a decision."""
    rng = np.random.default_rng(0)
    rows, users = np.arange(n), rng.integers(0, agent.n_users, n)
    sessions = agent.open(n)
    sessions.start(rows, users)
    steps = 0

    def work() -> int:
        nonlocal steps
        if steps % 20 == 0:
            sessions.start(rows, users)
        steps += 1
        slates = rng.integers(0, agent.n_items, (n, args.slate_size))
        sessions.react(rows, slates)
        sessions.consume(rows, slates[:, 0], rng.integers(0, len(agent.scale), n))
        return slates.size

    lengths, corpus = agent.population.pieces.lengths, agent.corpus
    line = float(lengths[corpus.of_item].mean()) + len(corpus.of_memory)
    script = agent.population.scripts[users]
    prefix = float(np.where(script >= 0, lengths[script], 0).sum(axis=1).mean()) + 10 * (line + 1)
    config = agent.population.model.config
    weights = sum(p.numel() for p in decoder_of(agent.population.model).parameters()) - (
        config.vocab_size * config.hidden_size
    )
    tokens = line + 1 / args.slate_size  # one answer per slate becomes history
    flops = tokens * (2 * weights + 4 * config.hidden_size * config.num_hidden_layers * (prefix + line / 2))
    return work, flops


def with_adapters(agent: LanguageUserAgent, count: int) -> LanguageUserAgent:
    """The same users with random adapters, so many of them, dealt evenly."""
    model = small_model(agent.population.model.config.vocab_size)
    names = [f"random-{number}" for number in range(count)]
    add_adapters(model, names, lora_config(model, rank=16, alpha=16, dropout=0.0))
    people = np.arange(agent.n_users)
    return LanguageUserAgent(
        model, agent.corpus, name="mixed", gate=mix_adapters(model, names), adapter_of=people % count
    )


def main(args: Args) -> None:
    """Measure, print and write."""
    console = Console()
    dataset = load_dataset("ml-100k")
    train = temporal_split(dataset.interactions).train
    persona = load_bundle_agent(None, dataset, train)
    bundled = load_bundle_agent(None, dataset, train, adapters=False)
    corpus: Corpus = bundled.corpus
    large = small_model(len(corpus.tokenizer), width=args.large_width, layers=args.large_layers)
    larger = LanguageUserAgent(large, corpus, name="large")
    peak = gemm_rate(args)
    rates = []
    for name, agent in (("bundled", bundled), ("large", larger)):
        model = agent.population.model
        for way, batched in (("one prompt per pair", False), ("a slate per batch", True)):
            rates.append(Rate(name, way, *timed(plain(agent, model, args, batched=batched), args)))
        for n in args.users:
            work, flops = engine(agent, n, args)
            median, low, high = timed(work, args)
            rates.append(Rate(name, f"engine, {n} users", median, low, high, median * flops / peak))
    rates.append(Rate("persona", "engine, 64 users", *timed(engine(persona, 64, args)[0], args)))
    for count in args.personas:
        work, _ = engine(with_adapters(bundled, count), 64, args)
        rates.append(Rate("random adapters", f"engine, 64 users, {count} adapters", *timed(work, args)))
    table = Table("model", "way", "decisions/s", "lowest", "highest", "share of GEMM")
    for rate in rates:
        share = "" if rate.gemm_share is None else f"{rate.gemm_share:.0%}"
        table.add_row(rate.model, rate.way, f"{rate.median:,.0f}", f"{rate.low:,.0f}", f"{rate.high:,.0f}", share)
    console.print(table)
    result = {
        "snapshot": environment_snapshot(),
        "slate_size": args.slate_size,
        "gemm_gflops": peak / 1e9,
        "rates": [asdict(rate) for rate in rates],
    }
    write_atomically(args.output, json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main(tyro.cli(Args))
