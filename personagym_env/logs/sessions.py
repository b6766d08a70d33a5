"""A log on disk or in memory, read part by part: nothing of it is loaded before it is asked for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from personagym_env.logs.checks import Limits, check_decisions
from personagym_env.logs.decisions import Columns, LoggedDecisions
from personagym_env.logs.parts import open_part, part_paths, read_header
from personagym_env.logs.schema import REQUIRED, LogHeader, pyarrow_module

_READ = (*REQUIRED, "prefix", "marginal", "marginal_error")
"""Columns that decisions are made of."""


class LogPart(Protocol):
    """Whole episodes of a log."""

    @property
    def name(self) -> str:
        """For errors."""

    @property
    def rows(self) -> int:
        """How many decisions."""

    def read(self, columns: Sequence[str]) -> Columns:
        """Columns by name; ragged ones as arrays of arrays."""


@dataclass(frozen=True)
class ParquetPart:
    """A part file."""

    path: Path

    @property
    def name(self) -> str:
        """The path."""
        return str(self.path)

    @property
    def rows(self) -> int:
        """From the file's footer."""
        with open_part(self.path) as file:
            return int(file.metadata.num_rows)

    def read(self, columns: Sequence[str]) -> Columns:
        """Columns by name.

        Raises:
            ValueError: the file is damaged.
        """
        pa = pyarrow_module()
        with open_part(self.path) as file:
            try:
                table = file.read(columns=list(columns))
            except (pa.ArrowInvalid, OSError) as error:
                raise ValueError(f"{self.path} is damaged: {error}") from error
        return {name: _array(table[name].combine_chunks()) for name in columns}


@dataclass(frozen=True)
class MemoryPart:
    """Columns in memory."""

    name: str
    columns: Columns

    @property
    def rows(self) -> int:
        """How many decisions."""
        return len(self.columns["episode"])

    def read(self, columns: Sequence[str]) -> Columns:
        """Columns by name; those that the log lacks are left out."""
        return {name: self.columns[name] for name in columns if name in self.columns}


@dataclass(frozen=True, eq=False, repr=False)
class LoggedSessions:
    """A log of decisions, in parts of whole episodes."""

    header: LogHeader
    parts: tuple[LogPart, ...]

    def __len__(self) -> int:
        return sum(part.rows for part in self.parts)

    def __repr__(self) -> str:
        return f"LoggedSessions({len(self)} decisions of {self.header.policy} in {len(self.parts)} parts)"

    @property
    def limits(self) -> Limits:
        """What its values may be."""
        header = self.header
        named = bool(header.policy_fingerprint)
        return Limits(header.n_users, header.n_items, header.scale, header.reward_range, one_policy=named)

    def column(self, name: str) -> npt.NDArray[Any]:
        """One column of the whole log, unchecked; only this column is read.

        Raises:
            ValueError: the log has no such column, or a file is damaged.
        """
        found = [part.read([name]) for part in self.parts]
        if not all(name in columns for columns in found):
            raise ValueError(f"the log has no column {name!r}")
        return np.concatenate([columns[name] for columns in found])

    def batches(self) -> Iterator[LoggedDecisions]:
        """The decisions part by part, checked; memory does not grow with the log.

        Raises:
            ValueError: a file is damaged or its contents are wrong; the message names file and row.
        """
        for part in self.parts:
            decisions = LoggedDecisions.from_columns(part.read(_READ), clicks_earn=self.header.clicks_earn)
            check_decisions(decisions, self.limits, part.name)
            yield decisions

    def read(self, parts: int | None = None) -> LoggedDecisions:
        """All decisions at once, or those of the first parts; the batches one behind the other."""
        chosen = LoggedSessions(self.header, self.parts[:parts])
        return LoggedDecisions.joined(list(chosen.batches()))

    def to_frame(self) -> Any:
        """All columns as a `pandas.DataFrame`; slates and their propensities are a column for each place."""
        import pandas as pd

        batch = self.read()
        flat: dict[str, Any] = {
            "episode": batch.episode,
            "user": batch.user,
            "step": batch.step,
            "propensity": batch.propensities.joint,
            "click_place": batch.click_place,
            "item": batch.item,
            "rating": batch.rating,
            "reward": batch.reward,
            "terminated": batch.terminated,
            "truncated": batch.truncated,
        }
        for place in range(batch.slate.shape[1]):
            flat[f"slate_{place}"] = batch.slate[:, place]
            flat[f"prefix_{place}"] = batch.propensities.prefix[:, place]
            flat[f"marginal_{place}"] = batch.propensities.marginal[:, place]
        return pd.DataFrame(flat)


def open_log(
    folder: str | Path, *, policy_fingerprint: str | None = None, benchmark_hash: str | None = None
) -> LoggedSessions:
    """A log that `collect` has written.

    Args:
        folder: of the part files.
        policy_fingerprint: of the policy that must have decided; None takes any.
        benchmark_hash: of the world that it must have decided in; None takes any.

    Raises:
        FileNotFoundError: there is no log.
        ValueError: a part is missing or damaged, belongs to another log, or was logged with another policy or in
            another benchmark.
    """
    paths = part_paths(Path(folder))
    header = read_header(paths[0])
    for path in paths[1:]:
        if read_header(path) != header:
            raise ValueError(f"{path} belongs to another log than {paths[0]}: their headers differ")
    for what, wanted, found in (
        ("with another policy", policy_fingerprint, header.policy_fingerprint),
        ("in another benchmark", benchmark_hash, header.benchmark_hash),
    ):
        if wanted is not None and wanted != found:
            raise ValueError(
                f"{paths[0]} was logged {what}: expected the hash {wanted}, the log has {found or 'none'} "
                f"({header.world})"
            )
    return LoggedSessions(header, tuple(ParquetPart(path) for path in paths))


def _array(column: Any) -> npt.NDArray[Any]:
    """An Arrow array as numpy: lists of equal length as rows, others as an array of arrays."""
    types = pyarrow_module().types
    if types.is_fixed_size_list(column.type):
        return np.asarray(column.flatten()).reshape(len(column), column.type.list_size)
    if types.is_list(column.type):
        values, ends = np.asarray(column.flatten()), np.cumsum(np.asarray(column.value_lengths()))
        ragged = np.empty(len(column), object)
        ragged[:] = np.split(values, ends[:-1]) if len(column) else []
        return ragged
    return np.asarray(column)
