"""What RecBole expects of the process, and how all of it is taken back.

RecBole 1.2.1 expects an older NumPy and SciPy, reads `sys.argv`, seeds everybody's random numbers, hides GPUs from the
process, has its backward passes checked for NaN and writes into the working directory. `contained_recbole` gives it
what it expects and restores everything afterwards; it changes the process while it is open, so do not train in several
threads at once.
"""

import logging
import os
import random
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest import mock

import numpy as np
from scipy import sparse

from personagym_recommenders.recbole.models import INSTALL_LINES

_ALIASES: Mapping[str, Any] = {
    "bool8": np.bool_, "float_": np.float64, "complex_": np.complex128, "unicode_": np.str_, "long": np.int_,
    "bool": np.bool_, "int": np.int_, "float": np.float64, "complex": np.complex128, "object": np.object_,
    "str": np.str_, "unicode": np.str_,
}  # fmt: skip


class _NoBoard:
    """Stands in for a TensorBoard writer, which would write into the working directory."""

    def add_scalar(self, *args: Any) -> None:
        """Drop it."""

    def add_hparams(self, *args: Any) -> None:
        """Drop it."""


@contextmanager
def contained_recbole() -> Iterator[None]:
    """Everything RecBole expects of the process, taken back on leaving."""
    import torch

    kept = {name: vars(np)[name] for name in _ALIASES if name in vars(np)}
    disabled = logging.root.manager.disable
    states = random.getstate(), np.random.get_state()  # noqa: NPY002 - the global state that RecBole seeds
    cudnn = torch.backends.cudnn
    flags = cudnn.benchmark, cudnn.deterministic
    with (
        warnings.catch_warnings(),
        mock.patch.dict(os.environ),
        mock.patch.object(sys, "argv", sys.argv[:1] or [""]),
        mock.patch.object(sparse.dok_matrix, "_update", _dok_update, create=True),
        torch.random.fork_rng(),
        # One of its models has every backward pass of the process looked at for NaN from its import on.
        torch.autograd.set_detect_anomaly(torch.is_anomaly_enabled()),
    ):
        warnings.simplefilter("ignore")
        logging.disable(logging.CRITICAL)
        for name, alias in _ALIASES.items():
            setattr(np, name, alias)
        try:
            with mock.patch("recbole.trainer.trainer.get_tensorboard", return_value=_NoBoard()):
                yield
        except ModuleNotFoundError as error:
            raise ImportError(f"RecBole lacks {error.name}. Install it with\n{INSTALL_LINES}") from error
        finally:
            for name in _ALIASES:
                delattr(np, name)
            for name, value in kept.items():
                setattr(np, name, value)
            logging.disable(disabled)
            random.setstate(states[0])
            np.random.set_state(states[1])  # noqa: NPY002
            cudnn.benchmark, cudnn.deterministic = flags


def _dok_update(matrix: Any, data: Mapping[tuple[int, int], float]) -> None:
    """What SciPy's `dok_matrix._update` was before 1.13: set entries without checks."""
    matrix._dict.update(data)
