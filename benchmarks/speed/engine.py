"""Decisions per second of the reaction engine: one user's answer to one item of a slate is one decision.

`python benchmarks/speed/engine.py` asks the same language-model users in three ways: one prompt per pair through plain
`transformers`, the prompts of one slate as a batch, and this engine at several numbers of users, with the adapters of
the shipped personas and without, with several numbers of adapters in a batch, with several sizes of its passes, in half
precision and with the parts between attention and attention compiled. All ways take turns in one process, so that a
disturbance of the machine hits each of them.

The FLOP rate counts the products that the answers need: 2 per weight and token, 4 per hidden unit, layer and visible
token for attention; of the last layer keys and values for all tokens and the rest for the answers' tokens alone; no
padding. It is given as a share of the rate of a large matrix product in the same run: by torch's `matmul`, and by
oneDNN, which the engine's products with weights go through (see `personagym_agents.inference.linear`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import tyro
from torch.profiler import ProfilerActivity, profile
from transformers import PreTrainedModel

from personagym_agents.bundle.storage import load_bundle_agent
from personagym_agents.inference.language_users import LanguageUserAgent
from personagym_agents.inference.linear import product
from personagym_agents.inference.thread_pool import one_thread
from personagym_agents.model.adapters import adapter_factors, add_adapters, lora_config, mix_adapters
from personagym_agents.model.causal_lm import answer_logits, decoder_of, small_model
from personagym_benchmarks.console import make_console
from personagym_env.benchmark import Benchmark, user_hashes
from personagym_env.data.sources import load_dataset
from personagym_env.data.splits import temporal_split
from personagym_env.data.tables import IntArray
from personagym_env.evaluation.core.interleaved_timing import CLOCKS, Clock, TimedCall, interleaved_rates
from personagym_env.evaluation.core.result_file import recorded
from personagym_env.evaluation.core.snapshot import environment_snapshot
from personagym_env.evaluation.reporting.terminal import rich_table
from speed.results import DecisionRate, EngineProfile, EngineSpeed
from speed.tables import engine_table

GEMM = 1024
"""Side of the square matrices whose product gives the rate to compare with."""
SESSION = 20
"""Slates of a session before all users start afresh."""
ONE_PROMPT = "one prompt per pair"


@dataclass(frozen=True)
class Args:
    """What to measure."""

    slate_size: int = 10
    users: tuple[int, ...] = (1, 16, 64, 256)
    adapted_users: tuple[int, ...] = (64, 256)
    """Users who have the adapters of the shipped personas; the plain prompts beside them have none."""
    personas: tuple[int, ...] = (1, 4, 16, 64)
    """Numbers of adapters in one batch of 64 users."""
    pass_sizes: tuple[int, ...] = (80, 160, 320, 640, 1280)
    """Candidates per packed pass, with 256 users."""
    large_width: int = 256
    large_layers: int = 6
    """A larger model of the bundled architecture, with random weights."""
    repeats: int = 7
    seconds: float = 1.0
    """Length of one repeat at least."""
    clock: Clock = "wall"
    """Which seconds; `processor` with one thread where other programs keep the machine busy."""
    output: Path = Path("runs/engine.json")


class Flops(NamedTuple):
    """Floating-point operations of the products that one decision needs."""

    linear: float
    """With weights."""
    attention: float


class Sessions:
    """Steps of an open session of each of n users, each scoring a slate and consuming one item."""

    def __init__(self, agent: LanguageUserAgent, users: IntArray, slate_size: int) -> None:
        self._agent, self._rng, self._steps = agent, np.random.default_rng(0), 0
        self._rows, self._size = np.arange(len(users)), slate_size
        self.users = users
        self._sessions = agent.open(len(users))

    def __call__(self) -> int:
        """One slate for each user."""
        if self._steps % SESSION == 0:
            self._sessions.start(self._rows, self.users)
        self._steps += 1
        slates = self._rng.integers(0, self._agent.n_items, (len(self._rows), self._size))
        self._sessions.react(self._rows, slates)
        ratings = self._rng.integers(0, len(self._agent.corpus.train.scale), len(self._rows))
        self._sessions.consume(self._rows, slates[:, 0], ratings)
        return slates.size

    def flops(self) -> Flops:
        """What a decision needs on average over a session of a Llama-shaped model."""
        population, config = self._agent.population, self._agent.population.model.config
        lengths, corpus = population.segments.lengths, self._agent.corpus
        line = float(lengths[corpus.of_item].mean()) + len(corpus.of_memory)
        script = population.prompts[self.users]
        begin = float(np.where(script >= 0, lengths[script], 0).sum(axis=1).mean())
        seen = begin + (SESSION - 1) / 2 * (line + 1)
        # Per decision: its own line, a share of the slate's answer, a share of the document at the session's start.
        answer, opening = 1 / self._size, begin / (self._size * SESSION)
        layer = sum(weight.numel() for weight in decoder_of(population.model).get_submodule("layers.0").parameters())
        width, layers = config.hidden_size, config.num_hidden_layers
        kept = 2 * width * config.head_dim * config.num_key_value_heads
        tokens = line + answer + opening
        linear = 2 * (tokens * ((layers - 1) * layer + kept) + layer - kept)
        looks = (line + answer) * (seen + (line + 1) / 2) + opening * begin / 2
        return Flops(linear, 4 * width * ((layers - 1) * looks + seen + line))


def prompts(agent: LanguageUserAgent, user: int, items: np.ndarray, consumed: np.ndarray) -> list[list[int]]:
    """Whole prompts of a user who has consumed (c,) items for (k,) items, as token lists."""
    population, corpus = agent.population, agent.corpus
    segments, recalled = population.segments, corpus.recall(np.array([user]))[0]
    past, lines = (corpus.with_memory(corpus.of_item[some], recalled[some]) for some in (consumed, items))
    told = np.column_stack([past, np.full(len(past), corpus.of_answer[1])]).ravel()
    script = [*population.prompts[user][population.prompts[user] >= 0], *told]
    return [
        [token for segment in (*script, *line) for token in segments.tokens[segment, : segments.lengths[segment]]]
        for line in lines
    ]


def plain(agent: LanguageUserAgent, args: Args, *, batched: bool) -> TimedCall:
    """Prompts through the model as anybody would, one by one or a slate at a time, over documents like the engine's."""
    rng, model = np.random.default_rng(0), agent.population.model

    @torch.no_grad()
    def work() -> int:
        items, consumed = (
            rng.integers(0, agent.n_items, size) for size in (args.slate_size, int(rng.integers(SESSION)))
        )
        texts = prompts(agent, int(rng.integers(agent.n_users)), items, consumed)
        if batched:
            width = max(map(len, texts))
            tokens = torch.tensor([text + [0] * (width - len(text)) for text in texts])
            states = decoder_of(model)(tokens, use_cache=False).last_hidden_state
            hidden = states[torch.arange(len(texts)), [len(text) - 1 for text in texts]]
        else:
            hidden = torch.stack(
                [decoder_of(model)(torch.tensor([text]), use_cache=False).last_hidden_state[0, -1] for text in texts]
            )
        answer_logits(model, hidden, agent.population.answer_ids)
        return len(texts)

    return work


def gemm(multiply: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> TimedCall:
    """A square matrix product, counted in FLOPs."""
    left, right = torch.randn(2, GEMM, GEMM)

    def work() -> int:
        multiply(left, right)
        return 2 * GEMM**3

    return work


def gemms() -> dict[str, TimedCall]:
    """The same product by both libraries."""
    return {"matmul": gemm(torch.matmul), "onednn": gemm(product)}


def with_adapters(agent: LanguageUserAgent, count: int) -> LanguageUserAgent:
    """The same users with random adapters, so many of them, dealt evenly."""
    model = small_model(agent.population.model.config.vocab_size)
    names = [f"random-{number}" for number in range(count)]
    add_adapters(model, names, lora_config(model, rank=16, alpha=16, dropout=0.0))
    dealt = np.arange(agent.n_users) % count
    gate = mix_adapters(model, [adapter_factors(model, name) for name in names])
    return LanguageUserAgent(model, agent.corpus, name="mixed", gate=gate, adapter_of=dealt)


def in_passes_of(agent: LanguageUserAgent, size: int) -> LanguageUserAgent:
    """The same users, so many candidates at a time."""
    other = LanguageUserAgent(agent.population.model, agent.corpus, name="sized")
    other.population = agent.population._replace(pass_size=size)  # type: ignore[misc]
    return other


def compile_parts(model: PreTrainedModel) -> None:
    """Compile norms and feed-forward networks for any number of tokens; attention is compiled already."""
    for layer in decoder_of(model).get_submodule("layers").children():
        for name, part in layer.named_children():
            if name != "self_attn":
                part.compile(dynamic=True)


def compare(agents: Mapping[str, LanguageUserAgent], args: Args) -> tuple[list[DecisionRate], dict[str, float]]:
    """All ways in turn, and the FLOP rates of matrix products among them."""
    ways: dict[tuple[str, str], TimedCall] = {}
    for name in ("bundled", "large"):
        ways[name, ONE_PROMPT] = plain(agents[name], args, batched=False)
        ways[name, "a slate per batch"] = plain(agents[name], args, batched=True)
        for n in args.users:
            ways[name, f"engine, {n} users"] = Sessions(agents[name], np.arange(n), args.slate_size)
    for n in args.adapted_users:
        ways["bundled", f"engine, {n} users, shipped adapters"] = Sessions(
            agents["bundled adapters"], np.arange(n), args.slate_size
        )
    for name in ("bundled in bfloat16", "bundled and compiled"):
        ways[name, "engine, 64 users"] = Sessions(agents[name], np.arange(64), args.slate_size)
    for count in args.personas:
        sessions = Sessions(with_adapters(agents["bundled"], count), np.arange(64), args.slate_size)
        ways["random adapters", f"engine, 64 users, {count} adapters"] = sessions
    pass_sizes = {f"engine, 256 users, {size} candidates per pass": size for size in args.pass_sizes}
    for way, size in pass_sizes.items():
        ways["bundled", way] = Sessions(in_passes_of(agents["bundled"], size), np.arange(256), args.slate_size)
    peaks = gemms()
    named = peaks | {"|".join(key): work for key, work in ways.items()}
    taken = interleaved_rates(named, args.repeats, args.seconds, args.clock)
    rates = []
    for (name, way), work in ways.items():
        own = taken[f"{name}|{way}"]
        one = taken.get(f"{name}|{ONE_PROMPT}")
        counted = sum(work.flops()) if isinstance(work, Sessions) and name in ("bundled", "large") else None
        rates.append(
            DecisionRate(
                model=name,
                way=way,
                pass_size=pass_sizes.get(way),
                median=float(np.median(own)),
                low=min(own),
                high=max(own),
                # Repeat by repeat, because the machine's speed changes between them.
                gemm_share=None if counted is None else _median_ratio(own, taken["matmul"]) * counted,
                onednn_share=None if counted is None else _median_ratio(own, taken["onednn"]) * counted,
                times_one_prompt=None if one is None else _median_ratio(own, one),
            )
        )
    return rates, {name: float(np.median(taken[name])) for name in peaks}


def _median_ratio(upper: list[float], lower: list[float]) -> float:
    return float(np.median(np.array(upper) / np.array(lower)))


def ceilings(
    rates: list[DecisionRate], agents: Mapping[str, LanguageUserAgent], peak: float, args: Args
) -> dict[str, float]:
    """How many times one prompt per pair 64 users would reach if every product that they need ran at the peak rate."""
    return {
        rate.model: peak / sum(Sessions(agents[rate.model], np.arange(64), args.slate_size).flops()) / rate.median
        for rate in rates
        if rate.way == ONE_PROMPT
    }


@one_thread()
def where_time_goes(sessions: Sessions, clock: Clock) -> EngineProfile:
    """The five operations with most time, and which exceeds most what its FLOPs would take in a matrix product."""
    sessions()
    peak = max(float(np.median(rates)) for rates in interleaved_rates(gemms(), 5, 0.2, clock).values())
    decisions, clocks = 0, (CLOCKS[clock], CLOCKS["wall"])
    with profile(activities=[ProfilerActivity.CPU]) as recorded:
        begin = [now() for now in clocks]
        for _ in range(SESSION):
            decisions += sessions()
        own, wall = (now() - since for now, since in zip(clocks, begin, strict=True))
    # The profiler reads the wall; what other programs took is taken off evenly.
    seconds = {event.key: event.self_cpu_time_total / 1e6 * own / wall for event in recorded.key_averages()}
    total = sum(seconds.values())
    names = {"attention": ("attend_row_by_row",), "products with weights": ("_linear_pointwise", "aten::mm")}
    grouped: dict[str, float] = {}
    for key, spent in seconds.items():
        name = next((name for name, parts in names.items() if any(part in key for part in parts)), key)
        grouped[name] = grouped.get(name, 0.0) + spent
    flops = sessions.flops()
    ideal = {"attention": flops.attention, "products with weights": flops.linear}
    excess = {name: spent - decisions * ideal.get(name, 0.0) / peak for name, spent in grouped.items()}
    most = sorted(grouped, key=grouped.__getitem__, reverse=True)[:5]
    bottleneck = max(excess, key=excess.__getitem__)
    return EngineProfile({name: grouped[name] / total for name in most}, bottleneck, excess[bottleneck] / total)


def largest_difference(one: LanguageUserAgent, other: LanguageUserAgent, args: Args) -> float:
    """The most by which two models of the same users differ in the probability of wanting an item."""
    rows = np.arange(64)
    slates = np.random.default_rng(1).integers(0, one.n_items, (len(rows), args.slate_size))
    answers = []
    for agent in (one, other):
        sessions = agent.open(len(rows))
        sessions.start(rows, rows % agent.n_users)
        answers.append(sessions.react(rows, slates).choice_probability)
    return float(np.abs(answers[0] - answers[1]).max())


def main(args: Args) -> None:
    """Measure, print and write."""
    dataset = load_dataset("ml-100k")
    train = temporal_split(dataset.interactions).train
    bundled, half, compiled = (load_bundle_agent(None, dataset, train, adapters=False) for _ in range(3))
    half.population.model.bfloat16()
    compile_parts(compiled.population.model)
    large = small_model(len(bundled.corpus.tokenizer), width=args.large_width, layers=args.large_layers)
    agents = {
        "bundled": bundled,
        "bundled adapters": load_bundle_agent(None, dataset, train),
        "bundled in bfloat16": half,
        "bundled and compiled": compiled,
        "large": LanguageUserAgent(large, bundled.corpus, name="large"),
    }
    rates, peaks = compare(agents, args)
    found = EngineSpeed(
        gemm_gflops=peaks["matmul"] / 1e9,
        onednn_gflops=peaks["onednn"] / 1e9,
        rates=tuple(rates),
        times_one_prompt_at_gemm_rate=ceilings(rates, agents, max(peaks.values()), args),
        bfloat16_largest_difference=largest_difference(bundled, half, args),
        profile={
            name: where_time_goes(Sessions(agents[name], np.arange(64), args.slate_size), args.clock)
            for name in ("bundled", "large")
        },
        setting=recorded(args) | {"threads": torch.get_num_threads()},
        environment=environment_snapshot(),
        benchmarks={dataset.name: Benchmark.of(dataset, user_hashes([agents["bundled adapters"]]))},
    )
    console = make_console()
    console.print(rich_table(engine_table(found.rates)))
    console.print("times one prompt, with all products at the peak rate:", found.times_one_prompt_at_gemm_rate)
    console.print("largest difference by half precision:", found.bfloat16_largest_difference)
    console.print(found.profile)
    found.save(args.output)


if __name__ == "__main__":
    main(tyro.cli(Args))
