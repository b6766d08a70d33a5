"""Gradient steps on minibatches of a log: shared by all offline learners, and resumed where they were cut off.

The rows of a step depend on the seed and the step's number alone, so a run that was cut off ends up with the same
weights as one that was not.
"""

import hashlib
import json
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from personagym_env.files import replacing
from personagym_env.run_context import RunContext
from personagym_recommenders.offline.networks import ItemPolicy, SlateNetwork
from personagym_recommenders.offline.transitions import Batch, Transitions

_MODEL, _MOMENT = "model.", "adam."
_LAST_RATE = 0.02
"""Share of the learning rate that is left in the end; it falls linearly."""


@dataclass(frozen=True)
class TrainingPlan:
    """How a learner is trained, whatever it learns."""

    steps: int = 2_000
    """Gradient steps."""
    batch: int = 512
    """Decisions of a step, drawn with replacement."""
    learning_rate: float = 2e-3
    """Of Adam (Kingma, Ba, ICLR 2015), at the beginning."""
    every: int = 500
    """Steps between checkpoints."""
    seed: int = 0
    """Of weights and minibatches."""

    def __post_init__(self) -> None:
        if min(self.steps, self.batch, self.every) < 1:
            raise ValueError(f"steps, batch and every must be at least 1, got {self}")
        if not self.learning_rate > 0:
            raise ValueError(f"learning_rate must be above 0, got {self.learning_rate}")


class Learner(nn.Module, ABC):
    """What is trained: the network that will choose slates, and what only training needs."""

    network: ItemPolicy | SlateNetwork
    """The network that will choose slates."""

    @abstractmethod
    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The number to be minimised, and the parts of it that a reader would like to see."""

    def follow(self) -> None:
        """Called after each step: target networks move here."""


@torch.no_grad()
def move_towards(target: nn.Module, source: nn.Module, share: float) -> None:
    """Move a target network's weights by a share of the way to its source's (Polyak averaging)."""
    for slow, fast in zip(target.parameters(), source.parameters(), strict=True):
        slow.lerp_(fast, share)


def train(
    learner: Learner, transitions: Transitions, plan: TrainingPlan, context: RunContext, name: str, identity: str
) -> None:
    """Train a learner in place.

    Args:
        learner: with fresh weights.
        transitions: the log.
        plan: how.
        context: bar, figures, and the folder of checkpoints.
        name: of the learner, for people and for the checkpoint.
        identity: of log and hyper-parameters; a checkpoint of another one is not resumed.
    """
    optimiser = torch.optim.Adam(learner.parameters(), plan.learning_rate)
    about = hashlib.sha256(json.dumps([identity, asdict(plan)], sort_keys=True).encode()).hexdigest()
    path = context.folder / "checkpoints" / f"{name}.safetensors"
    done = _resume(path, about, learner, optimiser)
    with context.bar(f"train {name}", plan.steps) as bar:
        bar(done)
        for step in range(done, plan.steps):
            for group in optimiser.param_groups:
                group["lr"] = plan.learning_rate * (1 - (1 - _LAST_RATE) * step / plan.steps)
            rows = np.random.default_rng([plan.seed, step]).integers(0, len(transitions), plan.batch)
            loss, parts = learner.loss(transitions.batch(rows))
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            learner.follow()
            context.figures(name, step, {key: float(part.detach()) for key, part in parts.items()})
            bar(1)
            if (step + 1) % plan.every == 0 or step + 1 == plan.steps:
                _keep(path, about, step + 1, learner, optimiser)


def _keep(path: Path, about: str, steps: int, learner: Learner, optimiser: torch.optim.Optimizer) -> None:
    """Write a checkpoint: weights and the optimiser's moments."""
    tensors = {f"{_MODEL}{name}": value for name, value in learner.state_dict().items()}
    for i, moments in optimiser.state_dict()["state"].items():
        tensors |= {f"{_MOMENT}{i}.{name}": value for name, value in moments.items()}
    with replacing(path) as scratch:
        save_file(
            {name: value.contiguous() for name, value in tensors.items()},
            scratch,
            {"about": about, "steps": str(steps)},
        )


def _resume(path: Path, about: str, learner: Learner, optimiser: torch.optim.Optimizer) -> int:
    """Take a checkpoint of the same run back; gives how many steps it has had, 0 without one.

    Raises:
        ValueError: the file is damaged.
    """
    if not path.is_file():
        return 0
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            if header.get("about") != about:
                return 0
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    except SafetensorError as error:
        raise ValueError(f"the checkpoint {path} is damaged, delete it: {error}") from error
    learner.load_state_dict(
        {name.removeprefix(_MODEL): value for name, value in tensors.items() if name.startswith(_MODEL)}
    )
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith(_MOMENT):
            _, index, moment = name.split(".")
            state.setdefault(int(index), {})[moment] = value
    optimiser.load_state_dict(optimiser.state_dict() | {"state": state})
    return int(header["steps"])
