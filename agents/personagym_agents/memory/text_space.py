"""Texts as points: TF-IDF of their words and word pairs, then the strongest directions of those.

That is latent semantic analysis (Deerwester et al. 1990): texts that say alike things in words that go together come
to lie side by side. Shapes: n texts, w words and word pairs, d directions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from personagym_env.data.tables import FloatArray

DIRECTIONS = 16
"""Directions that are kept at most, unless told otherwise."""
_MOST_WORDS = 1_000
"""Words and word pairs that count at most, the most frequent ones."""
_LEAST_TEXTS = 2
"""Texts that a word must stand in: one that a single text has makes nothing alike."""


def _reader(**options: Any) -> Any:
    """Weighs words and pairs; a pair tells `likes drama` from `dislikes drama`."""
    from sklearn.feature_extraction.text import TfidfVectorizer  # here, because few need a space of texts

    return TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, **options)  # type: ignore[no-untyped-call]


@dataclass(frozen=True, eq=False, repr=False)
class TextSpace:
    """Fitted on some texts, places any."""

    words: tuple[str, ...]
    """(w,) in the order of the columns."""
    idf: FloatArray
    """(w,) weight of each: the fewer texts have it, the more."""
    directions: FloatArray
    """(d, w) orthonormal, the strongest first."""

    def __repr__(self) -> str:
        return f"TextSpace({len(self.words)} words, {len(self.directions)} directions)"

    @classmethod
    def fit(cls, texts: Sequence[str], directions: int = DIRECTIONS) -> "TextSpace":
        """The space of some texts; the same texts always give the same.

        Args:
            texts: to learn words from.
            directions: d at most.

        Raises:
            ValueError: no word stands in two of them.
        """
        from sklearn.decomposition import TruncatedSVD

        reader = _reader(min_df=_LEAST_TEXTS, max_features=_MOST_WORDS)
        try:
            weights = reader.fit_transform(texts)
        except ValueError as error:
            raise ValueError(
                f"{len(texts)} texts span no space: expected some words that stand in at least {_LEAST_TEXTS} of them"
            ) from error
        found: Any = TruncatedSVD(min(directions, *weights.shape), random_state=0)  # type: ignore[no-untyped-call]
        found.fit(weights)
        # Directions without any strength, which alike texts leave, are rounding errors.
        strong = np.asarray(found.components_[found.singular_values_ > 1e-9])
        return cls(tuple(reader.get_feature_names_out().tolist()), np.asarray(reader.idf_), strong)

    def place(self, texts: Sequence[str]) -> FloatArray:
        """(n, d) where texts lie; one without any known word lies at the origin."""
        reader = _reader(vocabulary=self.words)
        reader.idf_ = self.idf
        return np.asarray(reader.transform(texts) @ self.directions.T)

    def to_lists(self) -> dict[str, list[Any]]:
        """Everything as lists, for JSON."""
        return {"words": list(self.words), "idf": self.idf.tolist(), "directions": self.directions.tolist()}

    @classmethod
    def from_lists(cls, content: Mapping[str, list[Any]]) -> "TextSpace":
        """Inverse of `to_lists`.

        Raises:
            ValueError: a field is missing, or they do not belong together.
        """
        missing = sorted(set(cls.__dataclass_fields__) - set(content))
        if missing:
            raise ValueError(f"a space of texts needs {', '.join(missing)}, which the JSON lacks")
        idf, directions = (np.asarray(content[name], np.float64) for name in ("idf", "directions"))
        words = tuple(content["words"])
        if idf.shape != (len(words),) or directions.ndim != 2 or directions.shape[1] != len(words):
            raise ValueError(
                f"a space of {len(words)} words needs as many weights and directions over them, "
                f"got shapes {idf.shape} and {directions.shape}"
            )
        return cls(words, idf, directions)
