"""Adapters that are trained side by side, apart from all others: a piece of work, wherever it is done.

A finished stack is kept in the folder of the run under the hash of all that it owes itself to. Shapes: n users,
a adapters.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from transformers import PreTrainedModel

from personagym_agents.bundle.settings import AdapterSettings
from personagym_agents.model.adapter_stack import AdapterStack
from personagym_agents.model.adapters import Factors, LowRank
from personagym_agents.personas.settings import Groups
from personagym_agents.training.adapters import CurvePoint, train_stack
from personagym_agents.training.settings import TrainingSettings
from personagym_agents.training.tail import Tail
from personagym_agents.training.world import World
from personagym_env.data.tables import IntArray
from personagym_env.files import replacing_folder, restore_folder
from personagym_env.run_context import RunContext
from personagym_env.workers import InTurn


@dataclass(frozen=True, eq=False)
class StackInputs:
    """What the trainings of all stacks share."""

    model: PreTrainedModel
    """The base, which stays as it is."""
    world: World
    tail: Tail | None
    settings: AdapterSettings
    seed: int
    context: RunContext


@dataclass(frozen=True, eq=False)
class StackTask:
    """Adapters to be trained side by side."""

    kind: Groups
    begin: int
    """Number of the first one among all of its kind."""
    count: int
    users: IntArray
    """(n,) whose documents are shown."""
    of: IntArray
    """(n,) the adapter of each, counted from `begin`."""
    starts: Sequence[Factors] | None
    """(a,) what they begin as; None for nothing."""
    key: str
    """Hash of all that they owe themselves to."""

    @property
    def name(self) -> str:
        """For people."""
        last = self.begin + self.count - 1
        return f"adapter{'s' * (self.count > 1)} {self.kind}-{self.begin}" + f" to {last}" * (self.count > 1)


class KeptStack(NamedTuple):
    """Adapters at their best, apart from the model that they were trained on."""

    factors: list[Factors]
    """(a,)"""
    curve: tuple[CurvePoint, ...]
    stopped: tuple[int, ...]
    """(a,) step whose weights each adapter keeps."""


def training_of(kind: Groups, settings: AdapterSettings) -> tuple[TrainingSettings, float]:
    """How adapters of a kind are trained, and what draws them back to where they began."""
    training = settings.training_on(chooses=True)
    if kind != "individual":
        return training, 0.0
    return replace(training, learning_rate=settings.own_rate * training.learning_rate), settings.penalty


def train_stacks(inputs: StackInputs, tasks: Sequence[StackTask]) -> list[KeptStack]:
    """Train stacks that are not kept yet, each by whoever of the context's workers is free, and keep them."""
    context = inputs.context
    places = [context.folder / f"{task.kind}-{task.key[:16]}" for task in tasks]
    for place in places:
        restore_folder(place)
    missing = [number for number, place in enumerate(places) if not place.exists()]
    with context.bar(f"adapters {tasks[0].kind}", len(tasks)) as bar:
        bar(len(tasks) - len(missing))
        workers = (context.workers if missing else None) or InTurn()
        for number, stack in workers.done(train_one_stack, inputs, [tasks[number] for number in missing]):
            _keep(places[missing[number]], stack)
            bar(1)
    return [_kept(place) for place in places]


def train_one_stack(inputs: StackInputs, task: StackTask) -> KeptStack:
    """Train the adapters of one task; draws nothing that the two arguments do not decide."""
    settings = inputs.settings
    training, penalty = training_of(task.kind, settings)
    adapter_of = np.full(inputs.world.epochs.corpus.train.n_users, -1)
    adapter_of[task.users] = task.of
    torch.manual_seed(inputs.seed)
    stack = AdapterStack(
        inputs.model,
        task.count,
        rank=settings.rank,
        alpha=settings.alpha,
        dropout=settings.dropout,
        targets=settings.targets,
    )
    if task.starts is not None:
        stack.begin_as(task.starts)
    trained = train_stack(
        inputs.model,
        stack,
        inputs.world,
        adapter_of,
        training,
        tail=inputs.tail,
        checks=settings.checks,
        penalty=penalty,
        name=task.name,
        context=inputs.context,
    )
    factors = [_on_processor(stack.factors(trained.factors, number)) for number in range(task.count)]
    return KeptStack(factors, trained.curve, trained.stopped)


def _on_processor(factors: Factors) -> Factors:
    return {name: LowRank(*(side.cpu().contiguous() for side in low_rank)) for name, low_rank in factors.items()}


def _keep(place: Path, stack: KeptStack) -> None:
    tensors = {
        f"{number}.{name}.{side}": getattr(low_rank, side)
        for number, one in enumerate(stack.factors)
        for name, low_rank in one.items()
        for side in LowRank._fields
    }
    told = {"curve": [point._asdict() for point in stack.curve], "stopped": stack.stopped}
    with replacing_folder(place) as made:
        save_file(tensors, made / "factors.safetensors")
        (made / "curve.json").write_text(json.dumps(told), encoding="utf-8")


def _kept(place: Path) -> KeptStack:
    told = json.loads((place / "curve.json").read_text(encoding="utf-8"))
    tensors = load_file(place / "factors.safetensors")
    found: dict[int, dict[str, LowRank]] = {}
    for name in tensors:
        number, _, rest = name.partition(".")
        layer, _, side = rest.rpartition(".")
        if side == "down":
            found.setdefault(int(number), {})[layer] = LowRank(tensors[name], tensors[f"{number}.{layer}.up"])
    curve = tuple(CurvePoint(**point) for point in told["curve"])
    return KeptStack([found[number] for number in sorted(found)], curve, tuple(told["stopped"]))
