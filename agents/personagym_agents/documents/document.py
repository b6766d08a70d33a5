"""A user as a document: the profile, then one line per interaction, each ending in the user's answer.

    25-29, M, technician; 20 earlier ratings; strict -0.4; moderate; balanced; varied; likes Film-Noir, Drama
    Toy Story; 1995; Animation, Children's, Comedy; crowd 3.9, 300 ratings; 3
    Heat; 1995; Action, Crime, Thriller; crowd 3.6, 150 ratings; 5
    Striptease; 1996; Comedy, Crime; crowd 2.3, 30 ratings; knn 2.4; support 5; mf3 2.1; ...; next 6; skip

The same text serves training, the environment and a reader. Before an answer is due the line goes on with what the
user recalls about the item (`personagym_agents.memory.evidence`); lines of the history tell the answer alone, but for
those of the running session, which stay as they were read. `skip` means that the user would not take the item; the
other answers are ratings.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from personagym_env.data.tables import Catalogue
from personagym_env.text import one_line

SKIP = "skip"
UNKNOWN_CROWD = "crowd unknown"
"""What a line says of an item that nobody has rated."""
UNTITLED = "something"
"""Stands in the place of a title that is hidden."""
HISTORY_LINES = 8
"""A document shows this many of a user's latest ratings; the profile sums up what came before."""
LONGEST_TITLE = 4000
"""Bytes in UTF-8 that a title may have, which may be a whole joke; `Corpus` cuts what a window cannot hold."""
LONGEST_FIELD = 300
"""Bytes that any other field may have, such as all genres of an item."""
LONGEST_NAME = 40
"""Bytes that the name of a genre, or an attribute of a user, may have in a profile, which lists many."""


def answer_words(scale: Sequence[float]) -> tuple[str, ...]:
    """`skip` and the rating scale as words: `("skip", "1", ..., "5")`."""
    return (SKIP, *(f"{value:g}" for value in scale))


def count_words(count: int) -> str:
    """A count rounded down to about a factor of 1.4, so that neighbouring counts read alike.

    >>> [count_words(count) for count in (0, 1, 4, 12, 99, 480)]
    ['0', '1', '3', '10', '70', '300']
    """
    if count < 1:
        return "0"
    steps = [base * 10**power for power in range(9) for base in (1, 1.5, 2, 3, 5, 7)]
    whole = sorted({int(step) for step in steps})
    return str(whole[int(np.searchsorted(whole, count, side="right")) - 1])


def one_field(text: str, longest: int = LONGEST_FIELD) -> str:
    r"""Text from a data set with the document's own separators (line ends, semicolons) taken out, and not too long.

    >>> one_field("Heat; 5\nskip")
    'Heat 5 skip'
    >>> one_field("a" * 100_000, longest=8)
    'aaaaa…'
    """
    field = one_line(text.replace(";", " "))
    written = field.encode()
    if len(written) <= longest:
        return field
    return written[: longest - len("…".encode())].decode(errors="ignore").rstrip() + "…"


class LineFields(NamedTuple):
    """What a user reads about an item before anything is recalled."""

    title: str
    """Empty where lines do not name their items."""
    year: str
    """Empty where it is not known."""
    genres: tuple[str, ...]
    crowd: str

    def text(self) -> str:
        """The fields as a line; the answer follows directly."""
        names = one_field(", ".join(self.genres))
        return "".join(f" {field};" for field in (self.title, self.year, names, self.crowd) if field)[1:]


def line_fields(
    catalogue: Catalogue, item: int, crowd_count: int, crowd_mean: float, *, titled: bool = True
) -> LineFields:
    """What a user reads about an item."""
    title = one_field(catalogue.titles[item], LONGEST_TITLE) or one_field(catalogue.ids[item])
    return LineFields(
        title=title if titled else "",
        year=str(catalogue.years[item]) if catalogue.years[item] else "",
        genres=tuple(catalogue.genre_names[index] for index in np.flatnonzero(catalogue.genres[item])),
        crowd=f"crowd {crowd_mean:.1f}, {count_words(crowd_count)} ratings" if crowd_count else UNKNOWN_CROWD,
    )


def write_line(catalogue: Catalogue, item: int, crowd_count: int, crowd_mean: float, *, titled: bool = True) -> str:
    """What a user reads about an item before answering, as a line."""
    return line_fields(catalogue, item, crowd_count, crowd_mean, titled=titled).text()


def write_document(profile: str, lines: Sequence[str], answers: Sequence[str]) -> str:
    """The whole text of a user: profile, then each line with its answer."""
    return "\n".join([one_header(profile), *(f"{line} {answer}" for line, answer in zip(lines, answers, strict=True))])


def one_header(profile: str) -> str:
    """The profile as the document's first line."""
    return one_line(profile)
