"""What one GPU does: `benchmarks/speed/gpu.sh`, or this script where everything is installed.

Language-model users of several sizes answer slates, and their rate is told beside that of a large product of matrices
in half precision, with which it takes turns. Beyond the shipped base, models have random weights in the shape of a
published one, which is all that speed depends on. Then the vector environment steps with the shipped users, and
`personagym train` fits adapters to the shipped base. What is done is written before the next thing begins, so that a
run that is cut off leaves what it has found.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from transformers import AutoModelForCausalLM, LlamaConfig, PretrainedConfig, Qwen2Config

from personagym_agents.bundle.storage import load_bundle_agent
from personagym_agents.inference.language_users import LanguageUserAgent
from personagym_benchmarks.console import make_console
from personagym_env.data.sources import load_dataset
from personagym_env.data.splits import temporal_split
from personagym_env.evaluation.core.interleaved_timing import TimedCall, interleaved_rates
from personagym_env.evaluation.core.result_file import recorded
from personagym_env.evaluation.core.snapshot import environment_snapshot
from personagym_env.evaluation.reporting.terminal import rich_table
from personagym_env.world import World, make_world
from speed import throughput
from speed.engine import Sessions
from speed.machine_results import GpuRate, GpuSpeed
from speed.tables import gpu_table

SHIPPED, ADAPTED = "shipped", "shipped, adapters"
SHAPES: Mapping[str, PretrainedConfig] = {
    "tiny": LlamaConfig(hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2, head_dim=8),
    "smollm2-135m": LlamaConfig(
        hidden_size=576,
        intermediate_size=1536,
        num_hidden_layers=30,
        num_attention_heads=9,
        num_key_value_heads=3,
        head_dim=64,
    ),
    "qwen2-0.5b": Qwen2Config(
        hidden_size=896,
        intermediate_size=4864,
        num_hidden_layers=24,
        num_attention_heads=14,
        num_key_value_heads=2,
    ),
}
"""Models by the shape that they have."""


@dataclass(frozen=True)
class Args:
    """What to measure."""

    device: str = "cuda"
    """As `torch` names it; `cpu` for a rehearsal."""
    models: tuple[str, ...] = (SHIPPED, ADAPTED, "smollm2-135m", "qwen2-0.5b")
    users: tuple[int, ...] = (64, 256, 1024)
    envs: tuple[int, ...] = (64, 256, 1024)
    """Environments side by side."""
    gemm: int = 8192
    """Side of the square matrices."""
    slate_size: int = 10
    repeats: int = 5
    seconds: float = 1.0
    """Length of one repeat at least."""
    training: bool = True
    """Whether adapters are trained."""
    training_limit: float = 240.0
    """Seconds after which the training is ended."""
    output: Path = Path("runs/gpu.json")


def users_of(model: str, device: str) -> LanguageUserAgent:
    """The users of ML-100K with a model.

    Raises:
        ValueError: there is no such model.
    """
    dataset = load_dataset("ml-100k")
    train = temporal_split(dataset.interactions).train
    shipped = load_bundle_agent(None, dataset, train, adapters=model == ADAPTED, device=device)
    if model in (SHIPPED, ADAPTED):
        return shipped
    if model not in SHAPES:
        raise ValueError(f"models are {SHIPPED!r}, {ADAPTED!r} or one of {', '.join(SHAPES)}, got {model!r}")
    config = SHAPES[model]
    config.update(
        {
            "vocab_size": len(shipped.corpus.tokenizer),
            "max_position_embeddings": 4096,
            "head_dim": config.hidden_size // config.num_attention_heads,
            "pad_token_id": 0,
            "bos_token_id": 1,
            "eos_token_id": None,
        }
    )
    torch.manual_seed(0)
    made: Any = AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]
    made = made.to(device, torch.float32 if device == "cpu" else torch.bfloat16)
    return LanguageUserAgent(made, shipped.corpus, name=model)


def gemm(args: Args) -> TimedCall:
    """A product of matrices in half precision, counted in operations."""
    left, right = torch.randn(2, args.gemm, args.gemm, device=args.device, dtype=torch.bfloat16)

    def work() -> int:
        left @ right
        if args.device != "cpu":
            torch.cuda.synchronize()
        return 2 * args.gemm**3

    return work


def rates_of(model: str, args: Args) -> list[GpuRate]:
    """Decisions per second of a model's users, and their share of the product's rate."""
    agent, rates = users_of(model, args.device), []
    for users in args.users:
        sessions = Sessions(agent, np.arange(users) % agent.n_users, args.slate_size)
        taken = interleaved_rates({"gemm": gemm(args), "users": sessions}, args.repeats, args.seconds, "wall")
        share = float(np.median(np.array(taken["users"]) / np.array(taken["gemm"]))) * sum(sessions.flops())
        own = taken["users"]
        rates.append(GpuRate(model, users, float(np.median(own)), min(own), max(own), share))
    return rates


def stepping(world: World, args: Args) -> dict[str, float]:
    """User-steps per second by number of environments."""
    found = {}
    for envs in args.envs:
        step = throughput.stepping(world, envs, throughput.Args(slate_size=args.slate_size))
        (rates,) = interleaved_rates({"users": step}, args.repeats, args.seconds, "wall").values()
        found[str(envs)] = float(np.median(rates))
    return found


def training(args: Args) -> float:
    """Seconds in which adapters are trained; NaN if it takes too long."""
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-c", "from personagym_benchmarks.cli import main; main()", "train"]
        command += ["--output", f"{scratch}/bundle", "--run", f"{scratch}/run"]
        begin = time.perf_counter()
        try:
            subprocess.run(command, check=True, timeout=args.training_limit, stdout=subprocess.DEVNULL)
        except subprocess.TimeoutExpired:
            return float("nan")
        return time.perf_counter() - begin


def main(args: Args) -> None:
    """Measure, print and write, one thing after the other."""
    if args.device != "cpu" and not torch.cuda.is_available():
        raise ValueError(f"torch {torch.__version__} finds no GPU: `--device cpu --models tiny` rehearses without")
    name = "a processor, for rehearsal" if args.device == "cpu" else torch.cuda.get_device_name()
    found = GpuSpeed(
        gpu=name,
        rates=(),
        user_steps={},
        training_seconds=float("nan"),
        setting=recorded(args),
        environment=environment_snapshot(),
    )
    for model in args.models:
        found = replace(found, rates=(*found.rates, *rates_of(model, args)))
        found.save(args.output)
    world = make_world("ml-100k", "default", device=args.device)
    found = replace(found, user_steps=stepping(world, args))
    found.save(args.output)
    if args.training:
        found = replace(found, training_seconds=training(args))
    found.save(args.output)
    console = make_console()
    console.print(rich_table(gpu_table(found)))
    console.print(f"user-steps/s by environments: {found.user_steps}; training: {found.training_seconds:.0f} s")


if __name__ == "__main__":
    main(tyro.cli(Args))
