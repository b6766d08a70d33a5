"""The texts of a data set as token pieces: item lines, answers and headers, tokenised once."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from transformers import PreTrainedTokenizerBase

from personagym_agents.classical.blend import Blend
from personagym_agents.documents.document import (
    UNTITLED,
    LineFields,
    answer_words,
    count_words,
    line_fields,
    one_header,
    write_line,
)
from personagym_agents.documents.tokenizer import Answers, answer_tokens, encode_texts, fit_titles
from personagym_agents.documents.told import Told
from personagym_agents.memory.cross_fitted import CrossFittedExamples
from personagym_agents.memory.evidence import Codes, Memory
from personagym_env.data.tables import Catalogue, Dataset, FloatArray, IntArray, Interactions
from personagym_env.data.traits import Crowd, crowd_statistics

Index = npt.NDArray[np.int64]
TITLE_TOKENS = 24
"""Tokens that a title may have; longer ones end in an ellipsis."""


class LineTexts:
    """Distinct item lines: the same item reads differently as the crowd that it is shown with does."""

    def __init__(self, catalogue: Catalogue, *, titles: bool = True) -> None:
        self.texts: list[str] = []
        self._known: dict[tuple[int, str, str, bool], int] = {}
        self._catalogue = catalogue
        self._titles = titles

    def of_items(self, crowd: Crowd) -> Index:
        """(m,) line of each item with the whole crowd, as inference shows it."""
        return self._add(np.arange(len(self._catalogue)), crowd.counts, crowd.means)

    def of_rows(self, crowd: Crowd, train: Interactions, *, titled: bool = True) -> Index:
        """(n,) line of each training row with the crowd of the other rows, so that no line holds its own answer."""
        return self._add(train.items, *crowd.without_own(train), titled=titled)

    def _add(self, items: IntArray, counts: IntArray, means: npt.NDArray[np.floating], *, titled: bool = True) -> Index:
        columns = (items.tolist(), counts.tolist(), means.tolist())
        return np.array([self._line(*row, titled) for row in zip(*columns, strict=True)], np.int64)

    def _line(self, item: int, count: int, mean: float, titled: bool) -> int:
        key = (item, count_words(count), f"{mean:.1f}", titled)
        if key not in self._known:
            self._known[key] = len(self.texts)
            text = write_line(self._catalogue, item, count, mean, titled=self._titles)
            hidden = self._titles and not titled
            self.texts.append("\n" + (f"{UNTITLED};" + text.partition(";")[2] if hidden else text))
        return self._known[key]


@dataclass(frozen=True, eq=False)
class Corpus:
    """Token pieces of one data set under one tokenizer. f is the number of the memory's fields, 0 without one."""

    dataset: Dataset
    train: Interactions
    crowd: Crowd
    tokenizer: PreTrainedTokenizerBase
    answers: Answers
    levels: tuple[float, ...]
    """Ratings that answers can be, `skip` left out."""
    answer_words: tuple[str, ...]
    """(r,) word of the answer that each rating of the log is told as."""
    told: Told | None
    """How ratings are told; None as they are."""
    titles: bool
    """Whether lines name their items."""
    memory: Memory | None
    examples: CrossFittedExamples | None
    """Of the training rows, where the corpus was built for training."""
    encoded: list[list[int]]
    """Token lists of all lines, of the answers, of the memory's words; headers are appended behind them."""
    of_item: Index
    """(m,) piece of each item's line."""
    of_answer: Index
    """(1 + r,) piece of `skip` and of the answer that each rating of the log is told as."""
    of_memory: Index
    """(f,) piece of each memory field's first level; those of the other levels follow it."""
    of_blank: Index
    """(f,) pieces in the place of recollections where nothing is recalled: empty ones, the last the answer's lead."""
    of_row: Index
    """(n,) piece of each training row's line; empty unless the corpus was built for training."""
    of_row_untitled: Index
    """(n,) the same with the title hidden."""

    @classmethod
    def build(
        cls,
        dataset: Dataset,
        train: Interactions,
        tokenizer: PreTrainedTokenizerBase,
        *,
        memory: Memory | None = None,
        examples: CrossFittedExamples | None = None,
        title_tokens: int = TITLE_TOKENS,
        told: Told | None = None,
        titles: bool = True,
    ) -> "Corpus":
        """Write and tokenise every line that inference can show, and those that only training shows if asked.

        Args:
            dataset: texts of items and users.
            train: rows that texts and histories are made from.
            tokenizer: of the language model.
            memory: what users recall about items; None for lines without recollections.
            examples: of the training rows, for training; lines that only training shows are written too.
            title_tokens: that a title may have; longer ones are cut, since a line has to fit into the model's window.
            told: how ratings are told, where the log's scale is not that of the answers.
            titles: whether lines name their items.
        """
        dataset = replace(dataset, catalogue=fit_titles(dataset.catalogue, tokenizer, title_tokens))
        crowd = crowd_statistics(train)
        lines = LineTexts(dataset.catalogue, titles=titles)
        of_item = lines.of_items(crowd)
        rows = train if examples is not None else train.take(np.zeros(len(train), np.bool_))
        of_row, untitled = (lines.of_rows(crowd, rows, titled=titled) for titled in (True, False))
        levels = train.scale if told is None else told.levels
        words = answer_words(levels)
        level = np.arange(len(train.scale)) if told is None else told.level
        answers = answer_tokens(tokenizer, words)
        fields = [] if memory is None else memory.words
        encoded = encode_texts(tokenizer, [text + ("" if fields else answers.lead) for text in lines.texts])
        blank = encode_texts(tokenizer, ["", answers.lead])
        recalled, of_memory = _encode_fields(tokenizer, fields, answers.lead)
        return cls(
            dataset=dataset,
            train=train,
            crowd=crowd,
            tokenizer=tokenizer,
            answers=answers,
            levels=levels,
            answer_words=tuple(words[1 + place] for place in level),
            told=told,
            titles=titles,
            memory=memory,
            examples=examples,
            encoded=encoded + [[token] for token in answers.ids] + blank + recalled,
            of_item=of_item,
            of_answer=len(encoded) + np.concatenate([[0], 1 + level]),
            of_memory=len(encoded) + len(answers.ids) + len(blank) + of_memory,
            of_blank=len(encoded) + len(answers.ids) + (np.arange(len(fields)) == len(fields) - 1),
            of_row=of_row,
            of_row_untitled=untitled,
        )

    @property
    def scale(self) -> tuple[float, ...]:
        """Ratings that answers are: those of the log where each is a level of its own, else the levels."""
        return self.told.ratings if self.told is not None and self.told.exact else self.levels

    @property
    def target(self) -> FloatArray:
        """(r, l) what each rating of the log is as an answer."""
        return np.eye(len(self.train.scale)) if self.told is None else self.told.target

    @property
    def code_type(self) -> np.dtype[np.integer]:
        """Of the levels that are recalled."""
        return np.dtype(np.uint8) if self.memory is None else self.memory.code_type

    @property
    def levels_of_fields(self) -> list[list[list[int]]]:
        """Token lists of each level of each field of the memory."""
        words = [] if self.memory is None else self.memory.words
        return [self.encoded[first : first + len(field)] for first, field in zip(self.of_memory, words, strict=True)]

    @property
    def recalls_evidence(self) -> bool:
        """Whether numbers are among what users recall."""
        return self.memory is not None and self.memory.evidence is not None

    @property
    def blend(self) -> Blend | None:
        """Weights of the evidence that users recall; None where they recall none."""
        if self.memory is None or self.memory.evidence is None:
            return None
        return self.memory.evidence.blend

    def recall(self, users: IntArray) -> Codes:
        """(b, m, f) what (b,) users recall about every item."""
        if self.memory is None:
            return np.zeros((len(users), len(self.of_item), 0), np.uint8)
        return self.memory.recall(users)

    def with_memory(self, lines: Index, codes: Codes) -> Index:
        """(..., 1 + f) pieces of whole lines: (...) the item's piece, then what (..., f) is recalled about it."""
        return np.concatenate([lines[..., None], self.of_memory + codes], axis=-1)

    def without_memory(self, lines: Index) -> Index:
        """(..., 1 + f) pieces of whole lines about which nothing is recalled, as many as with a memory."""
        blank = np.broadcast_to(self.of_blank, (*lines.shape, len(self.of_blank)))
        return np.concatenate([lines[..., None], blank], axis=-1)

    def line_fields(self, item: int) -> LineFields:
        """What a document says about an item, field by field."""
        count, mean = int(self.crowd.counts[item]), float(self.crowd.means[item])
        return line_fields(self.dataset.catalogue, item, count, mean, titled=self.titles)

    def name_of(self, item: int) -> str:
        """What a document calls an item: by its whole line where lines have no titles."""
        fields = self.line_fields(item)
        return fields.title or fields.text()

    def recollections(self, codes: Codes) -> list[str]:
        """What (f,) levels of the memory's fields read like."""
        fields = [] if self.memory is None else self.memory.words
        return [words[code] for words, code in zip(fields, codes.tolist(), strict=True)]

    def line_text(self, item: int, codes: Codes | None = None) -> str:
        """What a document says about an item, with what (f,) is recalled about it if that is given."""
        return self.line_fields(item).text() + "".join([] if codes is None else self.recollections(codes))

    def encode_headers(self, profiles: list[str]) -> list[list[int]]:
        """Token lists of profiles, each opened by the tokenizer's begin token if it has one."""
        begin = [] if self.tokenizer.bos_token_id is None else [int(self.tokenizer.bos_token_id)]
        return [begin + ids for ids in encode_texts(self.tokenizer, [one_header(text) for text in profiles])]


def _encode_fields(
    tokenizer: PreTrainedTokenizerBase, fields: list[list[str]], lead: str
) -> tuple[list[list[int]], Index]:
    """Token lists of the words of (f,) fields, and where those of each begin; the answer's lead ends the last field.

    Fields that share their words share their pieces.
    """
    encoded: list[list[int]] = []
    begins: dict[tuple[int, str], int] = {}
    places = []
    for number, words in enumerate(fields):
        ending = lead if number == len(fields) - 1 else ""
        if (id(words), ending) not in begins:
            begins[id(words), ending] = len(encoded)
            encoded += encode_texts(tokenizer, [word + ending for word in words])
        places.append(begins[id(words), ending])
    return encoded, np.array(places, np.int64)


def tokenizer_texts(
    dataset: Dataset,
    train: Interactions,
    profiles: list[str],
    rng: np.random.Generator,
    memory: Memory | None = None,
    told: Told | None = None,
    *,
    titles: bool = True,
) -> Iterator[str]:
    """Lines and profiles about as often as training shows them: what the bundled tokenizer is trained on."""
    crowd, lines = crowd_statistics(train), LineTexts(dataset.catalogue, titles=titles)
    of_row, of_item = lines.of_rows(crowd, train), lines.of_items(crowd)
    skip, *ratings = answer_words(train.scale if told is None else told.levels)
    answers = train.rating_index if told is None else told.level[train.rating_index]
    yield from [] if memory is None else memory.spoken()
    for line, rating in zip(of_row, answers, strict=True):
        yield f"{lines.texts[line]} {ratings[rating]}"
    for item in rng.integers(0, len(dataset.catalogue), len(train) // 4):
        yield f"{lines.texts[of_item[item]]} {skip}"
    for _ in range(max(1, len(train) // (4 * max(1, len(profiles))))):
        yield from profiles
