"""What a pretrained base costs: memory and time of its training, and decisions per second of its users.

`python benchmarks/speed/pretrained_base.py` trains an adapter for all users on a whole log with the default options for
a few steps, which are as large as those behind them, and tells the most memory that the process has held beside what
was planned. Then users without adapters answer slates, in half and in single precision.
"""

import resource
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import tyro

from personagym_agents.bundle.settings import BundleSettings
from personagym_agents.documents.corpus import Corpus
from personagym_agents.inference.language_users import LanguageUserAgent
from personagym_agents.model.adapters import add_adapters, lora_config
from personagym_agents.model.causal_lm import load_base
from personagym_agents.training.base import TrainedBase, train_base
from personagym_agents.training.loop import train
from personagym_agents.training.step import sequence_lengths
from personagym_agents.training.world import World
from personagym_benchmarks.console import make_console
from personagym_benchmarks.display import console_run
from personagym_env.data.sources import load_dataset
from personagym_env.data.splits import Split
from personagym_env.data.tables import FloatArray
from personagym_env.evaluation.core.result_file import recorded
from personagym_env.evaluation.core.snapshot import environment_snapshot
from personagym_env.evaluation.reporting.terminal import rich_table
from personagym_env.run_context import RunContext, SilentDisplay
from speed.machine_results import BaseRate, PretrainedBase
from speed.tables import pretrained_base_table

_GB = 1e9


@dataclass(frozen=True)
class Args:
    """What to measure."""

    base: str = "smollm2"
    """By name or path."""
    dataset: str = "ml-100k"
    steps: int = 2
    """Of the training."""
    batch: int | None = None
    """Sequences of a step; None for the default. A step holds those that go through the model at a time, as the plan
    tells: a batch of no fewer takes as much memory, and less time."""
    users: tuple[int, ...] = (1, 16, 64)
    single_precision_users: int = 16
    """Users who answer in single precision too."""
    slate_size: int = 10
    slates: int = 2
    """That are timed, behind one that encodes the documents."""
    folder: Path = Path("runs/pretrained-base")
    output: Path = Path("runs/pretrained_base.json")


class Lines(SilentDisplay):
    """Keeps what is told, and tells it to others."""

    def __init__(self, others: RunContext) -> None:
        self.told: list[str] = []
        self._others = others

    def tell(self, line: str) -> None:
        """Keep a line."""
        self.told.append(line)
        self._others.tell(line)


class _Enough(Exception):  # noqa: N818 - nothing went wrong
    """As many steps as were asked for are done."""


def peak() -> float:
    """GB that this process has held at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / _GB


def trained_steps(args: Args, trained: TrainedBase, context: RunContext) -> tuple[float, float]:
    """Planned GB, and processor milliseconds per token of a few steps of a training with default options."""
    settings, lines = trained.settings.adapters, Lines(context)
    training = replace(settings.training, batch=args.batch or settings.training.batch)
    config = lora_config(
        trained.model,
        rank=settings.rank,
        alpha=settings.alpha,
        dropout=settings.dropout,
        targets=settings.targets,
        tokens=trained.field_ids,
    )
    epochs = trained.epochs(training, 0)
    tokens = float(sequence_lengths(epochs.draw(0)[0]).mean()) * training.batch
    begins: list[float] = []

    def stop(name: str, step: int, losses: Mapping[str, float]) -> None:
        begins.append(time.process_time())
        context.tell(f"step {step}: {losses['rating']:.3f} nats, {peak():.2f} GB held at most so far")
        if step == args.steps:
            raise _Enough

    adapted = add_adapters(trained.model, ["single"], config)
    asked = RunContext(args.folder, figures=stop, display=lines)
    world = World(epochs, trained.teacher)
    with suppress(_Enough):
        train(trained.model, [world], training, name="single", identity="", context=asked)
    adapted.unload()
    planned = float(lines.told[0].rpartition(" GB in all")[0].rpartition(" ")[2])
    return planned, 1e3 * (begins[-1] - begins[0]) / (len(begins) - 1) / tokens


def rates(args: Args, corpus: Corpus, precision: torch.dtype) -> tuple[list[BaseRate], FloatArray]:
    """Decisions per processor second by number of users, and the rating distributions of those who compare."""
    model, _ = load_base(args.base)
    torch.manual_seed(0)  # of the added tokens, whose embeddings are drawn: the same in both precisions
    model.resize_token_embeddings(len(corpus.tokenizer), mean_resizing=False)
    for parameter in model.parameters():
        parameter.data = parameter.data.to(precision)
    agent = LanguageUserAgent(model, corpus, name=args.base)
    found: list[BaseRate] = []
    answers: FloatArray = np.zeros(0)
    counts = args.users if precision == torch.bfloat16 else (args.single_precision_users,)
    for count in counts:
        rows = np.arange(count)
        slates = np.random.default_rng(1).integers(0, agent.n_items, (1 + args.slates, count, args.slate_size))
        sessions = agent.open(count)
        sessions.start(rows, np.sort(np.random.default_rng(2).permutation(agent.n_users)[:count]))
        reaction = sessions.react(rows, slates[0])
        if count == args.single_precision_users:
            answers = reaction.rating
        begin = time.process_time()
        for slate in slates[1:]:
            sessions.react(rows, slate)
        rate = slates[1:].size / (time.process_time() - begin)
        found.append(BaseRate(str(precision).rpartition(".")[2], count, rate))
    return found, answers


def main(args: Args) -> None:
    """Measure, tell and write."""
    console = make_console()
    dataset = load_dataset(args.dataset)
    log = dataset.interactions
    split = Split(log, log.take(np.zeros(len(log), np.bool_)))
    with console_run(console, args.folder) as context:
        trained = train_base(dataset, split, BundleSettings(base=args.base, teacher="bias"), context)
        planned, per_token = trained_steps(args, trained, context)
        held = peak()
        corpus = trained.corpus
        lengths = np.array([len(ids) for ids in corpus.encoded])
        line = float(lengths[corpus.with_memory(corpus.of_row, corpus.examples.own)].sum(axis=1).mean())  # type: ignore[union-attr]
        del trained
        halves, near = rates(args, corpus, torch.bfloat16)
        singles, exact = rates(args, corpus, torch.float32)
    found = PretrainedBase(
        setting=recorded(args) | {"training rows": len(log)},
        environment=environment_snapshot(),
        planned_gb=planned,
        peak_gb=round(held, 2),
        milliseconds_per_token=round(per_token, 2),
        tokens_per_line=round(line + 1, 1),
        rates=(*halves, *singles),
        largest_difference=round(float(np.abs(near - exact).max()), 4),
    )
    found.save(args.output)
    console.print(rich_table(pretrained_base_table(found)))


if __name__ == "__main__":
    main(tyro.cli(Args, description=__doc__))
