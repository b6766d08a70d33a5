"""Reasons written by a frozen chat model: one short text per training interaction, checked against the ratings.

    ratings -> batches of at most 10 -> a reason for each rating -> claims checked -> a line of JSON each

They are what the *long-term memory* `M_l` of *Personas within Parameters* (arXiv 2509.09689) keeps. A reason knows the
ratings of its own batch, those after its own row included, and which reasons stay depends on the user's ratings up to
the end of the batch. So at a training row only reasons of *earlier batches* (`batches.batch_numbers`) may be recalled.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np

from personagym_agents.llm.answer_cache import AnswerCache, CachedChat
from personagym_agents.llm.answers import read_reasons
from personagym_agents.llm.asking import Asker
from personagym_agents.llm.batches import Batch, chronological_batches
from personagym_agents.llm.chat import ChatModel, Prices
from personagym_agents.llm.claims import ClaimReader
from personagym_agents.llm.evaluator import Evaluator
from personagym_agents.llm.evidence import Evidence, decades_of
from personagym_agents.llm.forms import form_of_reasons
from personagym_agents.llm.prompts import ask_for_reasons
from personagym_agents.llm.safety import plain
from personagym_env.data.tables import BoolArray, Catalogue, Dataset, Interactions
from personagym_env.data.traits import Crowd, crowd_statistics
from personagym_env.files import write_atomically
from personagym_env.run_context import RunContext

FORMAT = 1
_BLOCK_ROWS = 500_000
"""Rows, counted once for each batch that they stand before, whose evidence is worked out at once."""


@dataclass(frozen=True)
class ReasonSettings:
    """How reasons are written."""

    longest: int = 120
    """Characters of a reason at most."""
    tokens: int = 800
    """Tokens of the whole answer, which has one reason per rating of a batch."""
    tries: int = 3
    """Answers asked for at most, the first included, until one is accepted."""
    free_text: bool = True
    """Whether sentences stay that make no claim which ratings could bear out."""

    def __post_init__(self) -> None:
        for name in ("longest", "tokens", "tries"):
            if getattr(self, name) < 1:
                raise ValueError(f"ReasonSettings.{name} must be at least 1, got {getattr(self, name)}")


@dataclass(frozen=True, eq=False)
class ReasonStore:
    """The reasons of a log."""

    train_fingerprint: str
    """Of the rows that the reasons know."""
    reasons: Mapping[tuple[int, int], str]
    """Internal user and item to the reason; rows of which none could be written are missing."""
    counts: Mapping[str, int]
    """Answers rejected, reasons left out and the like, by name."""
    made: Mapping[str, object] = field(default_factory=dict)
    """With which model and settings, JSON-able."""

    def __repr__(self) -> str:
        return f"ReasonBook({len(self.reasons)} reasons)"

    def texts(self, train: Interactions) -> list[str | None]:
        """(n,) the reason of each training row; None where there is none.

        Raises:
            ValueError: the book is about other rows.
        """
        if train.fingerprint() != self.train_fingerprint:
            raise ValueError(
                f"the reasons were written from rows with fingerprint {self.train_fingerprint[:12]}, and the given "
                f"training rows have {train.fingerprint()[:12]}: write reasons from them with `personagym reasons`"
            )
        return [self.reasons.get(pair) for pair in zip(train.users.tolist(), train.items.tolist(), strict=True)]

    def save(self, place: Path, dataset: Dataset) -> None:
        """Write the book: a line that says what it is about, then one per reason, under the data set's own ids."""
        head = {name: value for name, value in vars(self).items() if name != "reasons"}
        lines: list[Mapping[str, object]] = [{"format": FORMAT, **head}]
        lines += [
            {"user": dataset.users.ids[user], "item": dataset.catalogue.ids[item], "reason": reason}
            for (user, item), reason in self.reasons.items()
        ]
        place.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(place, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode())

    @classmethod
    def load(cls, place: Path, dataset: Dataset) -> "ReasonStore":
        """Read a book; its texts are made safe again, since a file can be edited.

        Raises:
            ValueError: the file is no book of this format, or speaks of users or items that the data set lacks.
        """
        users, items = (
            {name: index for index, name in enumerate(ids)} for ids in (dataset.users.ids, dataset.catalogue.ids)
        )
        number = 1
        try:
            first, *others = place.read_text(encoding="utf-8").rstrip("\n").split("\n")
            head = json.loads(first)
            if head["format"] != FORMAT:
                raise ValueError(f"format {head['format']}")
            reasons = {}
            for line in others:
                number += 1
                row = json.loads(line)
                reasons[users[row["user"]], items[row["item"]]] = plain(row["reason"])
            counts = {str(name): int(count) for name, count in head["counts"].items()}
            return cls(str(head["train_fingerprint"]), reasons, counts, dict(head["made"]))
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise ValueError(
                f"{place}, line {number}: expected reasons of format {FORMAT} about {dataset.name!r}, "
                f"got {type(error).__name__} {error}"
            ) from error


def write_reasons(
    dataset: Dataset,
    train: Interactions,
    chat: ChatModel,
    settings: ReasonSettings,
    *,
    place: Path,
    prices: Prices | None,
    context: RunContext,
    users: BoolArray | None = None,
) -> ReasonStore:
    """Let a chat model say why users took what they took, check it and write it to disk.

    Args:
        dataset: texts of items, ids of users and items.
        train: rows that are explained, and all that may be known.
        chat: writes.
        settings: how.
        place: file of the reasons.
        prices: of the chat model, for the report; None if it costs nothing.
        context: keeps the answers, from which a run that was cut off goes on; is told what was asked, what it cost
            and what was left out.
        users: (u,) whose ratings are explained; None for those of all.

    Raises:
        ChatError: the chat model cannot be asked; what it answered is in the cache.
    """
    counts: Counter[str] = Counter()
    cached = CachedChat(chat, AnswerCache(context.folder))
    batches, crowd = chronological_batches(train, 0, users), crowd_statistics(train)
    others = crowd.without_own(train)[1]
    asked = [ask_for_reasons(batch, train, dataset.catalogue, others, settings.longest) for batch in batches]
    asker = Asker(cached, tries=settings.tries, tokens=settings.tokens, counts=counts, context=context)
    try:
        forms = [form_of_reasons(_size(batch), settings.longest) for batch in batches]
        answers = asker.ask("reasons", asked, lambda answer, place: read_reasons(answer, _size(batches[place])), forms)
    finally:
        context.tell(f"asked: {cached.asked.report(prices)}")
        context.tell(f"known from earlier runs: {cached.known.report(prices)}")
    reader = ClaimReader(dataset.catalogue.genre_names, decades_of(dataset.catalogue))
    evaluator = Evaluator(reader, counts, free_text=settings.free_text)
    counts.update(dict.fromkeys(("reasons written", "reasons missing", "reasons too long", "reasons ungrounded"), 0))
    reasons = {}
    for block in _blocks(batches, train):
        evidence = _evidence([batches[number] for number in block], train, dataset.catalogue, crowd)
        for place_in_block, number in enumerate(block):
            rows = range(batches[number].rows.start, batches[number].rows.stop)
            for row, text in zip(rows, answers[number] or [""] * len(rows), strict=True):
                kept, verdict = _checked(text, settings.longest, evaluator, evidence, place_in_block)
                counts[f"reasons {verdict}"] += 1
                if kept:
                    reasons[int(train.users[row]), int(train.items[row])] = kept
    made = {"chat": dict(chat.identity), "settings": asdict(settings)}
    book = ReasonStore(train.fingerprint(), reasons, dict(sorted(counts.items())), made)
    book.save(place, dataset)
    context.tell(f"{book!r}: {', '.join(f'{name} {count}' for name, count in book.counts.items())}")
    return book


def _checked(text: str, longest: int, evaluator: Evaluator, evidence: Evidence, user: int) -> tuple[str, str]:
    """What stays of a reason, and what became of it."""
    if not text:
        return "", "missing"
    if len(text) > longest:
        return "", "too long"
    kept = evaluator.grounded(text, evidence, user)
    return kept, "written" if kept else "ungrounded"


def _size(batch: Batch) -> int:
    return int(batch.rows.stop - batch.rows.start)


def _blocks(batches: Sequence[Batch], train: Interactions) -> Iterator[range]:
    """Numbers of neighbouring batches before whose ends stand about `_BLOCK_ROWS` rows."""
    known = np.cumsum([batch.rows.stop - train.indptr[batch.user] for batch in batches])
    begins = np.flatnonzero(np.diff(known // _BLOCK_ROWS, prepend=-1)).tolist()
    return (range(begin, end) for begin, end in pairwise([*begins, len(batches)]))


def _evidence(batches: Sequence[Batch], train: Interactions, catalogue: Catalogue, crowd: Crowd) -> Evidence:
    """What the ratings say at the end of each batch: as if each were a user of its own, who knows no later row."""
    known = [np.arange(train.indptr[batch.user], batch.rows.stop) for batch in batches]
    rows = np.concatenate(known)
    log = Interactions.from_columns(
        np.repeat(np.arange(len(batches)), [len(part) for part in known]),
        train.items[rows],
        train.ratings[rows],
        None,
        n_users=len(batches),
        n_items=train.n_items,
        scale=train.scale,
    )
    return Evidence.of(log, catalogue, crowd)
