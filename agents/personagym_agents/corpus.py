"""The texts of a data set as token pieces: item lines, answers and headers, tokenised once."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from transformers import PreTrainedTokenizerBase

from personagym_agents.document import answer_words, count_words, one_header, write_line
from personagym_agents.tokenizer import Answers, answer_tokens, encode_texts
from personagym_env.data.tables import Catalogue, Dataset, IntArray, Interactions
from personagym_env.data.traits import Crowd, crowd_statistics

Index = npt.NDArray[np.int64]


class LineTexts:
    """Distinct item lines: the same item reads differently as the crowd that it is shown with does."""

    def __init__(self, catalogue: Catalogue, crowd: Crowd, train: Interactions) -> None:
        self.texts: list[str] = []
        self._known: dict[tuple[int, str, str, bool], int] = {}
        self._catalogue = catalogue
        own_count, own_mean = crowd.without_own(train)
        self.of_item = self._add(np.arange(len(catalogue)), crowd.counts, crowd.means)
        """(m,) line of each item with the whole crowd, as inference shows it."""
        self.of_row = self._add(train.items, own_count, own_mean)
        """(n,) line of each training row with the crowd of the other rows, so that no line holds its own answer."""
        self.of_row_untitled = self._add(train.items, own_count, own_mean, titled=False)
        """(n,) the same with the title hidden."""

    def _add(self, items: IntArray, counts: IntArray, means: npt.NDArray[np.floating], *, titled: bool = True) -> Index:
        columns = (items.tolist(), counts.tolist(), means.tolist())
        return np.array([self._line(*row, titled) for row in zip(*columns, strict=True)])

    def _line(self, item: int, count: int, mean: float, titled: bool) -> int:
        key = (item, count_words(count), f"{mean:.1f}", titled)
        if key not in self._known:
            self._known[key] = len(self.texts)
            text = write_line(self._catalogue, item, count, mean)
            self.texts.append("\n" + (text if titled else "something;" + text.partition(";")[2]))
        return self._known[key]


@dataclass(frozen=True, eq=False)
class Corpus:
    """Token pieces of one data set under one tokenizer."""

    dataset: Dataset
    train: Interactions
    crowd: Crowd
    tokenizer: PreTrainedTokenizerBase
    answers: Answers
    encoded: list[list[int]]
    """Token lists of all lines, then of the answers; headers are appended behind them."""
    of_item: Index
    """(m,) piece of each item's line."""
    of_row: Index
    """(n,) piece of each training row's line."""
    of_row_untitled: Index
    """(n,) piece of each training row's line with the title hidden."""
    of_answer: Index
    """(1 + r,) piece of each answer."""

    @classmethod
    def build(cls, dataset: Dataset, train: Interactions, tokenizer: PreTrainedTokenizerBase) -> "Corpus":
        """Write and tokenise every line that training or inference can show."""
        crowd = crowd_statistics(train)
        lines = LineTexts(dataset.catalogue, crowd, train)
        answers = answer_tokens(tokenizer, answer_words(train.scale))
        encoded = encode_texts(tokenizer, [text + answers.lead for text in lines.texts])
        return cls(
            dataset=dataset,
            train=train,
            crowd=crowd,
            tokenizer=tokenizer,
            answers=answers,
            encoded=encoded + [[token] for token in answers.ids],
            of_item=lines.of_item,
            of_row=lines.of_row,
            of_row_untitled=lines.of_row_untitled,
            of_answer=len(encoded) + np.arange(len(answers.ids)),
        )

    def line_text(self, item: int) -> str:
        """What a document says about an item."""
        return write_line(self.dataset.catalogue, item, int(self.crowd.counts[item]), float(self.crowd.means[item]))

    def encode_headers(self, profiles: list[str]) -> list[list[int]]:
        """Token lists of profiles, each opened by the tokenizer's begin token if it has one."""
        begin = [] if self.tokenizer.bos_token_id is None else [int(self.tokenizer.bos_token_id)]
        return [begin + ids for ids in encode_texts(self.tokenizer, [one_header(text) for text in profiles])]


def tokenizer_texts(
    dataset: Dataset, train: Interactions, profiles: list[str], rng: np.random.Generator
) -> Iterator[str]:
    """Lines and profiles about as often as training shows them: what the bundled tokenizer is trained on."""
    lines = LineTexts(dataset.catalogue, crowd_statistics(train), train)
    skip, *ratings = answer_words(train.scale)
    for line, rating in zip(lines.of_row, train.rating_index, strict=True):
        yield f"{lines.texts[line]} {ratings[rating]}"
    for item in rng.integers(0, len(dataset.catalogue), len(train) // 4):
        yield f"{lines.texts[lines.of_item[item]]} {skip}"
    for _ in range(max(1, len(train) // (4 * max(1, len(profiles))))):
        yield from profiles
