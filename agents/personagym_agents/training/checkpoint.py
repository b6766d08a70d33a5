"""Checkpoints of a training: safetensors and JSON, complete or absent."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch.optim.swa_utils import AveragedModel

from personagym_env.files import replacing_folder, restore_folder


@dataclass(frozen=True)
class Progress:
    """How far a training is."""

    epoch: int
    """Epochs that are done."""
    step: int
    """Steps that are done."""
    identity: str
    """Of the rows and settings: a checkpoint continues this training and no other."""


def store(
    place: Path,
    parameters: list[torch.nn.Parameter],
    average: AveragedModel,
    optimiser: torch.optim.Optimizer,
    progress: Progress,
) -> None:
    """Write everything that the next epoch needs."""
    tensors = {f"parameter.{i}": p.detach().cpu().contiguous() for i, p in enumerate(parameters)}
    tensors |= {f"average.{name}": value.detach().cpu().contiguous() for name, value in average.state_dict().items()}
    for index, state in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{index}.{name}": value.cpu().contiguous() for name, value in state.items()}
    with replacing_folder(place) as made:
        save_file(tensors, made / "state.safetensors")
        (made / "progress.json").write_text(json.dumps(asdict(progress)))


def restore(
    place: Path,
    parameters: list[torch.nn.Parameter],
    average: AveragedModel,
    optimiser: torch.optim.Optimizer,
    identity: str,
) -> Progress | None:
    """Load a checkpoint into the parts of a training; None if there is none.

    Raises:
        ValueError: the checkpoint is of a training on other rows or with other settings.
    """
    restore_folder(place)
    if not place.exists():
        return None
    progress = Progress(**json.loads((place / "progress.json").read_text()))
    if progress.identity != identity:
        raise ValueError(
            f"{place} holds a checkpoint of another training, with other rows or settings: "
            "delete it, or give the run another folder"
        )
    tensors = load_file(place / "state.safetensors")
    with torch.no_grad():
        for index, parameter in enumerate(parameters):
            parameter.copy_(tensors[f"parameter.{index}"])
    average.load_state_dict(_with_prefix(tensors, "average."))
    state = optimiser.state_dict()
    moments: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in _with_prefix(tensors, "optimiser.").items():
        number, _, name = key.partition(".")
        moments.setdefault(int(number), {})[name] = value
    optimiser.load_state_dict({**state, "state": moments})
    return progress


def _with_prefix(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
