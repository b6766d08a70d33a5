"""Progress of a training for people: a bar with the losses, and TensorBoard logs."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.progress import Progress, TaskID

from personagym_agents.training.loop import Report

_EVERY = 10
"""Steps between two points of the logs."""


@contextmanager
def training_report(run: Path, progress: Progress) -> Iterator[Report]:
    """What `train` is to call: shows a bar per training and writes its losses to `run/tensorboard`.

    Raises:
        ImportError: TensorBoard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ImportError("training logs need TensorBoard: pip install personagym[train]") from error
    bars: dict[str, TaskID] = {}
    writer = SummaryWriter(str(run / "tensorboard"))

    def report(name: str, step: int, figures: dict[str, float], share: float) -> None:
        if name not in bars:
            bars[name] = progress.add_task(name, total=1.0)
        losses = ", ".join(f"{key} {value:.3f}" for key, value in figures.items())
        progress.update(bars[name], completed=share, description=f"{name}: {losses}")
        if step % _EVERY == 0:
            for key, value in figures.items():
                writer.add_scalar(f"{name}/{key}", value, step)

    try:
        yield report
    finally:
        writer.close()
