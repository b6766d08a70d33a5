"""Reads a service's own log of slates and propensities, from CSV or Parquet, in the columns of a collected one."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from personagym_env.data.tables import Dataset
from personagym_env.logs.decisions import Columns
from personagym_env.logs.schema import OPTIONAL, REQUIRED, LogHeader, pyarrow_module
from personagym_env.logs.sessions import LoggedSessions, MemoryPart

_LISTS = ("slate", "prefix", "marginal", "marginal_error")
_FLAGS = ("terminated", "truncated")
_TRUTH = {"true": True, "1": True, "false": False, "0": False}


def load_log(path: str | Path, dataset: Dataset, *, policy: str = "own") -> LoggedSessions:
    """Read a log of decisions of a service, whose users and items are those of a data set.

    Needed are the columns `episode, user, step, slate, propensity, click_place, rating, reward, terminated, truncated`,
    one row per decision, episodes one after the other. Users and items go by the ids of the data set. A slate is a list
    in Parquet, and in CSV its ids with spaces between them. `prefix` and `marginal`, which estimators of slates by
    place need, are lists of numbers likewise.

    Args:
        path: a `.csv` or `.parquet` file.
        dataset: whose users, items and rating scale the log speaks of.
        policy: name of what decided, for tables.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: columns are missing, an id is unknown, or a value is wrong; the message names file, row and column.
        ImportError: pyarrow is missing.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no log {path}")
    raw = _read_csv(path) if path.suffix == ".csv" else _read_parquet(path)
    if missing := [name for name in REQUIRED if name not in raw]:
        told = "; ".join(f"{name}: {REQUIRED[name]}" for name in missing)
        raise ValueError(f"{path} lacks the columns {', '.join(missing)} ({told}); it has {', '.join(raw)}")
    columns = _Reader(path, dataset).columns(raw)
    if not len(columns["episode"]):
        raise ValueError(f"{path} has no rows")
    header = LogHeader(
        policy=policy,
        policy_fingerprint="",
        world=dataset.name,
        benchmark_hash="",
        n_users=len(dataset.users),
        n_items=len(dataset.catalogue),
        scale=dataset.interactions.scale,
        slate_size=columns["slate"].shape[1],
        history_length=int(columns["step"].max()) + 1,
        max_episode_steps=None,
        reward_range=(float(columns["reward"].min()), float(columns["reward"].max())),
        clicks_earn=not columns["reward"][columns["click_place"] < 0].any(),
        seed=0,
        rows=0,
        episodes_per_row=0,
    )
    log = LoggedSessions(header, (MemoryPart(str(path), columns),))
    next(log.batches())  # checks it
    return log


def _read_csv(path: Path) -> dict[str, Sequence[Any]]:
    """Columns as text."""
    pa, csv = pyarrow_module(), pyarrow_module("pyarrow.csv")
    try:
        names = csv.open_csv(path).schema.names
        table = csv.read_csv(path, convert_options=csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string())))
    except pa.ArrowInvalid as error:
        raise ValueError(f"{path} is no CSV file with a header: {error}") from error
    return {name: table[name].to_pylist() for name in table.column_names}


def _read_parquet(path: Path) -> dict[str, Sequence[Any]]:
    """Columns as Python values."""
    pa, pq = pyarrow_module(), pyarrow_module("pyarrow.parquet")
    try:
        table = pq.read_table(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise ValueError(f"{path} is truncated or no Parquet file: {error}") from error
    return {name: table[name].to_pylist() for name in table.column_names}


class _Reader:
    """Turns raw columns into those of a log."""

    def __init__(self, path: Path, dataset: Dataset) -> None:
        self.path = path
        self.users = {name: place for place, name in enumerate(dataset.users.ids)}
        self.items = {name: place for place, name in enumerate(dataset.catalogue.ids)}

    def columns(self, raw: Mapping[str, Sequence[Any]]) -> Columns:
        """The columns that are known, by name."""
        found: Columns = {}
        for name, values in raw.items():
            if name == "user":
                found[name] = self._each(name, values, self._user, np.int64)
            elif name == "slate":
                found[name] = self._rows(name, values, self._item, np.int64)
            elif name in _LISTS:
                found[name] = self._rows(name, values, float, np.float64)
            elif name in _FLAGS:
                found[name] = self._each(name, values, _flag, np.bool_)
            elif name in ("episode", "step", "click_place"):
                found[name] = self._each(name, values, _whole, np.int64)
            elif name in REQUIRED or (name in OPTIONAL and not name.startswith("next_history")):
                found[name] = self._each(name, values, float, np.float64)
        lengths = {name: column.shape[1] for name, column in found.items() if column.ndim == 2}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"{self.path}: lists of one row must have one length, got {lengths}")
        return found

    def _each(self, name: str, values: Sequence[Any], convert: Callable[[Any], Any], kind: type) -> npt.NDArray[Any]:
        return np.array([self._convert(name, row, value, convert) for row, value in enumerate(values)], kind)

    def _convert(self, name: str, row: int, value: Any, convert: Callable[[Any], Any]) -> Any:
        try:
            return convert(value)
        except (ValueError, TypeError) as error:
            raise ValueError(f"{self.path}, row {row}, column {name!r}: cannot read {value!r}: {error}") from error

    def _rows(self, name: str, values: Sequence[Any], convert: Callable[[Any], Any], kind: type) -> npt.NDArray[Any]:
        split = [value.split() if isinstance(value, str) else value for value in values]
        width = len(split[0]) if split and split[0] is not None else 0
        for row, entries in enumerate(split):
            if entries is None or len(entries) != width or not width:
                raise ValueError(
                    f"{self.path}, row {row}, column {name!r}: expected {width or 1} entries, got {entries}"
                )
        read = [self._convert(name, row, entry, convert) for row, entries in enumerate(split) for entry in entries]
        return np.array(read, kind).reshape(len(split), width)

    def _user(self, value: Any) -> int:
        if str(value) not in self.users:
            raise ValueError("no user of the data set has that id")
        return self.users[str(value)]

    def _item(self, value: Any) -> int:
        if str(value) not in self.items:
            raise ValueError("no item of the data set has that id")
        return self.items[str(value)]


def _whole(value: Any) -> int:
    number = float(value)
    if number != int(number):
        raise ValueError("expected a whole number")
    return int(number)


def _flag(value: Any) -> bool:
    word = str(value).lower()
    if word not in _TRUTH:
        raise ValueError("expected true or false")
    return _TRUTH[word]
