"""Training of adapters: all of a kind together, each as far from where it began as the inner tail bears out.

Shapes: a adapters, u users.
"""

from contextlib import nullcontext
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from transformers import PreTrainedModel

from personagym_agents.documents.window import window_of
from personagym_agents.model.adapter_stack import AdapterStack, Snapshot
from personagym_agents.model.causal_lm import checkpointed
from personagym_agents.training.loop import draw_lessons, flushed_denormals, make_optimiser, plan_of, schedule
from personagym_agents.training.settings import TrainingSettings
from personagym_agents.training.step import gradients
from personagym_agents.training.tail import Tail, TailErrors
from personagym_agents.training.world import World
from personagym_env.data.tables import FloatArray, IntArray
from personagym_env.run_context import RunContext

LEAST_TAIL = 400
"""Tail rows that an adapter needs to be stopped by its own; those with fewer stop where all of them together are best,
since the difference between two steps on a few rows is chance."""
SHARES = (0.25, 0.5, 0.75)
"""Of the way from the first weights to the last ones, at which the tail is asked too: half of a correction is often
better than none and than all of it, and rows that cannot tell these apart do least harm there."""


class CurvePoint(NamedTuple):
    """How the adapters stand on the tail after so many steps."""

    step: int
    nll: float
    """Nats of a rating, under the adapter of its user."""
    rmse: float
    """In levels."""
    share: float = 1.0
    """Of the way from the first weights to those of the step."""


@dataclass(frozen=True)
class TrainedStack:
    """Adapters at their best."""

    factors: Snapshot
    """As `AdapterStack.snapshot` has them."""
    curve: tuple[CurvePoint, ...]
    """The first is before the first step; empty without a tail."""
    stopped: tuple[int, ...]
    """(a,) step whose weights each adapter keeps, or goes a share of the way to."""


def ask_tail(model: PreTrainedModel, stack: AdapterStack, tail: Tail, adapter_of: IntArray) -> TailErrors:
    """Errors (u,) on the tail, each user with the adapter (u,), -1 for users who are not asked."""
    stack.train(mode=False)
    found = []
    for batch in tail.batches(adapter_of >= 0):
        stack.choose(torch.from_numpy(adapter_of[tail.epoch.sequences.user[batch]]))
        found.append(tail.ask(model, batch))
    if not found:
        return TailErrors(*(np.zeros(len(adapter_of)) for _ in TailErrors._fields))
    return TailErrors(*(np.sum(parts, axis=0) for parts in zip(*found, strict=True)))


@flushed_denormals()
def train_stack(
    model: PreTrainedModel,
    stack: AdapterStack,
    world: World,
    adapter_of: IntArray,
    settings: TrainingSettings,
    *,
    tail: Tail | None,
    checks: int,
    penalty: float,
    name: str,
    context: RunContext,
) -> TrainedStack:
    """Train the adapters of a stack together, from where they stand.

    Args:
        model: the base, which stays as it is.
        stack: its adapters.
        world: what is shown.
        adapter_of: (u,) each user's adapter, -1 for users whose documents are not shown.
        settings: hyper-parameters; the curve is that of the moving average.
        tail: rows that the world does not show; None trains to the end.
        checks: times in an epoch that the tail is asked.
        penalty: share of the way back to where the adapters began that a step takes, in learning rates (decoupled, as
            AdamW's decay towards 0 is).
        name: for the display.
        context: gets the losses after every step.
    """
    world = world._replace(users=adapter_of >= 0)
    parameters = stack.parameters
    begun = stack.snapshot()
    average = stack.snapshot()
    optimiser = make_optimiser(list(parameters), settings)
    best = _Best(stack, adapter_of)
    step, plan = 0, plan_of(model, [world], 0, settings)

    def choose(users: IntArray) -> None:
        stack.choose(torch.from_numpy(adapter_of[users]))

    checkpointing = checkpointed(model) if plan.checkpointing else nullcontext()
    with context.bar(name, 1.0) as bar, stack.stacked(), checkpointing:
        if tail is not None:
            best.see(0, ask_tail(model, stack, tail, adapter_of), average)
        for number in range(settings.epochs):
            lessons = draw_lessons([world], number, settings, window_of(model))
            torch.manual_seed(world.epochs.seed * 10_007 + number)
            due = {round((place + 1) * len(lessons) / checks) for place in range(checks)}
            for index, lesson in enumerate(lessons):
                rate = settings.learning_rate * schedule(
                    (number + index / len(lessons)) / settings.epochs, step, settings
                )
                stack.train(mode=True)
                losses = gradients(model, lesson._replace(prepare=choose), settings, plan)
                torch.nn.utils.clip_grad_norm_(parameters, settings.clip)
                for group in optimiser.param_groups:
                    group["lr"] = rate
                optimiser.step()
                optimiser.zero_grad()
                step += 1
                with torch.no_grad():
                    if penalty:
                        torch._foreach_lerp_(list(parameters), begun, min(1.0, rate * penalty))
                    # At first of few steps, lest what was there before the first one be most of the average.
                    torch._foreach_lerp_(average, list(parameters), 1 - min(settings.averaging, step / (step + 9)))
                context.figures(name, step, losses)
                bar(1 / len(lessons) / settings.epochs)
                if tail is not None and index + 1 in due:
                    current = stack.snapshot()
                    _set(stack, average)
                    best.see(step, ask_tail(model, stack, tail, adapter_of), average)
                    _set(stack, current)
                    bar.note(f"tail {best.curve[-1].nll:.4f} nats")
        if tail is not None:
            for share in SHARES:
                between = [first.lerp(last, share) for first, last in zip(begun, average, strict=True)]
                _set(stack, between)
                best.see(step, ask_tail(model, stack, tail, adapter_of), between, share)
        stack.choose(None)
    return best.kept() if tail is not None else TrainedStack(average, (), (step,) * stack.count)


@torch.no_grad()
def _set(stack: AdapterStack, snapshot: Snapshot) -> None:
    torch._foreach_copy_(list(stack.parameters), snapshot)


class _Best:
    """The best weights of each adapter so far."""

    def __init__(self, stack: AdapterStack, adapter_of: IntArray) -> None:
        self._factors = stack.snapshot()
        self._adapter_of, self._count = adapter_of, stack.count
        self._losses: FloatArray = np.full(stack.count, np.inf)
        self._stopped = np.zeros(stack.count, np.int64)
        self.curve: list[CurvePoint] = []

    def see(self, step: int, errors: TailErrors, snapshot: Snapshot, share: float = 1.0) -> None:
        """Keep the weights of those adapters that are better than before."""
        rows = max(errors.rows.sum(), 1.0)
        nll, rmse = errors.surprise.sum() / rows, np.sqrt(errors.squares.sum() / rows)
        self.curve.append(CurvePoint(step, float(nll), float(rmse), share))
        asked = self._adapter_of >= 0
        own, count = (
            np.bincount(self._adapter_of[asked], values[asked], minlength=self._count)
            for values in (errors.surprise, errors.rows)
        )
        losses = np.where(count >= LEAST_TAIL, own / np.maximum(count, 1), nll)
        better = losses < self._losses
        self._losses, self._stopped = np.where(better, losses, self._losses), np.where(better, step, self._stopped)
        chosen = torch.from_numpy(better)
        for kept, seen in zip(self._factors, snapshot, strict=True):
            kept[chosen] = seen[chosen]

    def kept(self) -> TrainedStack:
        """What every adapter was at its best."""
        return TrainedStack(self._factors, tuple(self.curve), tuple(self._stopped.tolist()))
