"""How much memory one dense array of a recommender may take, checked before it is allocated."""

import math

MOST_BYTES = 8 * 2**30
"""Half of the memory of a machine with 16 GB: the rest is left to the system, the log and the users. Assign another
number where there is more."""


def size_of(shape: tuple[int, ...], bytes_each: int) -> int:
    """Bytes of an array."""
    return math.prod(shape) * bytes_each


def fits(n_bytes: int) -> bool:
    """Whether so many bytes may be taken."""
    return n_bytes <= MOST_BYTES


def require_memory(what: str, n_bytes: int, remedy: str) -> None:
    """Raise ValueError, with the size and what helps, if so many bytes may not be taken."""
    if not fits(n_bytes):
        raise ValueError(
            f"{what} takes {n_bytes / 2**30:,.0f} GiB, and at most {MOST_BYTES / 2**30:,.0f} GiB may be taken "
            f"(personagym_recommenders.memory.MOST_BYTES): {remedy}"
        )
