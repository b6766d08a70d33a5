"""A fit as bytes: safetensors for its arrays and JSON for the rest, with a digest of both; never pickle."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from hashlib import sha256
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load, save
from scipy import sparse

Arrays = dict[str, npt.NDArray[Any]]
_ARRAY, _SPARSE, _CLASS, _TUPLE = "array", "sparse", "class", "tuple"
_FIT, _DIGEST = "fit", "digest"


class DamagedError(ValueError):
    """Bytes that `encoded` did not make, or not all of them."""


def encoded(fitted: object, classes: Sequence[type]) -> bytes:
    """The bytes of a fit.

    Args:
        fitted: numbers, texts, arrays, `scipy.sparse.csr_array`s, and tuples, mappings, dataclasses and named tuples
            of such.
        classes: the dataclasses and named tuples that occur.

    Raises:
        TypeError: something else occurs.
    """
    arrays: Arrays = {}

    def put(array: npt.NDArray[Any]) -> str:
        name = str(len(arrays))
        # safetensors writes the bytes that follow an array's first: a view with strides would come back as others.
        arrays[name] = np.ascontiguousarray(array)
        return name

    def told(value: Any) -> Any:
        if value is None or isinstance(value, bool | int | float | str):
            return value
        if isinstance(value, np.ndarray):
            return {_ARRAY: put(value)}
        if isinstance(value, sparse.csr_array):
            parts = [put(part) for part in (value.data, value.indices, value.indptr)]
            return {_SPARSE: parts, "shape": list(value.shape)}
        if type(value) in classes:
            names = [entry.name for entry in fields(value)] if is_dataclass(value) else value._fields
            return {_CLASS: type(value).__qualname__, "fields": {name: told(getattr(value, name)) for name in names}}
        if type(value) is tuple:
            return {_TUPLE: [told(part) for part in value]}
        if isinstance(value, Mapping):
            return {"fields": {name: told(part) for name, part in value.items()}}
        raise TypeError(f"a fit with a {type(value).__qualname__} cannot be kept: name it among the fit's classes")

    content = json.dumps(told(fitted))
    return save(arrays, metadata={_FIT: content, _DIGEST: _digest(content, arrays)})


def decoded(content: bytes, classes: Sequence[type]) -> Any:
    """The fit that `encoded` made bytes of; equal to the bit.

    Raises:
        DamagedError: the bytes are not whole, or not those of a fit of these classes.
    """
    try:
        arrays: Arrays = load(content)
        # `load` checks lengths and leaves the texts out; the header's length stands in the first eight bytes.
        end = 8 + int.from_bytes(content[:8], "little")
        texts = json.loads(content[8:end])["__metadata__"]
        if texts[_DIGEST] != _digest(texts[_FIT], arrays):
            raise DamagedError("its digest is another one")
        return _made(json.loads(texts[_FIT]), arrays, {one.__qualname__: one for one in classes})
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise DamagedError(str(error) or type(error).__name__) from error


def _made(value: Any, arrays: Arrays, known: Mapping[str, type]) -> Any:
    if not isinstance(value, dict):
        return value
    if _ARRAY in value:
        return arrays[value[_ARRAY]]
    if _SPARSE in value:
        return sparse.csr_array(tuple(arrays[name] for name in value[_SPARSE]), shape=tuple(value["shape"]))
    if _TUPLE in value:
        return tuple(_made(part, arrays, known) for part in value[_TUPLE])
    content = {name: _made(part, arrays, known) for name, part in value["fields"].items()}
    return known[value[_CLASS]](**content) if _CLASS in value else content


def _digest(content: str, arrays: Arrays) -> str:
    """SHA-256 of all that a file says."""
    digest = sha256(content.encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(repr((name, array.dtype.str, array.shape)).encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
