"""The reason memory: why a user rated as they did, one reason per interaction, and those that speak to an item.

    Heat; 1995; Action, Crime; crowd 3.6, 150 ratings; recalls Casino 5, delighted by Crime; recalls Jade 2, let down by
    Crime, unlike most; knn 4.2; ...

It is the long-term memory of *Personas within Parameters*: a reason is written by a chat model (`personagym reasons`),
or composed here from evidence; it is embedded with what its item is, and the k with the largest cosine to an item are
recalled before the user answers. Both are embedded by a pretrained sentence encoder, or in one space of texts
(`TextSpace`), which needs no further model; either way the same log gives the same memory.
Shapes: n rows, m items, g genres, b users, k reasons, d dimensions.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from personagym_agents.documents.document import one_field
from personagym_agents.memory.sentence_encoder import SentenceEncoder
from personagym_agents.memory.text_space import TextSpace
from personagym_env.data.tables import Catalogue, FloatArray, IntArray, Interactions
from personagym_env.data.traits import LIFT_PRIOR, TRAIT_PRIOR, crowd_statistics

NOTHING = " recalls nothing;"
"""What is told in the place of a reason where there is none to tell."""
LONGEST_REASON = 1000
"""Bytes of a reason at most."""
_FEELINGS = ("appalled by", "let down by", "content with", "pleased by", "delighted by")
_SURPRISES = (-0.3, -0.1, 0.1, 0.3)
"""Shares of the scale's width between the feelings: how far a rating lies above what was to be expected of the user."""
_UNLIKE = 0.3
"""Share of the scale's width between a rating and the crowd's mean from which on it is unlike most."""
_DIMENSIONS = 64
_BLOCK = 256
"""Rows whose reasons are looked for at once."""

ReasonCodes = npt.NDArray[np.int32]
"""(..., k) place in `ReasonMemory.words`; 0 where nothing is recalled."""


def compose_reasons(train: Interactions, catalogue: Catalogue) -> list[str]:
    """(n,) a reason of each row in words, from its own rating, from its user's earlier rows and from the crowd alone.

    How the user felt is the rating less what the crowd and the user's earlier ratings let expect; what it is put down
    to is the genre that the user's earlier rows speak for most, or most against. Memory: 8 n g bytes.
    """
    width = train.scale[-1] - train.scale[0]
    crowd = crowd_statistics(train).without_own(train)[1]
    place = np.arange(len(train)) - train.indptr[train.users]
    apart = train.ratings - crowd
    surprise = apart - _sum_of_earlier(apart, train) / (place + TRAIT_PRIOR)
    has_genre = catalogue.genres[train.items]
    lift = _sum_of_earlier(has_genre * surprise[:, None], train) / (_sum_of_earlier(has_genre, train) + LIFT_PRIOR)
    feeling = np.digitize(surprise / width, _SURPRISES)
    against = (feeling < len(_FEELINGS) // 2)[:, None]
    cause = np.where(has_genre, np.where(against, -lift, lift), -np.inf)
    genre = cause.argmax(axis=1) if len(catalogue.genre_names) else np.zeros(len(train), np.int64)
    names = [one_field(name) for name in catalogue.genre_names]
    unlike = np.abs(apart) >= _UNLIKE * width
    return [
        f"{_FEELINGS[felt]} {names[g] if known else 'it'}{', unlike most' if alone else ''}"
        for felt, g, known, alone in zip(feeling, genre, np.asarray(has_genre.any(axis=1)), unlike, strict=True)
    ]


def _sum_of_earlier(values: npt.NDArray[np.generic], log: Interactions) -> FloatArray:
    """Sum of (n, ...) values over the rows of the same user before each row."""
    total = np.concatenate([np.zeros((1, *values.shape[1:])), np.cumsum(values, axis=0, dtype=np.float64)])
    return np.asarray(total[:-1] - total[log.indptr[log.users]])


@dataclass(frozen=True, eq=False, repr=False)
class ReasonMemory:
    """Fitted by `fit_reason_memory`."""

    train: Interactions
    count: int
    """k reasons that are recalled about an item."""
    words: list[str]
    """Distinct reasons as a document tells them; the first one is `NOTHING`."""
    code: ReasonCodes
    """(n,) each row's reason."""
    rows: npt.NDArray[np.float32]
    """(n, d) of the rows' reasons, of length 1."""
    items: npt.NDArray[np.float32]
    """(m, d) of the items, of length 1."""
    encoder: str | None = None
    """That embedded them; None is TF-IDF."""

    def recall(self, users: IntArray) -> ReasonCodes:
        """(b, m, k) what each of (b,) users recalls about every item, the nearest reason first."""
        found = np.zeros((len(users), self.train.n_items, self.count), np.int32)
        everything = np.arange(self.train.n_items)
        for place, user in enumerate(users):
            rows = np.arange(self.train.indptr[user], self.train.indptr[user + 1])
            found[place] = self._nearest(rows, everything, len(rows))
        return found

    def recall_before(self, items: IntArray, known: IntArray) -> ReasonCodes:
        """(n, c, k) what the user of each row recalls about (n, c) items when only the first (n,) rows are known."""
        found = np.zeros((*items.shape, self.count), np.int32)
        for user in np.flatnonzero(self.train.counts):
            rows = np.arange(self.train.indptr[user], self.train.indptr[user + 1])
            for some in np.array_split(rows, -(-len(rows) // _BLOCK)):
                length = np.repeat(known[some], items.shape[1])
                found[some] = self._nearest(rows, items[some].ravel(), length).reshape(len(some), -1, self.count)
        return found

    def _nearest(self, rows: IntArray, items: IntArray, known: IntArray | int) -> ReasonCodes:
        """(c, k) the reasons, among the first `known` rows of a user's, with the largest cosine to (c,) items."""
        place = np.arange(len(rows))
        # Of equally near reasons the later one counts. An item says nothing about itself.
        cosine = self.items[items] @ self.rows[rows].T + 1e-6 * place
        out = (self.train.items[rows] == items[:, None]) | (place >= np.reshape(known, (-1, 1)))
        cosine[out] = -np.inf
        few = min(self.count, len(rows))
        best = np.argpartition(-cosine, max(few - 1, 0), axis=1)[:, :few] if few else np.zeros((len(items), 0), np.intp)
        near = np.take_along_axis(cosine, best, axis=1)
        order = np.argsort(-near, axis=1, kind="stable")
        best, near = (np.take_along_axis(values, order, axis=1) for values in (best, near))
        found = np.zeros((len(items), self.count), np.int32)
        found[:, :few] = np.where(np.isfinite(near), self.code[rows][best], 0)
        return found

    def spoken(self) -> Iterator[str]:
        """The reasons as often as rows have them."""
        return (self.words[code] for code in self.code)


def _embedded(texts: Sequence[str], encoder: str | None) -> npt.NDArray[np.float32]:
    """(n, d) of length 1."""
    if encoder is not None:
        return SentenceEncoder(encoder).encode(texts)
    from sklearn.preprocessing import normalize  # here, because few memories have reasons

    return np.asarray(normalize(TextSpace.fit(texts, _DIMENSIONS).place(texts)).astype(np.float32))


def fit_reason_memory(
    train: Interactions,
    catalogue: Catalogue,
    count: int,
    written: Sequence[str | None] | None = None,
    encoder: str | None = None,
) -> ReasonMemory:
    """Embed reasons and items in one space.

    Args:
        train: rows that users may know.
        catalogue: the log's items.
        count: reasons that are recalled about an item.
        written: (n,) reasons from elsewhere, such as a chat model; where there is none it is composed from evidence.
        encoder: a sentence encoder, see `encoder_folder`; None embeds by TF-IDF.

    Raises:
        ValueError: the log has no rows, `count` or the number of written reasons does not fit, or there is no such
            encoder.
    """
    if count < 1 or not len(train):
        raise ValueError(f"a reason memory needs at least one row and one reason to recall, got {len(train)}, {count}")
    composed = compose_reasons(train, catalogue)
    written = composed if written is None else [own or other for own, other in zip(written, composed, strict=True)]
    reasons = [one_field(reason, LONGEST_REASON) for reason in written]
    genres = [" ".join(np.array(catalogue.genre_names)[has]) if has.any() else "" for has in catalogue.genres]
    contents = [" ".join(parts) for parts in zip(catalogue.titles, genres, strict=True)]
    pairs, pair = np.unique(
        [f"{item} {reason}" for item, reason in zip(train.items, reasons, strict=True)], False, True
    )
    texts = [f"{contents[int(item)]} {reason}" for item, _, reason in (text.partition(" ") for text in pairs)]
    embedded = _embedded([*contents, *texts], encoder)
    lines = [
        f" recalls {one_field(catalogue.titles[item])} {rating:g}, {reason};"
        for item, rating, reason in zip(train.items, train.ratings, reasons, strict=True)
    ]
    words, code = np.unique(lines, return_inverse=True)
    return ReasonMemory(
        train=train,
        count=count,
        words=[NOTHING, *map(str, words)],
        code=(1 + code).astype(np.int32),
        rows=embedded[len(contents) :][pair],
        items=embedded[: len(contents)],
        encoder=encoder,
    )
