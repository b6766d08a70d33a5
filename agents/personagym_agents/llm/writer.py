"""Profiles of a chat model behind the `ProfileWriter` protocol: prepared text per user, chosen by what it may know."""

import numpy as np

from personagym_agents.documents.profile import ProfileWriter
from personagym_agents.llm.batches import batch_folds
from personagym_agents.llm.profile_store import Profile, ProfileStore
from personagym_env.data.tables import Catalogue, IntArray, Interactions, Users
from personagym_env.data.traits import Traits


class LLMProfileWriter:
    """What another writer says of the row, followed by the profile that a chat model wrote of the person.

    The words of the first part follow the row's own traits, as they do without a chat model; the second part is written
    once per person. It knows the ratings that it was written from, so a document that asks for one of them must not be
    headed by it: training documents get their headers from `without_folds`.

    Args:
        book: the profiles.
        train: the rows that they are about.
        before: writes the first part.

    Raises:
        ValueError: the book is about other rows.
    """

    def __init__(self, book: ProfileStore, train: Interactions, before: ProfileWriter) -> None:
        book.require(train)
        self._book, self._before = book, before
        self._folds = batch_folds(train, len(book.left_out)) if book.left_out else None

    def write(self, people: IntArray, traits: Traits, catalogue: Catalogue, users: Users) -> list[str]:
        """See `ProfileWriter.write`; profiles that know all training rows, for inference.

        Raises:
            ValueError: a person comes twice, which only training documents do.
        """
        if len(np.unique(people)) != len(people):
            raise ValueError(
                "a person comes twice, as in training documents, and the profiles to be written know the answers that "
                "these ask for: use the writer that `without_folds` gives"
            )
        written = self._before.write(people, traits, catalogue, users)
        return [_joined(text, self._book.whole[person]) for text, person in zip(written, people.tolist(), strict=True)]

    @property
    def fold_of_row(self) -> IntArray:
        """(n,) the fold of each training row: a training document may show rows of one fold only.

        Raises:
            ValueError: the book has no profiles for training.
        """
        if self._folds is None:
            raise ValueError("the profiles were written for inference alone: write them again with at least 2 folds")
        return self._folds

    def without_folds(self, folds: IntArray) -> ProfileWriter:
        """The writer for training documents.

        Args:
            folds: (n,) per row to be written the fold whose rows its document shows and its profile must not know.

        Raises:
            ValueError: a fold does not exist.
        """
        known = len(self._book.left_out)
        if len(folds) and not (folds.min() >= 0 and folds.max() < known):
            raise ValueError(f"folds must lie in 0..{known - 1}, got {folds.min()}..{folds.max()}")
        return _WithoutFolds(self._book, self._before, folds)


class _WithoutFolds:
    def __init__(self, book: ProfileStore, before: ProfileWriter, folds: IntArray) -> None:
        self._book, self._before, self._left_out = book, before, folds

    def write(self, people: IntArray, traits: Traits, catalogue: Catalogue, users: Users) -> list[str]:
        """See `ProfileWriter.write`."""
        written = self._before.write(people, traits, catalogue, users)
        rows = zip(written, people.tolist(), self._left_out.tolist(), strict=True)
        return [_joined(text, self._book.left_out[fold][person]) for text, person, fold in rows]


def _joined(text: str, profile: Profile | None) -> str:
    said = "" if profile is None else profile.text()
    return f"{text}; {said}" if said else text
