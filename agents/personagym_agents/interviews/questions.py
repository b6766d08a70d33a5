"""What a question is about: the taste, the last session, or an item whose title it names."""

import re
from typing import Literal, NamedTuple

from personagym_env.data.tables import Catalogue

_WORD = re.compile(r"[^\W_]+")
_SESSION = {"last", "latest", "session", "lately", "recently", "yesterday", "just"}
_TASTE = {"taste", "like", "love", "hate", "dislike", "enjoy", "prefer", "favourite", "favorite", "genre", "genres"}
_COMMON = {"what", "when", "where", "who", "you", "your", "did", "one", "film", "movie", "would", "about", "time"}
"""Words of questions that are titles, too."""
_NAMED = re.compile(r"\bwould you (?:like|love|enjoy|watch|take|rate|choose)\s+(.+?)[\s?.!]*$", re.IGNORECASE)
"""What follows is a title."""
_ARTICLES = {"the", "a", "an", "la", "le", "il", "das", "der", "die"}
LEAST_LETTERS = 3
"""Letters of a title at least, for it to be found within a question; shorter ones stand in quotation marks."""


class Question(NamedTuple):
    """A question that was understood."""

    topic: Literal["taste", "session", "item", "title", "unknown"]
    item: int = -1
    """Internal id, where the topic is an item."""
    title: str = ""
    """What was taken for a title and is none of the data set, where that is the topic."""


class QuestionReader:
    """Understands questions by words, not grammar.

    Args:
        catalogue: whose titles are known.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._titles: dict[tuple[str, ...], int] = {}
        for item, title in enumerate(catalogue.titles):
            for key in _keys(title):
                self._titles.setdefault(key, item)
        self._longest = max(map(len, self._titles), default=0)

    def read(self, question: str) -> Question:
        """What a question is about; the longest title that it names goes before all else."""
        quoted = re.findall(r"[\"'“‘](.+?)[\"'”’]", question)
        for text in quoted:
            if (item := self._titles.get(tuple(_words(text)))) is not None:
                return Question("item", item)
        words = _words(question)
        for length in range(min(self._longest, len(words)), 0, -1):
            for begin in range(len(words) - length + 1):
                some = tuple(words[begin : begin + length])
                if some in self._titles and self._names(some):
                    return Question("item", self._titles[some])
        asked = set(words)
        named = _NAMED.search(question)
        if named is not None and not set(_words(named[1])) <= asked & (_SESSION | _TASTE | _COMMON):
            return Question("title", title=named[1])
        if asked & _SESSION:
            return Question("session")
        return Question("taste") if asked & _TASTE else Question("unknown")

    def _names(self, words: tuple[str, ...]) -> bool:
        """Whether words are meant as a title: not where they are words of a question, too."""
        common = len(words) == 1 and words[0] in _SESSION | _TASTE | _COMMON
        return sum(map(len, words)) >= LEAST_LETTERS and not common


def _words(text: str) -> list[str]:
    return _WORD.findall(re.sub(r"(?<=\w)['’](?=\w)", "", text.lower()))


def _keys(title: str) -> list[tuple[str, ...]]:
    """A title's words; where the article stands behind a comma, as in "Professional, The", in front too."""
    words = _words(title)
    keys = [tuple(words)] if words else []
    if len(words) > 1 and words[-1] in _ARTICLES and "," in title:
        keys += [(words[-1], *words[:-1]), tuple(words[:-1])]
    return keys
