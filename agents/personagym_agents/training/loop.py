"""The training loop: packed documents in, averaged weights out; the same for the base model and for its adapters."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from transformers import PreTrainedModel

from personagym_agents.documents.window import window_of, within_window
from personagym_agents.model.causal_lm import answer_logits, checkpointed, hidden_states, multiplies_halves
from personagym_agents.model.packing import pack
from personagym_agents.training.checkpoint import Progress, restore, store
from personagym_agents.training.loss import answer_losses
from personagym_agents.training.sampling import NONE, Epoch, Epochs, Sequences
from personagym_agents.training.settings import TrainingSettings
from personagym_env.data.tables import FloatArray, IntArray
from personagym_env.run_context import RunContext

Teacher = Callable[[IntArray, IntArray], FloatArray]
"""Gives, for users (n,) and items (n,) without a rating, rating distributions (n, r) learned from training rows."""


def _optimiser(parameters: list[torch.nn.Parameter], settings: TrainingSettings) -> torch.optim.AdamW:
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": settings.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]], lr=settings.learning_rate, betas=(0.9, 0.98)
    )


def _batches(epoch: Epoch, size: int, rng: np.random.Generator) -> Iterator[npt.NDArray[np.int64]]:
    """Sequences of like length together, in random order: padding costs as much as text."""
    segment = epoch.sequences.segment
    length = np.where(segment != NONE, epoch.segments.lengths[segment], 0).sum(axis=1)
    order = np.argsort(length + rng.normal(0, 30, len(length)))
    starts = rng.permutation(np.arange(0, len(order), size))
    return (order[start : start + size] for start in starts)


def _schedule(done: float, step: int, settings: TrainingSettings) -> float:
    """Share of the peak learning rate after `done` of the training."""
    return min(1.0, (step + 1) / settings.warmup) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(done, 1.0))))


@contextmanager
def _flushed_denormals() -> Iterator[None]:
    """Numbers too small to matter, such as the moments of rare tokens, count as zero: they are slow on a CPU."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


class World(NamedTuple):
    """One log that a training reads."""

    epochs: Epochs
    teacher: Teacher
    users: npt.NDArray[np.bool_] | None = None
    """(u,) whose documents to train on; None for all."""
    rows: int | None = None
    """Training rows that an epoch shows at most, those of users drawn anew each time; None for all."""

    def draw(self, number: int) -> tuple[Epoch, np.random.Generator]:
        """What an epoch shows, and a generator that goes on from its draws."""
        epoch, rng = self.epochs.draw(number)
        counts = self.epochs.corpus.train.counts
        shown = np.ones(len(counts), np.bool_) if self.users is None else self.users
        if self.rows is not None:
            order = rng.permutation(np.flatnonzero(shown))
            shown = np.isin(np.arange(len(counts)), order[: 1 + np.searchsorted(np.cumsum(counts[order]), self.rows)])
        return epoch if shown.all() else epoch.of_users(shown), rng


@_flushed_denormals()
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
    optimiser = _optimiser(parameters, settings)
    average = AveragedModel(torch.nn.ParameterList(parameters), multi_avg_fn=get_ema_multi_avg_fn(settings.averaging))  # type: ignore[no-untyped-call]
    place = context.folder / name
    progress = restore(place, parameters, average, optimiser, identity) or Progress(0, 0, identity)
    begun, done = progress.step, progress.epoch / settings.epochs
    rate = LambdaLR(optimiser, lambda steps: _schedule(done, begun + steps, settings))
    model.train()
    with context.bar(name, 1.0) as bar, checkpointed(model) if settings.checkpointing else nullcontext():
        bar(progress.epoch / settings.epochs)
        for number in range(progress.epoch, settings.epochs):
            lessons = _lessons(worlds, number, settings, window_of(model))
            torch.manual_seed(worlds[0].epochs.seed * 10_007 + number)
            step = progress.step
            for index, lesson in enumerate(lessons):
                losses = _step(model, lesson, settings)
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


class _Lesson(NamedTuple):
    """The sequences of one step, all of one log."""

    world: World
    epoch: Epoch
    batch: npt.NDArray[np.int64]
    """(b,) which of the epoch's sequences."""


def _lessons(worlds: Sequence[World], number: int, settings: TrainingSettings, window: int) -> list[_Lesson]:
    """An epoch's batches, those of all logs in random order."""
    lessons = []
    for world in worlds:
        epoch, rng = world.draw(number)
        epoch = within_window(epoch, world.epochs.corpus, window)
        lessons += [_Lesson(world, epoch, batch) for batch in _batches(epoch, settings.batch, rng)]
    if len(worlds) == 1:
        return lessons
    order = np.random.default_rng([worlds[0].epochs.seed, number]).permutation(len(lessons))
    return [lessons[place] for place in order]


def _step(model: PreTrainedModel, lesson: _Lesson, settings: TrainingSettings) -> dict[str, float]:
    """Gradients of one batch."""
    (world, epoch, batch), device = lesson, model.device
    sequences, corpus = epoch.sequences, world.epochs.corpus
    packed = pack(epoch.segments, sequences.segment[batch], sequences.block[batch]).to(device)
    rating = torch.from_numpy(sequences.rating[batch]).to(device)
    chosen = torch.from_numpy(sequences.chosen[batch]).to(device)
    asked = torch.from_numpy(sequences.item[batch] != NONE).to(device)
    row = torch.nonzero(asked)[:, 0]
    with torch.autocast(device.type, torch.bfloat16, enabled=multiplies_halves(device)):
        hidden = hidden_states(model, packed, dropout=settings.dropout)
    due = torch.nn.functional.dropout(hidden[row, packed.ends[asked]].float(), settings.dropout)
    answers = torch.tensor(corpus.answers.ids, device=device)
    taught = _taught(sequences, batch, world.teacher) @ corpus.target
    losses = answer_losses(
        answer_logits(model, due, answers),
        rating[asked],
        chosen[asked],
        torch.from_numpy(taught).to(device, torch.float32),
        torch.from_numpy(corpus.target).to(device, torch.float32),
    )
    total = losses.total(settings.choice_weight, settings.teaching_weight)
    total.backward()  # type: ignore[no-untyped-call]
    return {name: value.item() for name, value in losses._asdict().items()}


def _taught(sequences: Sequences, batch: npt.NDArray[np.int64], teacher: Teacher) -> FloatArray:
    """(s, r) the teacher's answers on the unseen candidates of a batch, in the order of the sequences.

    Only on those: on a training row the teacher knows the rating itself, and a model that learns from it learns to
    remember.
    """
    row, column = np.nonzero(sequences.chosen[batch] == 0)
    return teacher(sequences.user[batch][row], sequences.item[batch][row, column])
