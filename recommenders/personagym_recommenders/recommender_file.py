"""The file of a saved recommender: safetensors whose header holds the settings as JSON; nothing is ever unpickled."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save_file
from scipy import sparse

from personagym_env.files import replacing

FILE_NAME = "recommender.safetensors"
"""The one file of a saved recommender's folder."""
_CSR_PARTS = ("data", "indices", "indptr", "shape")

Array = npt.NDArray[Any]
Learned = dict[str, Array | sparse.csr_array]
"""Learned arrays by name, dense or CSR."""


class Saved(NamedTuple):
    """What a file holds."""

    kind: str
    """Name of the class that was saved."""
    settings: dict[str, Any]
    """The constructor's arguments by name."""
    learned: Learned


def write_saved(folder: str | Path, kind: str, settings: Mapping[str, Any], learned: Learned) -> None:
    """Write a recommender's file into the folder, replacing an older one in a single step.

    Raises:
        TypeError: a setting does not fit into JSON, or something learned is no array.
    """
    try:
        header = {"kind": kind, "settings": json.dumps(dict(settings), sort_keys=True)}
    except TypeError as error:
        raise TypeError(f"settings of {kind} must fit into JSON: {error}") from error
    tensors = flattened(learned)
    with replacing(Path(folder) / FILE_NAME) as scratch:
        save_file(tensors, scratch, metadata=header)


def read_saved(folder: str | Path, kind: str | None = None) -> Saved:
    """Read a recommender's file.

    Args:
        folder: that holds it.
        kind: name of the class that must have been saved; None for any.

    Raises:
        FileNotFoundError: the folder holds none.
        ValueError: the file is damaged or something else, or another class was saved.
    """
    path = Path(folder) / FILE_NAME
    if not path.is_file():
        raise FileNotFoundError(f"no saved recommender in {folder}: {FILE_NAME} is missing")
    try:
        with safe_open(path, framework="numpy") as file:
            header = file.metadata() or {}
        tensors: dict[str, Array] = load_file(path)
        saved = Saved(header["kind"], json.loads(header["settings"]), _unflatten(tensors))
    except (SafetensorError, KeyError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is no saved recommender, or it is damaged: {error}") from error
    if kind not in (None, saved.kind):
        raise ValueError(f"{folder} holds a saved {saved.kind}, not a {kind}")
    return saved


def flattened(learned: Learned) -> dict[str, Array]:
    """Dense arrays by name, contiguous; a sparse one as its parts.

    Raises:
        TypeError: something learned is no array.
    """
    tensors: dict[str, Array] = {}
    for name, value in learned.items():
        if sparse.issparse(value):
            matrix = sparse.csr_array(value)
            shape: Array = np.asarray(matrix.shape, np.int64)
            parts: tuple[Array, ...] = (matrix.data, matrix.indices, matrix.indptr, shape)
            tensors |= {f"{name}:{part}": array for part, array in zip(_CSR_PARTS, parts, strict=True)}
        elif isinstance(value, np.ndarray) and value.dtype != object:
            tensors[name] = np.ascontiguousarray(value)
        else:
            raise TypeError(
                f"learned attribute {name!r} must be a numpy or scipy CSR array, got {type(value).__name__}"
            )
    return tensors


def _unflatten(tensors: Mapping[str, Array]) -> Learned:
    learned: Learned = {name: array for name, array in tensors.items() if ":" not in name}
    for name in {name.split(":")[0] for name in tensors if ":" in name}:
        data, indices, indptr, shape = (tensors[f"{name}:{part}"] for part in _CSR_PARTS)
        learned[name] = sparse.csr_array((data, indices, indptr), shape=(int(shape[0]), int(shape[1])))
    return learned
