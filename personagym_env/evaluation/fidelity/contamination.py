"""Do users know what they must not know? Blind data sets, a test for leaks in prompts, and the control's ratings."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from personagym_env.data.splits import Split
from personagym_env.data.tables import Catalogue, Dataset, Interactions
from personagym_env.evaluation.core.statistics import Interval

LEAST_LETTERS = 8
"""Titles shorter than this, or of one word, are looked for only where a line begins: people write "drama" and "M"."""


def blind(dataset: Dataset, train: Interactions) -> Dataset:
    """The data set as it is before the held-out rows happened: agents made from it cannot have read them.

    Raises:
        ValueError: the training rows count other users or items.
    """
    return replace(dataset, interactions=train)


def shuffled_ratings(log: Interactions, rng: np.random.Generator) -> Interactions:
    """Each user's ratings dealt anew over the user's own rows: mean and spread stay, what was liked is lost.

    The control for users that read ratings: whoever predicts as well from these does not read them.
    """
    order = np.lexsort((rng.random(len(log)), log.users))
    return replace(log, ratings=log.ratings[order])


@dataclass(frozen=True)
class TitleMemorisation:
    """What a base knows of titles."""

    titles: int
    """Titles of two tokens or more that were asked for."""
    preferred: Interval
    """Share of titles whose own second half is likelier than another title's of as many tokens; chance is 1/2."""
    completed: Interval
    """Share of titles that greedy decoding completes token by token."""


class Leak(NamedTuple):
    """A held-out row whose item a prompt speaks of."""

    user: int
    item: int
    line: str


def find_leaks(documents: Iterable[tuple[int, str]], catalogue: Catalogue, split: Split) -> list[Leak]:
    """Held-out items that a user's own prompt speaks of, and so may be rated in.

    A line speaks of an item if it begins with the item's title, up to a semicolon, and has its year if the catalogue
    knows it; or if it holds, anywhere else, a title of several words and at least `LEAST_LETTERS` letters. What a
    training row of the same user accounts for is no leak (a sequel's name may hold the first part's), nor is a title
    that is also the name of a genre.

    Args:
        documents: internal user id and prompt, one or more for a user.
        catalogue: titles and years.
        split: what the user may know, and what not.
    """
    titles = [_plain(title) for title in catalogue.titles]
    genres = {_plain(name) for name in catalogue.genre_names}
    leaks = []
    for user, document in documents:
        known, secret = ({int(item) for item in log.items[slice(*log.indptr[user : user + 2])]} for log in split)
        known_names = {(titles[item], int(catalogue.years[item])) for item in known}
        known_titles = {title for title, _ in known_names}
        lines = [_Line.of(line, known_titles) for line in document.splitlines()]
        everything = _plain(document)
        for item in sorted(secret):
            name = titles[item], int(catalogue.years[item])
            if name[0] not in everything or name in known_names or name[0] in genres:
                continue
            longer = [title for title in known_titles if name[0] in title and title != name[0]]
            leaks += [Leak(user, item, line.text) for line in lines if line.speaks_of(*name, longer)]
    return leaks


class _Line(NamedTuple):
    text: str
    title: str
    """What stands before the first semicolon."""
    rest: str
    """The whole line, less a title that a training row accounts for."""

    @classmethod
    def of(cls, line: str, known_titles: set[str]) -> "_Line":
        title, _, behind = line.partition(";")
        title = _plain(title)
        return cls(line, title, _plain(behind if title in known_titles else line))

    def speaks_of(self, title: str, year: int, longer: Sequence[str]) -> bool:
        """Whether the line speaks of an item; where it names one of `longer` titles, it speaks of that."""
        if self.title == title:
            return not year or re.search(rf"\b{year}\b", self.text) is not None
        if len(title) < LEAST_LETTERS or " " not in title or title not in self.rest:
            return False
        rest = self.rest
        for name in longer:
            rest = rest.replace(name, "")
        return re.search(rf"(?<!\w){re.escape(title)}(?!\w)", rest) is not None


def _plain(text: str) -> str:
    """Case, line ends, semicolons and repeated blanks taken out, which documents do not keep either."""
    return re.sub(r"[;\s]+", " ", text).strip().casefold()
