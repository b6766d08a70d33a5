"""Distributions over a scale that are tilted until their means are as wanted.

Of all distributions with such a mean, the one that is nearest in relative entropy multiplies each probability by the
exponential of the rating times a number (Csiszar, "I-divergence geometry of probability distributions and minimization
problems", Annals of Probability 3, 1975); Newton's method, kept inside a bracket, finds that number. Shapes: r ratings.
"""

import numpy as np
import numpy.typing as npt

from personagym_env.data.tables import FloatArray

_STEPS = 40
_EXACT = 1e-4
"""Share of the scale's width that means may miss."""
_FARTHEST = 200.0
"""Exponent at most, for a scale of width 1."""
_LEAST_VARIANCE = 1e-9
_MARGIN = 0.01
"""Share of the scale's width that wanted means keep away from its ends, where nothing but certainty has them."""


def with_means(chances: FloatArray, wanted: FloatArray, scale: FloatArray) -> npt.NDArray[np.float32]:
    """(r, ...) probabilities above 0 with the (...) means wanted, in units of an ascending scale (r,), r at least 2."""
    return tilted(chances, exponents(chances, wanted, scale), scale)


def tilted(chances: FloatArray, exponent: FloatArray, scale: FloatArray) -> npt.NDArray[np.float32]:
    """(r, ...) probabilities times exp(rating * exponent), with (...) exponents for a scale of width 1; sums are 1."""
    factors = np.multiply.outer(_values(scale), exponent)
    # No factor above 1, whatever the sign.
    factors -= np.maximum(exponent, 0)
    found = np.exp(factors, out=factors)
    found *= chances
    found /= summed(found)
    return np.asarray(found, np.float32)


def exponents(chances: FloatArray, wanted: FloatArray, scale: FloatArray) -> npt.NDArray[np.float32]:
    """(...) by which `tilted` gives (r, ...) probabilities the (...) means wanted."""
    values = _values(scale)[:, None]
    shape = np.shape(wanted)
    target = np.clip((wanted - scale[0]) / float(scale[-1] - scale[0]), _MARGIN, 1 - _MARGIN).astype(np.float32)
    target, chances = target.ravel(), np.asarray(chances, np.float32).reshape(len(chances), -1)
    low, high = np.full_like(target, -_FARTHEST), np.full_like(target, _FARTHEST)
    exponent, found = np.zeros_like(target), chances
    for step in range(_STEPS):
        mean = summed(values * found)
        missed = target - mean
        # Whoever is near enough stays, so that no answer depends on which others are worked out beside it.
        going = np.abs(missed) > _EXACT
        if not going.any():
            break
        np.copyto(low, exponent, where=missed > 0)
        np.copyto(high, exponent, where=missed < 0)
        variance = np.maximum(summed(values**2 * found) - mean**2, _LEAST_VARIANCE)
        newton = exponent + missed / variance
        # The middle of what is known to hold the answer, wherever Newton's step leaves that, and now and then anyhow.
        usable = (newton > low) & (newton < high) & (step % 3 < 2)
        exponent = np.where(going, np.where(usable, newton, (low + high) / 2), exponent)
        found = tilted(chances, exponent, scale)
    return np.asarray(exponent, np.float32).reshape(shape)


def summed(rows: FloatArray) -> FloatArray:
    """(...) sums of (r, ...) over the first axis, to the bit those of each column alone.

    Products of matrices add in an order that depends on how many columns there are, and so does numpy where there is
    one, or where columns are contiguous.
    """
    flat = np.ascontiguousarray(rows).reshape(len(rows), -1)
    if flat.shape[1] == 1:
        flat = np.repeat(flat, 2, axis=1)
    return np.asarray(np.add.reduce(flat, axis=0)[: rows[0].size].reshape(rows.shape[1:]))


def _values(scale: FloatArray) -> npt.NDArray[np.float32]:
    """(r,) ratings on a scale from 0 to 1."""
    return np.asarray((scale - scale[0]) / float(scale[-1] - scale[0]), np.float32)
