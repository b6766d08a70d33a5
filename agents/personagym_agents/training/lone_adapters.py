"""Adapters trained one by one, from nothing on, each with embeddings of the base's own tokens: a piece of work each.

A finished adapter is kept in the folder of the run, as the bundle will hold it. Shapes: u users.
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from transformers import PreTrainedModel

from personagym_agents.bundle.storage import save_adapter
from personagym_agents.model.adapters import add_adapters
from personagym_agents.training.loop import train
from personagym_agents.training.settings import TrainingSettings
from personagym_agents.training.world import World
from personagym_env.data.tables import BoolArray
from personagym_env.files import replacing_folder, restore_folder
from personagym_env.run_context import RunContext
from personagym_env.workers import InTurn

if TYPE_CHECKING:
    from peft import LoraConfig


@dataclass(frozen=True, eq=False)
class LoneInputs:
    """What the trainings of all adapters share."""

    model: PreTrainedModel
    """The base, which stays as it is."""
    world: World
    config: "LoraConfig"
    """With the tokens whose embeddings are trained."""
    settings: TrainingSettings
    seed: int
    identity: str
    """Of the rows and settings; a checkpoint with another one is refused."""
    context: RunContext


class LoneTask(NamedTuple):
    """An adapter to be trained."""

    name: str
    number: int
    users: BoolArray
    """(u,) whose documents are shown."""


def train_one_by_one(inputs: LoneInputs, tasks: Sequence[LoneTask]) -> list[Path]:
    """Train adapters that are not kept yet, each by whoever of the context's workers is free; folders of all."""
    context = inputs.context
    places = [context.folder / f"{task.name}-{inputs.identity[:16]}" for task in tasks]
    for place in places:
        restore_folder(place)
    missing = [number for number, place in enumerate(places) if not place.exists()]
    workers = (context.workers if missing else None) or InTurn()
    work = train_here if context.workers is None else train_anywhere
    with context.bar("adapters", len(tasks)) as bar:
        bar(len(tasks) - len(missing))
        for number, files in workers.done(work, inputs, [tasks[number] for number in missing]):
            with replacing_folder(places[missing[number]]) as made:
                for name, content in files.items():
                    (made / name).write_bytes(content)
            bar(1)
    return places


def train_here(inputs: LoneInputs, task: LoneTask) -> Mapping[str, bytes]:
    """Train one adapter, with checkpoints in the folder of the run; the files of its folder, by name.

    Draws nothing that the two arguments do not decide.
    """
    torch.manual_seed(inputs.seed * 10_007 + task.number)
    adapted = add_adapters(inputs.model, [task.name], inputs.config)
    train(
        inputs.model,
        [inputs.world._replace(users=task.users)],
        inputs.settings,
        name=task.name,
        identity=inputs.identity,
        context=inputs.context,
    )
    with tempfile.TemporaryDirectory() as folder:
        save_adapter(Path(folder), adapted)
        files = {path.name: path.read_bytes() for path in (Path(folder) / "adapters" / task.name).iterdir()}
    adapted.unload()
    return files


def train_anywhere(inputs: LoneInputs, task: LoneTask) -> Mapping[str, bytes]:
    """As `train_here`, on a machine that may lack the folder of the run; nothing is left there."""
    with tempfile.TemporaryDirectory() as folder:
        return train_here(replace(inputs, context=replace(inputs.context, folder=Path(folder))), task)
