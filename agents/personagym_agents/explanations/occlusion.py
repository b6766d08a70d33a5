"""The documents that a user would read if one part were not there.

A document without a phrase of the profile or without a line is one that training could have shown; without a title it
reads "something", as training documents sometimes do. A recollection leaves an empty place.
"""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from personagym_agents.documents.corpus import Corpus
from personagym_agents.documents.document import UNKNOWN_CROWD, UNTITLED, LineFields
from personagym_agents.documents.tokenizer import encode_texts
from personagym_agents.memory.evidence import Codes
from personagym_env.explanations import Part, PartKind

Index = npt.NDArray[np.int64]
Tokens = list[int]
_PHRASE = "; "
"""Between the phrases of a profile."""


class Document(NamedTuple):
    """What a user reads before the answer about an item, in pieces that can be left out."""

    profile: str
    lines: Index
    """(h, 2 + f) pieces of the history's lines with their answers, those of the running session last."""
    in_session: int
    """Lines of the running session."""
    known: Sequence[tuple[str, str]]
    """(h,) title and answer of each line."""
    item: int
    codes: Codes
    """(f,) levels of what is recalled about the item."""


class Occluded(NamedTuple):
    """A document without some part."""

    part: Part | None
    """None for the whole document."""
    tokens: Tokens


def occlusions(corpus: Corpus, document: Document) -> Iterator[Occluded]:
    """The whole document, then each that lacks one part, then each that lacks all parts of one kind."""
    header, item = _header(corpus, document.profile), _item(corpus, document)
    lines = [_line(corpus, line) for line in document.lines]
    yield Occluded(None, header + _joined(lines) + item)
    for part, shorter in _without_phrases(document.profile):
        yield Occluded(part, _header(corpus, shorter) + _joined(lines) + item)
    for kind, begin, end in _stretches(document):
        kept = _joined(lines[:begin] + lines[end:])
        yield Occluded(_part_of(document, kind, begin, end), header + kept + item)
    behind = header + _joined(lines)
    for part, line in _without_fields(corpus, document):
        yield Occluded(part, behind + line)


def _header(corpus: Corpus, profile: str) -> Tokens:
    return corpus.encode_headers([profile])[0]


def _joined(lines: Sequence[Tokens]) -> Tokens:
    return list(chain.from_iterable(lines))


def _line(corpus: Corpus, pieces: Index) -> Tokens:
    return [token for piece in pieces.tolist() for token in corpus.encoded[piece]]


def _without_phrases(profile: str) -> Iterator[tuple[Part, str]]:
    phrases = [phrase for phrase in profile.split(_PHRASE) if phrase]
    for place, phrase in enumerate(phrases):
        yield Part("profile", phrase), _PHRASE.join(phrases[:place] + phrases[place + 1 :])
    if len(phrases) > 1:
        yield Part("profile", profile, whole=True), ""


def _stretches(document: Document) -> Iterator[tuple[PartKind, int, int]]:
    """Each line, then all lines of the history and all of the session."""
    count = len(document.lines)
    edge = count - document.in_session
    for place in range(count):
        yield "history" if place < edge else "session", place, place + 1
    if edge > 1:
        yield "history", 0, edge
    if document.in_session > 1:
        yield "session", edge, count


def _part_of(document: Document, kind: PartKind, begin: int, end: int) -> Part:
    texts = [f"{title}: {answer}" for title, answer in document.known[begin:end]]
    return Part(kind, _PHRASE.join(texts), whole=end - begin > 1)


def _item(corpus: Corpus, document: Document, fields: LineFields | None = None, hidden: Sequence[int] = ()) -> Tokens:
    """Tokens of the item's line, with other fields, or without some recollections."""
    shown = corpus.line_fields(document.item) if fields is None else fields
    lead = "" if len(document.codes) else corpus.answers.lead
    tokens = encode_texts(corpus.tokenizer, [f"\n{shown.text()}{lead}"])[0]
    for field, level in enumerate(document.codes.tolist()):
        piece = corpus.of_blank[field] if field in hidden else corpus.of_memory[field] + level
        tokens = tokens + corpus.encoded[piece]
    return tokens


def _without_fields(corpus: Corpus, document: Document) -> Iterator[tuple[Part, Tokens]]:
    fields = corpus.line_fields(document.item)
    if fields.title:
        yield Part("title", fields.title), _item(corpus, document, fields._replace(title=UNTITLED))
    if fields.year:
        yield Part("year", fields.year), _item(corpus, document, fields._replace(year=""))
    for genre in fields.genres:
        others = tuple(other for other in fields.genres if other != genre)
        yield Part("genre", genre), _item(corpus, document, fields._replace(genres=others))
    if len(fields.genres) > 1:
        everything = Part("genre", ", ".join(fields.genres), whole=True)
        yield everything, _item(corpus, document, fields._replace(genres=()))
    yield Part("crowd", fields.crowd), _item(corpus, document, fields._replace(crowd=UNKNOWN_CROWD))
    words = [text.strip().rstrip(";") for text in corpus.recollections(document.codes)]
    for field, text in enumerate(words):
        if text:  # a reason memory may recall nothing in some of its places
            yield Part("memory", text), _item(corpus, document, hidden=[field])
    if len(words) > 1:
        yield (
            Part("memory", _PHRASE.join(filter(None, words)), whole=True),
            _item(corpus, document, hidden=range(len(words))),
        )
