"""The tables that everything else reads: catalogue, users, interactions, and the data set that binds them."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import sparse

from personagym_env.data.pair_index import PairIndex

IntArray = npt.NDArray[np.integer]
FloatArray = npt.NDArray[np.floating]
BoolArray = npt.NDArray[np.bool_]

LATEST_TIME = 4_102_444_800
"""Seconds since 1970 that no time of a log reaches (the year 2100); what does is no number of seconds."""


@dataclass(frozen=True, eq=False, repr=False)
class Catalogue:
    """The items, in the order of their internal ids `0..m-1`."""

    ids: tuple[str, ...]
    """(m,) the ids that the source uses."""
    titles: tuple[str, ...]
    """(m,) text; never empty (an item without a title is called by its id)."""
    years: IntArray
    """(m,) year of release; 0 where the source has none."""
    genre_names: tuple[str, ...]
    """(g,) sorted; empty where the source has no genres."""
    genres: BoolArray
    """(m, g) which item has which genre."""

    def __post_init__(self) -> None:
        m, g = len(self.ids), len(self.genre_names)
        if not (len(self.titles) == len(self.years) == m and self.genres.shape == (m, g)):
            raise ValueError(
                f"Catalogue of {m} ids and {g} genres needs {m} titles, {m} years and genres of shape {(m, g)}, "
                f"got {len(self.titles)} titles, {len(self.years)} years and genres of shape {self.genres.shape}"
            )

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        return f"Catalogue({len(self)} items, {len(self.genre_names)} genres)"

    @cached_property
    def genre_shares(self) -> npt.NDArray[np.float64]:
        """(m, g) an item's genres with equal shares that sum to 1; a row of zeros for an item without genre."""
        return np.asarray(self.genres / np.maximum(self.genres.sum(axis=1, keepdims=True), 1), np.float64)


@dataclass(frozen=True, eq=False, repr=False)
class Users:
    """The users, in the order of their internal ids `0..u-1`."""

    ids: tuple[str, ...]
    """(u,) the ids that the source uses."""
    attributes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Column name to (u,) text, for example age, gender, occupation; empty text where unknown."""

    def __post_init__(self) -> None:
        for name, column in self.attributes.items():
            if len(column) != len(self.ids):
                raise ValueError(f"Users.attributes[{name!r}] has {len(column)} values for {len(self.ids)} users")

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        return f"Users({len(self)} users, attributes {sorted(self.attributes)})"


@dataclass(frozen=True, eq=False, repr=False)
class Interactions:
    """A log of ratings as columns of equal length n, sorted by user, then time, then order in the source."""

    users: IntArray
    """(n,) internal user id."""
    items: IntArray
    """(n,) internal item id."""
    ratings: FloatArray
    """(n,) each a value of `scale`."""
    timestamps: IntArray | None
    """(n,) seconds since 1970, or None where the source has no time."""
    n_users: int
    n_items: int
    scale: tuple[float, ...]
    """(r,) the ratings that exist, ascending."""

    def __post_init__(self) -> None:
        columns = [self.users, self.items, self.ratings]
        columns += [] if self.timestamps is None else [self.timestamps]
        if len({len(column) for column in columns}) != 1:
            raise ValueError(f"Interactions need columns of one length, got {[len(column) for column in columns]}")
        if np.any(np.diff(self.users) < 0):
            raise ValueError("Interactions must be sorted by user; build them with Interactions.from_columns")
        for name, column, limit in (("users", self.users, self.n_users), ("items", self.items, self.n_items)):
            if len(column) and not (column.min() >= 0 and column.max() < limit):
                raise ValueError(f"Interactions.{name} must lie in 0..{limit - 1}")
        if self.timestamps is not None and len(self) and self.timestamps.max() >= LATEST_TIME:
            raise ValueError(
                f"Interactions.timestamps must be seconds since 1970, below {LATEST_TIME}, got "
                f"{self.timestamps.max()}: divide milliseconds by 1000 and so on; the readers convert them"
            )
        if not np.isin(self.ratings, np.asarray(self.scale, self.ratings.dtype)).all():
            raise ValueError(f"Interactions.ratings hold values outside the scale {self.scale}")

    @classmethod
    def from_columns(
        cls,
        users: IntArray,
        items: IntArray,
        ratings: FloatArray,
        timestamps: IntArray | None,
        *,
        n_users: int,
        n_items: int,
        scale: tuple[float, ...],
    ) -> "Interactions":
        """Sort the columns by (user, time, order given) and build the log."""
        order = np.argsort(users, kind="stable") if timestamps is None else np.lexsort((timestamps, users))
        return cls(
            users=np.asarray(users, np.int64)[order],
            items=np.asarray(items, np.int64)[order],
            ratings=np.asarray(ratings, np.float32)[order],
            timestamps=None if timestamps is None else np.asarray(timestamps, np.int64)[order],
            n_users=n_users,
            n_items=n_items,
            scale=tuple(float(value) for value in scale),
        )

    def __len__(self) -> int:
        return len(self.users)

    def __repr__(self) -> str:
        return f"Interactions({len(self)} rows, {self.n_users} users, {self.n_items} items, scale {self.scale})"

    def take(self, rows: IntArray | BoolArray) -> "Interactions":
        """The log of the given rows (a mask or indices), in the log's own order."""
        keep = np.flatnonzero(rows) if rows.dtype == np.bool_ else np.sort(rows)
        return Interactions(
            users=self.users[keep],
            items=self.items[keep],
            ratings=self.ratings[keep],
            timestamps=None if self.timestamps is None else self.timestamps[keep],
            n_users=self.n_users,
            n_items=self.n_items,
            scale=self.scale,
        )

    @cached_property
    def indptr(self) -> IntArray:
        """(u + 1,) user i owns the rows `indptr[i]:indptr[i + 1]`."""
        return np.searchsorted(self.users, np.arange(self.n_users + 1))

    @cached_property
    def counts(self) -> IntArray:
        """(u,) rows of each user."""
        return np.diff(self.indptr)

    @property
    def rank_in_user(self) -> IntArray:
        """(n,) 0 for a user's first row, 1 for the second, and so on."""
        return np.arange(len(self)) - np.repeat(self.indptr[:-1], self.counts)

    @cached_property
    def rating_index(self) -> IntArray:
        """(n,) position of each rating in `scale`."""
        return np.searchsorted(np.asarray(self.scale, np.float32), self.ratings)

    @cached_property
    def pairs(self) -> PairIndex:
        """The rows by user and item."""
        return PairIndex(self.users, self.items, self.n_items)

    def contains(self, users: IntArray, items: IntArray) -> BoolArray:
        """Whether the pairs of the two (broadcast) arrays are in the log."""
        return self.pairs.contains(users, items)

    def matrix(self, values: FloatArray | None = None) -> sparse.csr_array:
        """(u, m) sparse matrix of `values` (n,), the ratings by default."""
        values = self.ratings if values is None else values
        return sparse.csr_array((values, (self.users, self.items)), shape=(self.n_users, self.n_items))

    def fingerprint(self) -> str:
        """SHA-256 over shape, scale and all rows: two logs are the same data exactly if it agrees."""
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        digest = hashlib.sha256(repr((self.n_users, self.n_items, self.scale)).encode())
        times = np.zeros(0, np.int64) if self.timestamps is None else self.timestamps
        for column, dtype in ((self.users, "<i8"), (self.items, "<i8"), (self.ratings, "<f4"), (times, "<i8")):
            digest.update(np.ascontiguousarray(column, dtype).tobytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class DataManifest:
    """What a data set says about itself: its scale, and how it knows real value beyond its own held-out ratings."""

    random_exposure: Path | None = None
    """Data set of ratings of randomly shown items, with the ids of this one."""
    fully_observed: float | None = None
    """Share of the catalogue from which on a user counts as having rated everything; in (0, 1]."""
    scale: tuple[float, ...] | None = None
    """The ratings that exist, ascending, where the log's own ratings would tell it wrongly."""


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Catalogue, users and the whole log of one source, and what was dropped while reading it."""

    name: str
    catalogue: Catalogue
    users: Users
    interactions: Interactions
    dropped: Mapping[str, int] = field(default_factory=dict)
    """What was left out while reading, by reason; empty if nothing was."""
    manifest: DataManifest = field(default_factory=DataManifest)

    def __post_init__(self) -> None:
        log = self.interactions
        if (log.n_users, log.n_items) != (len(self.users), len(self.catalogue)):
            raise ValueError(
                f"data set {self.name!r} has {len(self.users)} users and {len(self.catalogue)} items, "
                f"but its log counts {log.n_users} and {log.n_items}"
            )

    def __repr__(self) -> str:
        dropped = f", dropped {dict(self.dropped)}" if self.dropped else ""
        return f"Dataset({self.name!r}, {self.users!r}, {self.catalogue!r}, {self.interactions!r}{dropped})"

    def fingerprint(self) -> str:
        """SHA-256 over the log and the ids of users and items."""
        digest = hashlib.sha256(self.interactions.fingerprint().encode())
        digest.update("\x1f".join((*self.users.ids, "\x1e", *self.catalogue.ids)).encode(errors="surrogatepass"))
        return digest.hexdigest()
