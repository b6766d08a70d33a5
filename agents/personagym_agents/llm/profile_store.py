"""The profiles of a population: checked, written as JSON, read back with every field looked at."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from personagym_agents.llm.safety import plain
from personagym_env.data.tables import Interactions
from personagym_env.files import write_atomically

FORMAT = 1


@dataclass(frozen=True)
class Taste:
    """What a user likes, in words that the ratings bear out."""

    text: str
    """Free text; empty if every sentence was thrown out."""
    claims: tuple[str, ...]


@dataclass(frozen=True)
class Profile:
    """A user profile, every claim of which holds in the user's own ratings."""

    habits: tuple[str, ...]
    """Words for activity, rating, conformity and diversity."""
    long_term: Taste
    short_term: Taste

    def text(self) -> str:
        """One line of fields, as a document's header takes it; empty if nothing is left to say."""
        long, short = self.long_term, self.short_term
        lately = ", ".join(part for part in (*short.claims, short.text) if part)
        parts = [", ".join(self.habits), ", ".join(long.claims), long.text, f"lately {lately}" if lately else ""]
        return "; ".join(part for part in parts if part)


@dataclass(frozen=True, eq=False)
class ProfileStore:
    """Profiles of all users of a log."""

    train_fingerprint: str
    """Of the rows that the profiles know."""
    whole: tuple[Profile | None, ...]
    """(u,) profiles that know all rows; None for a user of whom none could be written."""
    left_out: tuple[tuple[Profile | None, ...], ...]
    """Per fold (u,) profiles that know nothing of the fold's rows; empty if they were written for inference alone."""
    counts: Mapping[str, int]
    """Answers rejected, claims thrown out and the like, by name."""
    made: Mapping[str, object] = field(default_factory=dict)
    """With which model and settings, JSON-able."""

    def __post_init__(self) -> None:
        for fold, profiles in enumerate(self.left_out):
            if len(profiles) != len(self.whole):
                raise ValueError(
                    f"a book of {len(self.whole)} users has {len(profiles)} profiles that leave out fold {fold}"
                )

    def __repr__(self) -> str:
        written = sum(profile is not None for profile in self.whole)
        return f"ProfileBook({written} of {len(self.whole)} users, {len(self.left_out)} folds)"

    def require(self, train: Interactions) -> None:
        """Make sure that the book is about these rows.

        Raises:
            ValueError: it is about others.
        """
        if train.fingerprint() != self.train_fingerprint:
            raise ValueError(
                f"the profiles were written from rows with fingerprint {self.train_fingerprint[:12]}, and the given "
                f"training rows have {train.fingerprint()[:12]}: write profiles from them with `personagym profile`"
            )

    def save(self, place: Path) -> None:
        """Write the book as one file, which appears complete or not at all."""
        content = {"format": FORMAT, **asdict(self)}
        write_atomically(place, json.dumps(content, ensure_ascii=False, indent=1))

    @classmethod
    def load(cls, place: Path) -> "ProfileStore":
        """Read a book; its texts are made safe again, since a file can be edited.

        Raises:
            ValueError: the file is no book of this format.
        """
        try:
            content = json.loads(place.read_text(encoding="utf-8"))
            if content["format"] != FORMAT:
                raise ValueError(f"format {content['format']}")
            return cls(
                train_fingerprint=str(content["train_fingerprint"]),
                whole=_profiles(content["whole"]),
                left_out=tuple(_profiles(profiles) for profiles in content["left_out"]),
                counts={str(name): int(count) for name, count in content["counts"].items()},
                made=dict(content["made"]),
            )
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise ValueError(
                f"{place}: expected profiles of format {FORMAT}, got {type(error).__name__} {error}"
            ) from error


def _profiles(content: list[Any]) -> tuple[Profile | None, ...]:
    return tuple(
        None
        if profile is None
        else Profile(_lines(profile["habits"]), _taste(profile["long_term"]), _taste(profile["short_term"]))
        for profile in content
    )


def _taste(content: Mapping[str, Any]) -> Taste:
    return Taste(plain(content["text"]), _lines(content["claims"]))


def _lines(content: list[str]) -> tuple[str, ...]:
    return tuple(plain(line) for line in content)
