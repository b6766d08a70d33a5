"""What a log of decisions holds: its columns, and the header that says whose decisions they were.

Shapes: d decisions, k slate places, h steps that a history looks back.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from importlib import import_module
from typing import Any

COMPONENTS = ("rating", "click", "leave", "empty", "retention")
"""The reward's parts, as `RewardWeights` names them; a column `reward_<part>` for each."""
HEADER_KEY = b"personagym"
"""Where a part file keeps its header."""
FORMAT = 1
"""Version of the layout, raised whenever older logs can no longer be read."""


def pyarrow_module(name: str = "pyarrow") -> Any:
    """A module of pyarrow, which only logs need.

    Raises:
        ImportError: pyarrow is missing.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise ImportError("logs are Parquet files and need pyarrow: pip install 'personagym[offline]'") from error


@dataclass(frozen=True)
class LogHeader:
    """Whose decisions a log holds, and in which world; the same in every part of a log."""

    policy: str
    """Name of the recommender that decided."""
    policy_fingerprint: str
    """Of the recommender as it was fitted; empty for a log from elsewhere."""
    world: str
    """Data set and `Benchmark`, for people."""
    benchmark_hash: str
    """`World.benchmark_hash`; empty for a log from elsewhere, and of users who cannot tell what they are."""
    n_users: int
    n_items: int
    scale: tuple[float, ...]
    """The ratings that exist, ascending."""
    slate_size: int
    history_length: int
    max_episode_steps: int | None
    reward_range: tuple[float, float]
    """What a decision can earn at least and at most."""
    clicks_earn: bool
    """Whether rewards are for what was taken alone: the item's rating, the click."""
    seed: int
    """Of the first row of the vector environment."""
    rows: int
    """Rows of the vector environment that play a part."""
    episodes_per_row: int
    """Episodes of a row in a part, one after the other."""

    def to_json(self) -> str:
        """One line; `from_json` reads it."""
        return json.dumps({"format": FORMAT} | asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str | bytes) -> "LogHeader":
        """Read what `to_json` wrote.

        Raises:
            ValueError: it is no header, or of another format.
        """
        try:
            raw: dict[str, Any] = json.loads(text)
            found = raw.pop("format", None)
        except (ValueError, AttributeError) as error:
            raise ValueError(f"the log's header cannot be read: {error}") from error
        if found != FORMAT:
            raise ValueError(f"the log has format {found}, this version reads format {FORMAT}")
        names = {field.name for field in fields(cls)}
        if set(raw) != names:
            raise ValueError(f"the log's header needs {sorted(names)}, got {sorted(raw)}")
        raw["scale"], raw["reward_range"] = tuple(raw["scale"]), tuple(raw["reward_range"])
        return cls(**raw)


REQUIRED: Mapping[str, str] = {
    "episode": "number of the episode, rising",
    "user": "internal user id",
    "step": "decisions before this one in the episode",
    "slate": "item ids, the most prominent place first",
    "propensity": "probability of the slate",
    "click_place": "place of the item taken, -1 for none",
    "rating": "rating given, 0 for none",
    "reward": "what the decision earned",
    "terminated": "whether the user left for good",
    "truncated": "whether the episode was cut off",
}
"""Columns that a log from elsewhere must have."""
OPTIONAL: Mapping[str, str] = {
    "session": "number of the session in the episode",
    "prefix": "probability of the items up to each place",
    "marginal": "probability of each place's item at its place",
    "marginal_error": "standard error of `marginal`",
    "next_history_items": "item taken in each step so far, this one included, -1 for none",
    "next_history_ratings": "rating given in each of them",
    **{f"reward_{name}": f"the reward's part `{name}`" for name in COMPONENTS},
}
"""Columns that a collected log has besides."""


def schema(header: LogHeader) -> Any:
    """The Arrow schema of a part: a row per decision, with the header in its metadata."""
    pa = pyarrow_module()
    k = header.slate_size
    columns = [
        ("episode", pa.int64()),
        ("user", pa.int32()),
        ("step", pa.int32()),
        ("session", pa.int32()),
        ("slate", pa.list_(pa.int32(), k)),
        ("propensity", pa.float64()),
        ("prefix", pa.list_(pa.float64(), k)),
        ("marginal", pa.list_(pa.float64(), k)),
        ("marginal_error", pa.list_(pa.float32(), k)),
        ("click_place", pa.int16()),
        ("rating", pa.float32()),
        ("reward", pa.float64()),
        *((f"reward_{name}", pa.float32()) for name in COMPONENTS),
        ("next_history_items", pa.list_(pa.int32())),
        ("next_history_ratings", pa.list_(pa.float32())),
        ("terminated", pa.bool_()),
        ("truncated", pa.bool_()),
    ]
    fields_ = [pa.field(name, kind, nullable=False) for name, kind in columns]
    return pa.schema(fields_, metadata={HEADER_KEY: header.to_json().encode()})
