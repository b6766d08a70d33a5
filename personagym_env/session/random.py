"""Counter-based randomness: a uniform number is a function of where it is used, not of how many were drawn before.

Numbers are outputs of SplitMix64 (Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014),
nested once per coordinate: an output seeds the generator of the next coordinate. So rows need no generator
objects, a row draws the same numbers in any batch, and two policies under the same seed meet the same luck.
"""

from collections.abc import Sequence
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from personagym_env.data.tables import FloatArray, IntArray

UIntArray = npt.NDArray[np.uint64]

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_S27, _S30, _S31, _S12 = (np.uint64(shift) for shift in (27, 30, 31, 12))


class Stream(IntEnum):
    """What a number decides; numbers of different streams are independent."""

    USER = 0
    EXAMINATION = 1
    CHOICE = 2
    OUTSIDE = 3
    RATING = 4
    LEAVING = 5
    RETURNING = 6
    DRIFT = 7
    POLICY = 8


def splitmix64(seed: UIntArray, index: UIntArray) -> UIntArray:
    """The output number `index` (from 0) of the SplitMix64 generator that starts at `seed`; the arrays broadcast."""
    z = np.asarray(seed + (index + np.uint64(1)) * _GAMMA)
    z ^= z >> _S30
    z *= _MIX_1
    z ^= z >> _S27
    z *= _MIX_2
    z ^= z >> _S31
    return z


def stream_keys(key: UIntArray, episode: IntArray, step: IntArray, stream: Stream) -> UIntArray:
    """(n,) the 64 bits that all numbers of a stream come from at one step; see `uniform` for the arguments."""
    return splitmix64(_step_seed(key, episode, step), np.array([int(stream)], np.uint64))


def _step_seed(key: UIntArray, episode: IntArray, step: IntArray) -> UIntArray:
    """(n,) what the streams of one step come from."""
    return splitmix64(splitmix64(key, episode.astype(np.uint64)), step.astype(np.uint64))


def uniform(
    key: UIntArray, episode: IntArray, step: IntArray, stream: Stream, counter: IntArray
) -> npt.NDArray[np.float64]:
    """Independent uniform numbers in (0, 1), both ends excluded.

    Args:
        key: (n,) 64 random bits of each row.
        episode: (n,) which of the row's episodes it is.
        step: (n,) which decision of the episode it is.
        stream: what the numbers decide.
        counter: (n, k) or (1, k) place or item, at least 0.

    Returns:
        (n, k) numbers; the same arguments give the same numbers.
    """
    return _in_unit_interval(splitmix64(stream_keys(key, episode, step, stream)[:, None], counter.astype(np.uint64)))


def uniform_columns(
    key: UIntArray, episode: IntArray, step: IntArray, streams: Sequence[tuple[Stream, int]], counter: UIntArray
) -> npt.NDArray[np.float64]:
    """What `uniform` says of several streams side by side, in one pass.

    Args:
        key: see `uniform`, as the next two.
        episode: which episode.
        step: which decision.
        streams: what the numbers decide, and how many columns each stream has.
        counter: (n, c) of all columns.

    Returns:
        (n, c) numbers, which are those that `uniform` gives for each stream alone.
    """
    kinds, widths = zip(*streams, strict=True)
    keys = splitmix64(_step_seed(key, episode, step)[:, None], np.array(kinds, np.uint64))
    return _in_unit_interval(splitmix64(keys.repeat(widths, axis=1), counter))


def _in_unit_interval(bits: UIntArray) -> npt.NDArray[np.float64]:
    # 52 bits and a half: the largest value, 1 - 2**-53, is exact, so that rounding never gives 1.
    numbers = (bits >> _S12).astype(np.float64)
    numbers += 0.5
    numbers *= 2.0**-52
    return numbers


def gumbel(uniforms: FloatArray) -> FloatArray:
    """Standard Gumbel numbers of the same shape: the one with the largest utility + Gumbel is a logit choice."""
    numbers = np.log(uniforms)
    np.negative(numbers, out=numbers)
    np.log(numbers, out=numbers)
    return np.negative(numbers, out=numbers)
