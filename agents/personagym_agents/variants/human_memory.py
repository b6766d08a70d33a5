"""Memory as RecAgent has it: short-term memories of which like ones make insights, and insights that are forgotten.

After Wang et al. (TOIS 2024). What is perceived (an item, and how far its rating lay from what was expected) enters the
short-term memory of ten. It enhances the memories there that are like it (cosine .7 and more); the third enhancement
makes an insight of one, which moves to the long-term memory with its mean. A memory speaks of an item by relevance,
recency (.99 a step) and importance (how far it lay from what was expected). There a long-term memory is forgotten with
probability `1 - max(recency^1.5, .01) importance`; here it speaks as loudly as it is likely to be kept, so that no
chance enters. Steps are consumptions instead of hours; likeness is that of genres instead of sentences.

A state is one row of numbers: the step, then slots of (item + 1, surprise, step, enhancements), the short-term ones
first. Shapes: b users, m items, g genres.
"""

import numpy as np

from personagym_env.data.tables import FloatArray, IntArray

SHORT, LONG = 10, 40
"""Slots of the two memories."""
ALIKE, INSIGHT = 0.7, 3
"""Cosine from which a memory is enhanced, and enhancements that make an insight."""
RECENCY, EXPONENT, LEAST = 0.99, 1.5, 0.01
"""Of a step; and of forgetting."""
PRIOR = 1.0
"""Memories without surprise that every item is thought of with."""
SLOT = 4
"""Numbers of a memory."""
WIDTH = 1 + SLOT * (SHORT + LONG)


def empty(n: int) -> FloatArray:
    """(n, WIDTH) states of users who remember nothing."""
    return np.zeros((n, WIDTH))


def _slots(state: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Views (b, SHORT, SLOT) and (b, LONG, SLOT)."""
    parted = state[:, 1:].reshape(len(state), SHORT + LONG, SLOT)
    return parted[:, :SHORT], parted[:, SHORT:]


def perceived(state: FloatArray, items: IntArray, surprise: FloatArray, genres: FloatArray) -> FloatArray:
    """States (b, WIDTH) after items (b,) lay so far (b,) from what was expected.

    Args:
        state: before.
        items: internal ids.
        surprise: rating less the expected one, in rating points.
        genres: (m, g) of length 1 each, or 0.
    """
    after = state.copy()
    after[:, 0] += 1
    short, long = _slots(after)
    held = short[..., 0].astype(np.int64) - 1
    alike = (np.einsum("bsg,bg->bs", genres[held], genres[items]) >= ALIKE) & (held >= 0)
    # The running mean of what enhanced a memory is what an insight of it says.
    weight = np.where(alike, 1 / (short[..., 3] + 2), 0.0)
    short[..., 1] += weight * (surprise[:, None] - short[..., 1])
    short[..., 3] += alike
    who, which = np.nonzero(short[..., 3] >= INSIGHT)
    for user, slot in zip(who.tolist(), which.tolist(), strict=True):
        faintest = int(np.argmin(_kept(long[user], after[user, 0])))
        long[user, faintest] = *short[user, slot, :2], after[user, 0], 0
        short[user, slot] = 0
    rows = np.arange(len(after))
    # The oldest stands first: a memory that left makes room, else the first one does.
    leaving = np.where((short[..., 0] == 0).any(axis=1), (short[..., 0] == 0).argmax(axis=1), 0)
    order = np.arange(SHORT)[None] + (np.arange(SHORT)[None] >= leaving[:, None])
    moved = np.concatenate([short, np.zeros((len(after), 1, SLOT))], axis=1)[rows[:, None], np.minimum(order, SHORT)]
    moved[:, -1] = np.column_stack([items + 1, surprise, after[:, 0], np.zeros(len(after))])
    short[:] = moved
    return after


def _kept(long: FloatArray, step: FloatArray | float) -> FloatArray:
    """(..., LONG) how likely each long-term memory is to be kept; 0 where there is none."""
    recency = RECENCY ** (np.asarray(step)[..., None] - long[..., 2])
    importance = np.minimum(1.0, np.abs(long[..., 1]))
    return np.asarray((long[..., 0] > 0) * np.maximum(recency**EXPONENT, LEAST) * importance)


def remembered(state: FloatArray, genres: FloatArray) -> FloatArray:
    """(b, m) how far users expect each item to lie from what others expect, by memories of items like it."""
    short, long = _slots(state)
    held = np.concatenate([short, long], axis=1)
    recent = (short[..., 0] > 0) * RECENCY ** (state[:, :1] - short[..., 2])
    loud = np.concatenate([recent, _kept(long, state[:, 0])], axis=1)
    vectors = genres[held[..., 0].astype(np.int64) - 1]
    told = np.einsum("bs,bsg->bg", loud * held[..., 1], vectors) @ genres.T
    weight = np.einsum("bs,bsg->bg", loud, vectors) @ genres.T
    return np.asarray(told / (weight + PRIOR))
