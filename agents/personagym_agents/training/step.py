"""One step of a training: the gradients of a batch, in as many micro-batches as its memory asks for."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from transformers import PreTrainedModel

from personagym_agents.model.causal_lm import answer_logits, hidden_states, multiplies_halves
from personagym_agents.model.packing import pack
from personagym_agents.training.loss import Losses, answer_losses
from personagym_agents.training.memory import MemoryPlan
from personagym_agents.training.sampling import NONE, Epoch, Sequences
from personagym_agents.training.settings import TrainingSettings
from personagym_agents.training.world import World
from personagym_env.data.tables import FloatArray, IntArray


class Lesson(NamedTuple):
    """The sequences of one step, all of one log."""

    world: World
    epoch: Epoch
    batch: npt.NDArray[np.int64]
    """(b,) which of the epoch's sequences."""
    prepare: Callable[[IntArray], None] | None = None
    """Called with the users (b,) of each micro-batch before its pass; None where the model is the same for all."""


def sequence_lengths(epoch: Epoch) -> npt.NDArray[np.int64]:
    """(N,) tokens of each sequence."""
    segment = epoch.sequences.segment
    return np.asarray(np.where(segment != NONE, epoch.segments.lengths[segment], 0).sum(axis=1))


def gradients(model: PreTrainedModel, lesson: Lesson, settings: TrainingSettings, plan: MemoryPlan) -> dict[str, float]:
    """Add the gradients of one batch to those of the model's parameters; the losses by name.

    A loss is a mean over the whole batch, so each micro-batch counts by its share of what that loss is about.
    """
    sequences, batch = lesson.epoch.sequences, lesson.batch
    whole = _counts(sequences, batch)
    told = dict.fromkeys(Losses._fields, 0.0)
    for part in _micro_batches(lesson, plan):
        shares = _counts(sequences, part) / np.maximum(whole, 1)
        found = _losses(model, lesson._replace(batch=part), settings)
        # An empty mean is no number; it has no share.
        parts = zip(found, shares.tolist(), strict=True)
        kept = Losses(*(value * share if share else value.new_zeros(()) for value, share in parts))
        total = kept.total(settings.choice_weight, settings.teaching_weight)
        if total.requires_grad:
            total.backward()  # type: ignore[no-untyped-call]
        for name, value in kept._asdict().items():
            told[name] += value.item()
    return told


def _counts(sequences: Sequences, batch: npt.NDArray[np.int64]) -> FloatArray:
    """(3,) answers that each of the losses is a mean over, in their order."""
    rating, chosen = sequences.rating[batch], sequences.chosen[batch]
    asked = sequences.item[batch] != NONE
    kinds = (asked & (rating != NONE), asked & (chosen != NONE), asked & (chosen == 0))
    return np.array([np.count_nonzero(kind) for kind in kinds], np.float64)


def _micro_batches(lesson: Lesson, plan: MemoryPlan) -> Iterator[npt.NDArray[np.int64]]:
    """Parts of the batch, sequences of like length together."""
    lengths = sequence_lengths(lesson.epoch)[lesson.batch]
    if plan.rows(int(lengths.max())) >= len(lesson.batch):
        yield lesson.batch
        return
    order = np.argsort(-lengths, kind="stable")
    begin = 0
    while begin < len(order):
        end = begin + plan.rows(int(lengths[order[begin]]))
        yield lesson.batch[order[begin:end]]
        begin = end


def _losses(model: PreTrainedModel, lesson: Lesson, settings: TrainingSettings) -> Losses:
    (world, epoch, batch, prepare), device = lesson, model.device
    sequences, corpus = epoch.sequences, world.epochs.corpus
    if prepare is not None:
        prepare(sequences.user[batch])
    packed = pack(epoch.segments, sequences.segment[batch], sequences.block[batch]).to(device)
    rating = torch.from_numpy(sequences.rating[batch]).to(device)
    chosen = torch.from_numpy(sequences.chosen[batch]).to(device)
    asked = torch.from_numpy(sequences.item[batch] != NONE).to(device)
    row = torch.nonzero(asked)[:, 0]
    with torch.autocast(device.type, torch.bfloat16, enabled=multiplies_halves(device)):
        hidden = hidden_states(model, packed, dropout=settings.dropout)
    due = torch.nn.functional.dropout(hidden[row, packed.ends[asked]].float(), settings.dropout)
    answers = torch.tensor(corpus.answers.ids, device=device)
    # Only on unseen candidates: on a training row the teacher knows the rating itself, and a model that learns from it
    # learns to remember.
    unseen, column = np.nonzero(sequences.chosen[batch] == 0)
    place = np.nonzero(sequences.item[batch] != NONE)
    weight = world.weights_at(sequences.user[batch][place[0]], sequences.item[batch][place])
    taught = world.teacher(sequences.user[batch][unseen], sequences.item[batch][unseen, column]) @ corpus.target
    return answer_losses(
        answer_logits(model, due, answers),
        rating[asked],
        chosen[asked],
        torch.from_numpy(taught).to(device, torch.float32),
        torch.tensor(corpus.target, dtype=torch.float32, device=device),
        None if weight is None else torch.from_numpy(weight).to(device, torch.float32),
    )
