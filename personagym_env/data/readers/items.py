"""From item columns of text to a `Catalogue`: titles, years and genres."""

import re
from collections.abc import Sequence

import numpy as np

from personagym_env.data.tables import BoolArray, Catalogue

_YEAR = re.compile(r"\s*((?:1[89]|20)\d\d)(?:\.0*)?\s*")
_YEAR_AT_END = re.compile(r"(?s)(.*\S)\s*\(((?:1[89]|20)\d\d)(?:[-–](?:(?:1[89]|20)\d\d)?)?\)(\s*\(V\))?\s*")
"""A title that ends in "(1995)", "(1995-1997)", "(1995- )" or, for a film made for video, "(1995) (V)"."""
LIST_SEPARATOR = "\x1f"
"""After each genre of a list (ASCII's unit separator), so that a genre of a list may hold any other separator."""
_NO_GENRES = frozenset({"", "(no genres listed)"})


def build_catalogue(
    ids: Sequence[str],
    titles: Sequence[str] | None,
    years: Sequence[str] | None,
    genres: Sequence[str] | None,
    genre_separator: str,
) -> tuple[Catalogue, int]:
    """The catalogue of m items, and how many years were text that names no year.

    Args:
        ids: (m,) in internal order.
        titles: (m,) or None; an empty title becomes the id.
        years: (m,) or None. Where it names no year (or is None), a year at the end of the title is moved from there.
        genres: (m,) or None, several in one text.
        genre_separator: what parts them.
    """
    names, numbers, bad_years = [], np.zeros(len(ids), np.int64), 0
    for i, item in enumerate(ids):
        title = item if titles is None or not titles[i].strip() else titles[i]
        written = "" if years is None else years[i].strip()
        if match := _YEAR.fullmatch(written):
            numbers[i] = int(match[1])
        elif (years is None or written) and (match := _YEAR_AT_END.fullmatch(title)):
            title, numbers[i] = match[1], int(match[2])
        else:
            bad_years += bool(written)
        names.append(title)
    genre_names, table = _genre_table([""] * len(ids) if genres is None else genres, genre_separator)
    return Catalogue(tuple(ids), tuple(names), numbers, genre_names, table), bad_years


def _genre_table(texts: Sequence[str], separator: str) -> tuple[tuple[str, ...], BoolArray]:
    lists = [_genres(text, LIST_SEPARATOR if LIST_SEPARATOR in text else separator) for text in texts]
    names = tuple(sorted({name for row in lists for name in row}))
    place = {name: j for j, name in enumerate(names)}
    table = np.zeros((len(texts), len(names)), np.bool_)
    for i, row in enumerate(lists):
        table[i, [place[name] for name in row]] = True
    return names, table


def _genres(text: str, separator: str) -> list[str]:
    # A space inside the name of a genre is a no-break space where spaces part the genres.
    names = [] if text.strip() in _NO_GENRES else [part.replace("\xa0", " ").strip() for part in text.split(separator)]
    return [name for name in names if name not in _NO_GENRES]
