"""What a figure was measured in, as a hash: figures of one board come from one benchmark.

Four things decide how sessions go: the environment's behaviour, the data, the parameters of sessions, and the users.
What holds them is a `Benchmark`; its hash stands in every result, and `docs/changelog.md` says what moved.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any, Self

from personagym_env.data.tables import Dataset, Interactions
from personagym_env.protocols import FingerprintedAgent, UserAgent
from personagym_env.session.parameters import Instructions, SessionParameters
from personagym_env.text import one_line

ENV_ID = "PersonaRec-v0"
"""The environment's name in Gymnasium's registry."""
BEHAVIOUR = 2
"""Raised with every change after which the same world goes on differently under the same seed."""
DIGITS = 12
"""Hexadecimal digits of a hash: 48 bits."""
_SILENT = {"instructions": asdict(Instructions())}
"""Parts of the session parameters that are off by default, with the values that they are off with."""


def _digest(content: Any) -> str:
    """Of something that is JSON."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]


@dataclass(frozen=True)
class Benchmark:
    """What a figure was measured in."""

    hash: str | None
    """Of all the rest; None where some users are unknown, and figures of unknown users may be anything."""
    environment: str | None
    """Name of the environment and version of its behaviour; None where users were asked, and nothing played."""
    data: str
    """Hash of the data set: its log, its titles, genres and attributes."""
    rows: str | None
    """Hash of the rows that the environment counts as known; None likewise."""
    parameters: str | None
    """Hash of the parameters of sessions, to 4 digits: more than that differs from machine to machine; None likewise,
    and where sessions of many kinds were played."""
    users: Mapping[str, str | None]
    """Hash of what makes users answer as they do, by `name@rows`, the rows being those that they know; by their name
    alone and None where nobody can tell."""

    def __post_init__(self) -> None:
        expected = _hash_of(self.environment, self.data, self.rows, self.parameters, self.users)
        if self.hash != expected:
            raise ValueError(f"a benchmark with these parts has hash {expected}, got {self.hash}: it was edited")

    @classmethod
    def of(
        cls,
        dataset: Dataset,
        users: Mapping[str, str | None],
        *,
        known: Interactions | None = None,
        parameters: SessionParameters | None = None,
        behaviour: int = BEHAVIOUR,
    ) -> Self:
        """The benchmark of a world, or of several that differ in their users alone.

        Args:
            dataset: catalogue, attributes and the whole log.
            users: from `user_hashes`.
            known: the rows that the environment counts as known; None if users were only asked, and nothing was played.
            parameters: of sessions; None likewise, and where sessions of many kinds were played.
            behaviour: version of the environment's behaviour, for figures that were measured under an earlier one.
        """
        return cls.of_parts(
            environment=None if known is None else f"{ENV_ID}, behaviour {behaviour}",
            data=_data_hash(dataset),
            rows=None if known is None else known.fingerprint()[:DIGITS],
            parameters=None if parameters is None else parameters_hash(parameters.to_dict()),
            users=dict(sorted(users.items())),
        )

    @classmethod
    def of_parts(cls, **parts: Any) -> Self:
        """The benchmark with these parts, by field, and their hash."""
        return cls(hash=_hash_of(**parts), **parts)

    def differences(self, other: "Benchmark") -> list[str]:
        """In what the two cannot be compared, in words; nothing where they can, though they may know different rows.

        Users of different names, or who know different rows, are different populations, and not a difference.
        """
        told = [
            f"{name} {ours} and {theirs}"
            for name, ours, theirs in (
                ("environment", self.environment, other.environment),
                ("data", self.data, other.data),
                ("session parameters", self.parameters, other.parameters),
            )
            if None not in (ours, theirs) and ours != theirs
        ]
        shared = (name for name in self.users if None not in (self.users[name], other.users.get(name)))
        return told + [
            f"users {name} with weights {self.users[name]} and {other.users[name]}"
            for name in shared
            if self.users[name] != other.users[name]
        ]

    def __str__(self) -> str:
        people = ", ".join(one_line(name if found else f"{name} (unknown)") for name, found in self.users.items())
        parts = {"": self.environment, "data ": self.data, "known rows ": self.rows, "parameters ": self.parameters}
        told = ", ".join(f"{name}{part}" for name, part in parts.items() if part)
        return f"benchmark {self.hash or 'unknown'}: {told}, users {people}"


def _hash_of(
    environment: str | None, data: str, rows: str | None, parameters: str | None, users: Mapping[str, str | None]
) -> str | None:
    """None where some users are unknown."""
    return None if None in users.values() else _digest([environment, data, rows, parameters, dict(users)])


def parameters_hash(values: Mapping[str, Mapping[str, float]]) -> str:
    """Hash of session parameters by part and field, as `SessionParameters.to_dict` has them.

    Parts of `_SILENT` that are off are left out: sessions go on as if there were no such part.
    """
    return _digest(
        {
            f"{part}.{name}": f"{value:.4g}"
            for part, fields in values.items()
            for name, value in fields.items()
            if part not in _SILENT or fields != _SILENT[part]
        }
    )


def _data_hash(dataset: Dataset) -> str:
    catalogue = dataset.catalogue
    genres = hashlib.sha256(catalogue.genres.tobytes()).hexdigest()
    texts = [catalogue.titles, catalogue.years.tolist(), catalogue.genre_names, genres]
    return _digest([dataset.fingerprint(), texts, {name: list(v) for name, v in dataset.users.attributes.items()}])


def user_hashes(agents: Iterable[UserAgent]) -> dict[str, str | None]:
    """What `Benchmark.users` has of each population."""
    hashes: dict[str, str | None] = {}
    for agent in agents:
        found = agent.fingerprint if isinstance(agent, FingerprintedAgent) else None
        if found is None:
            hashes[agent.name] = None
        else:
            hashes[f"{agent.name}@{found.rows[:DIGITS]}"] = found.weights[:DIGITS]
    return hashes


def refuse_mixed(results: Mapping[str, Mapping[str, Benchmark]]) -> None:
    """Refuse to show together what was measured in different benchmarks.

    Args:
        results: by name of the result, for people, what it was measured in by data set; what is unknown is not there.

    Raises:
        ValueError: two results on one data set cannot be compared; names both and the difference.
    """
    for (name, ours), (other_name, theirs) in combinations(results.items(), 2):
        for dataset in sorted(set(ours) & set(theirs)):
            if told := ours[dataset].differences(theirs[dataset]):
                raise ValueError(
                    f"{name} and {other_name} were measured in different benchmarks on {dataset!r}, and cannot be "
                    f"shown together: {'; '.join(told)}. Measure one of them again, or leave it out"
                )
