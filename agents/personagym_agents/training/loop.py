"""The training loop: packed documents in, averaged weights out; the same for the base model and for its adapters."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext

import numpy as np
import numpy.typing as npt
import torch
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from transformers import PreTrainedModel

from personagym_agents.documents.window import window_of, within_window
from personagym_agents.model.causal_lm import checkpointed, multiplies_halves
from personagym_agents.training.checkpoint import Progress, restore, store
from personagym_agents.training.memory import MemoryPlan, plan_memory
from personagym_agents.training.sampling import Epoch
from personagym_agents.training.settings import TrainingSettings
from personagym_agents.training.step import Lesson, gradients, sequence_lengths
from personagym_agents.training.world import World
from personagym_env.run_context import RunContext


def make_optimiser(parameters: list[torch.nn.Parameter], settings: TrainingSettings) -> torch.optim.AdamW:
    """AdamW that lets vectors be."""
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": settings.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]], lr=settings.learning_rate, betas=(0.9, 0.98)
    )


def _batches(epoch: Epoch, size: int, rng: np.random.Generator) -> Iterator[npt.NDArray[np.int64]]:
    """Sequences of like length together, in random order: padding costs as much as text."""
    length = sequence_lengths(epoch)
    order = np.argsort(length + rng.normal(0, 30, len(length)))
    starts = rng.permutation(np.arange(0, len(order), size))
    return (order[start : start + size] for start in starts)


def schedule(done: float, step: int, settings: TrainingSettings) -> float:
    """Share of the peak learning rate after `done` of the training."""
    return min(1.0, (step + 1) / settings.warmup) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(done, 1.0))))


@contextmanager
def flushed_denormals() -> Iterator[None]:
    """Numbers too small to matter, such as the moments of rare tokens, count as zero: they are slow on a CPU."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


@flushed_denormals()
def train(
    model: PreTrainedModel,
    worlds: Sequence[World],
    settings: TrainingSettings,
    *,
    name: str,
    identity: str,
    context: RunContext,
) -> None:
    """Train the model's trainable parameters in place; they end as their moving average.

    Every epoch ends in a checkpoint, so that a training that was killed and started again gives the weights that it
    would have given.

    Args:
        model: a causal LM; parameters that do not require gradients stay as they are.
        worlds: what is shown, in batches of one log each, the logs in random order.
        settings: hyper-parameters.
        name: names the checkpoint within the run's folder.
        identity: of the rows and settings; a checkpoint with another one is refused.
        context: keeps the checkpoints, and the losses after every step.
    """
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimiser = make_optimiser(parameters, settings)
    average = AveragedModel(torch.nn.ParameterList(parameters), multi_avg_fn=get_ema_multi_avg_fn(settings.averaging))  # type: ignore[no-untyped-call]
    place = context.folder / name
    progress = restore(place, parameters, average, optimiser, identity) or Progress(0, 0, identity)
    begun, done = progress.step, progress.epoch / settings.epochs
    rate = LambdaLR(optimiser, lambda steps: schedule(done, begun + steps, settings))
    model.train()
    plan = plan_of(model, worlds, min(progress.epoch, settings.epochs - 1), settings)
    context.tell(f"{name}: {plan}")
    with context.bar(name, 1.0) as bar, checkpointed(model) if plan.checkpointing else nullcontext():
        bar(progress.epoch / settings.epochs)
        for number in range(progress.epoch, settings.epochs):
            lessons = draw_lessons(worlds, number, settings, window_of(model))
            torch.manual_seed(worlds[0].epochs.seed * 10_007 + number)
            step = progress.step
            for index, lesson in enumerate(lessons):
                losses = gradients(model, lesson, settings, plan)
                torch.nn.utils.clip_grad_norm_(parameters, settings.clip)
                optimiser.step()
                optimiser.zero_grad()
                average.update_parameters(torch.nn.ParameterList(parameters))
                step, done = step + 1, (number + (index + 1) / len(lessons)) / settings.epochs
                rate.step()
                context.figures(name, step, losses)
                bar.note(", ".join(f"{key} {value:.3f}" for key, value in losses.items()))
                bar(1 / len(lessons) / settings.epochs)
            progress = Progress(number + 1, step, identity)
            store(place, parameters, average, optimiser, progress)
    with torch.no_grad():
        for parameter, averaged in zip(parameters, average.module.parameters(), strict=True):
            parameter.copy_(averaged)
    model.eval()  # type: ignore[no-untyped-call]


def plan_of(model: PreTrainedModel, worlds: Sequence[World], number: int, settings: TrainingSettings) -> MemoryPlan:
    """By the longest sequence of an epoch; later epochs draw others of like length."""
    lengths = [int(sequence_lengths(world.draw(number)[0]).max(initial=1)) for world in worlds]
    return plan_memory(
        model,
        length=min(window_of(model), max(lengths)),
        batch=settings.batch,
        gigabytes=settings.memory,
        halves=multiplies_halves(model.device),
        checkpointing=settings.checkpointing,
    )


def draw_lessons(worlds: Sequence[World], number: int, settings: TrainingSettings, window: int) -> list[Lesson]:
    """An epoch's batches, those of all logs in random order."""
    lessons = []
    for world in worlds:
        epoch, rng = world.draw(number)
        epoch = within_window(epoch, world.epochs.corpus, window)
        lessons += [Lesson(world, epoch, batch) for batch in _batches(epoch, settings.batch, rng)]
    if len(worlds) == 1:
        return lessons
    order = np.random.default_rng([worlds[0].epochs.seed, number]).permutation(len(lessons))
    return [lessons[place] for place in order]
