"""Fits come back from their bytes equal to the bit, and damaged bytes never come back at all."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from personagym_env.fit_cache.encoding import DamagedError, decoded, encoded


class Pair(NamedTuple):
    """A named tuple."""

    first: object
    second: object


@dataclass(frozen=True, eq=False)
class Model:
    """A dataclass."""

    weights: Any
    parts: object = None


CLASSES = (Pair, Model)


def test_everything_that_a_fit_consists_of_comes_back() -> None:
    matrix = sparse.csr_array(np.array([[0.0, 1.5], [2.5, 0.0]], np.float32))
    strided = np.arange(12.0).reshape(3, 4).T[::2]
    fit = Model(strided, Pair({"a": (1, None, np.inf), "b": "é"}, (matrix, np.zeros((0, 3), np.int8), True)))
    again = decoded(encoded(fit, CLASSES), CLASSES)
    assert type(again) is Model
    assert type(again.parts) is Pair
    np.testing.assert_array_equal(again.weights, strided)
    assert again.weights.dtype == strided.dtype
    assert again.parts.first == fit.parts.first  # type: ignore[attr-defined]
    sparse_again, empty, flag = again.parts.second
    assert type(sparse_again) is sparse.csr_array
    np.testing.assert_array_equal(sparse_again.toarray(), matrix.toarray())
    assert sparse_again.dtype == np.float32
    assert (empty.shape, empty.dtype, flag) == ((0, 3), np.int8, True)


def test_what_cannot_be_kept_is_named() -> None:
    with pytest.raises(TypeError, match="a fit with a Generator cannot be kept"):
        encoded(Model(np.random.default_rng(0)), CLASSES)
    with pytest.raises(TypeError, match="a fit with a Model cannot be kept: name it"):
        encoded(Model(1.0), ())


def test_classes_that_were_not_named_are_never_made() -> None:
    with pytest.raises(DamagedError, match="Model"):
        decoded(encoded(Model(np.ones(2)), CLASSES), (Pair,))


FILE = encoded(Model(np.arange(6.0), Pair("text", (1, 2))), CLASSES)


@given(st.integers(0, len(FILE) - 1), st.integers(1, 255))
def test_one_changed_byte_is_noticed(place: int, change: int) -> None:
    damaged = bytearray(FILE)
    damaged[place] ^= change
    # Bytes that say the same in another way, such as a space in the header, may pass.
    try:
        again = decoded(bytes(damaged), CLASSES)
    except DamagedError:
        return
    np.testing.assert_array_equal(again.weights, np.arange(6.0))
    assert again.parts == Pair("text", (1, 2))


@given(st.integers(0, len(FILE) - 1))
def test_a_file_that_was_cut_is_noticed(length: int) -> None:
    with pytest.raises(DamagedError):
        decoded(FILE[:length], CLASSES)


@given(st.binary(max_size=200))
def test_any_other_bytes_are_refused(content: bytes) -> None:
    with pytest.raises(DamagedError):
        decoded(content, CLASSES)
