"""The losses of a training as TensorBoard shows them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from personagym_env.run_context import FigureLog

_EVERY = 10
"""Steps between two points of the logs."""


@contextmanager
def tensorboard_log(folder: Path) -> Iterator[FigureLog]:
    """Writes what it is called with to `folder/tensorboard`.

    Raises:
        ImportError: TensorBoard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ImportError("training logs need TensorBoard: pip install 'personagym[train]'") from error

    def log(name: str, step: int, figures: Mapping[str, float], /) -> None:
        if step % _EVERY == 0:
            for key, value in figures.items():
                writer.add_scalar(f"{name}/{key}", value, step)

    with SummaryWriter(str(folder / "tensorboard")) as writer:
        yield log
