"""What all bundles of one base share: the base trained on the log, and everything that it was trained with."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from personagym_agents.bundle.manifest import ReadLog, base_for, may_have_read, read_manifest
from personagym_agents.bundle.settings import SHIPPED, SMALL, BundleSettings
from personagym_agents.bundle.storage import profile_texts, profile_writer
from personagym_agents.documents.corpus import Corpus
from personagym_agents.documents.field_tokens import FieldTokens, add_field_tokens, field_ids
from personagym_agents.documents.profile import ProfileWriter, StatisticalProfileWriter
from personagym_agents.documents.tokenizer import train_tokenizer
from personagym_agents.documents.window import check_window, fitting, window_of
from personagym_agents.inference.language_users import recent_rows
from personagym_agents.llm.profile_store import ProfileStore
from personagym_agents.llm.reasons import ReasonStore
from personagym_agents.model.added_rows import MOST_FIELDS, resize, spell_tokens
from personagym_agents.model.causal_lm import LARGE, load_base, place_on, small_model, spell_answers
from personagym_agents.model.named_bases import BaseSource, is_named, source_of
from personagym_agents.model.ordered_levels import order_levels
from personagym_agents.personas.clustering import Personas, fit_learned_personas, fit_personas
from personagym_agents.training.logs import TrainingLog, other_logs, ready_log
from personagym_agents.training.loop import train
from personagym_agents.training.sampling import Epochs
from personagym_agents.training.settings import TrainingSettings
from personagym_agents.training.tail import tail_rows
from personagym_agents.training.world import Teacher, World
from personagym_env.data.sources import load_dataset
from personagym_env.data.splits import Split
from personagym_env.data.tables import Dataset, FloatArray, Interactions
from personagym_env.data.traits import user_traits
from personagym_env.run_context import RunContext

_ORDERED = 0.5
"""Share of a smooth curve in the embeddings of added tokens that tell a number."""
_AFTER_BASE = ("adapters", "personas", "history_lines")
"""Settings that the base owes nothing to, so that ablations of them share it."""


@dataclass(frozen=True, eq=False)
class TrainedBase:
    """A trained base, ready for adapters."""

    dataset: Dataset
    split: Split
    settings: BundleSettings
    model: PreTrainedModel
    corpus: Corpus
    """Of the training rows, with their occasions."""
    book: ProfileStore | None
    reason_book: ReasonStore | None
    writer: ProfileWriter
    personas: Personas
    teacher: Teacher
    read: tuple[ReadLog, ...]
    """What the base has read."""
    weights: FloatArray | None = None
    """(n,) how much the rating of each training row counts in the loss; None for all alike."""
    source: BaseSource | None = None
    """What the base was read from, where a bundle names it instead of holding it."""

    @property
    def field_ids(self) -> tuple[int, ...]:
        """Tokens that were added for fields, whose embeddings are trained with the adapters."""
        return field_ids(self.corpus.tokenizer)

    def epochs(self, training: TrainingSettings, seed: int, *, kept: int = 1) -> Epochs:
        """What a training is shown."""
        options = fitting(training.sampling, self.corpus, window_of(self.model))
        return Epochs(self.corpus, self.writer, options, seed=seed, kept=kept)

    def identity(self, settings: BundleSettings, without: Collection[str] = ()) -> str:
        """Of the training rows, of how documents are worded and of the settings: by it a checkpoint is known.

        What the rows recall is left out: it comes from products of matrices, whose last digits vary with the threads.
        """
        kept = {name: value for name, value in vars(settings).items() if name not in without}
        return sha256(f"{self.corpus.train.fingerprint()} {self.corpus.encoded!r} {kept!r}".encode()).hexdigest()


def train_base(dataset: Dataset, split: Split, settings: BundleSettings, context: RunContext) -> TrainedBase:
    """Find personas, recall what training rows recall, and train or load the base, from the training rows alone.

    Args:
        dataset: texts of items and users.
        split: rows to learn from, and rows to measure on, which are not looked at here.
        settings: how.
        context: keeps the checkpoints, from which a training that was cut off goes on, and the losses.

    Raises:
        ValueError: the rows teach nothing, the base may have read rows that are held out, it is no causal language
            model with a tokenizer, or its window holds no profile and line.
    """
    _check_rows(split, context)
    torch.manual_seed(settings.seed)
    ready = _ready_base(split.train, settings)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    book = None if settings.profiles is None else ProfileStore.load(Path(settings.profiles))
    writer = profile_writer(book, split.train, taste=settings.taste)
    personas = find_personas(dataset, split.train, settings, context, book=book)
    recall = settings.recall
    reason_book = None if recall.reason_book is None else ReasonStore.load(Path(recall.reason_book), dataset)
    own = ready_log(dataset, split.train, settings, None if reason_book is None else reason_book.texts(split.train))
    others = other_logs(dataset, split.train, settings, context)
    model, tokenizer = ready or _small_base([own, *others], writer, settings)
    source = None if ready is None else source_of(settings.base)
    fields = _own_fields(own, writer, tokenizer, settings)
    corpus = own.corpus(tokenizer)
    recent = recent_rows(own.train, settings.history_lines)
    check_window(corpus, own.profiles(own.train.take(~recent), writer), window_of(model))
    if len(tokenizer) > model.config.vocab_size:
        resize(model, len(tokenizer))
    spell_answers(model, corpus.answers)
    if fields is not None:
        spell_tokens(model, fields.ids, fields.spelled)
        families = [[[token] for token in family] for family in fields.families]
        order_levels(model, families, share=_ORDERED, kept=1.0)
    if settings.base == SMALL:
        order_levels(model, corpus.levels_of_fields)
    if settings.base != SMALL and model.num_parameters() >= LARGE:
        place_on(model, device)  # it stays as it is
    else:
        model.to(device)  # type: ignore[arg-type]
    context.tell(
        f"base {settings.base!r}: {sum(p.numel() for p in model.parameters()) / 1e6:.2f} M parameters on {device.type}"
    )
    read = _read(dataset, split, settings)
    base = TrainedBase(
        dataset,
        split,
        settings,
        model,
        corpus,
        book,
        reason_book,
        writer,
        personas,
        own.teacher,
        read,
        own.weights,
        source,
    )
    if settings.base == SMALL:
        worlds = [World(base.epochs(settings.training, settings.seed), own.teacher, weights=own.weights)]
        statistical = StatisticalProfileWriter(taste=settings.taste)
        for number, log in enumerate(others):
            told = log.corpus(tokenizer)
            options = fitting(settings.training.sampling, told, window_of(model))
            epochs = Epochs(told, statistical, options, seed=settings.seed + 1 + number)
            worlds.append(World(epochs, log.teacher, rows=settings.log_rows, weights=log.weights))
        identity = base.identity(settings, without=_AFTER_BASE)
        train(model, worlds, settings.training, name="base", identity=identity, context=context)
    return base


def _ready_base(
    train: Interactions, settings: BundleSettings
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase] | None:
    """A base that is there already; None for one that is trained here."""
    if settings.base == SMALL:
        return None
    if settings.base != SHIPPED:
        return load_base(settings.base)
    place = base_for(train)
    if may_have_read(train, place):
        raise ValueError(
            f"the shipped base {place.name!r} may have read rows that are held out here: train one on these rows with "
            f"--base {SMALL}"
        )
    return load_base(place / "base")


def _own_fields(
    log: TrainingLog, writer: ProfileWriter, tokenizer: PreTrainedTokenizerBase, settings: BundleSettings
) -> FieldTokens | None:
    """Tokens for the fields of the log, added to the tokenizer of a base that is named; None where it has its own."""
    if not is_named(settings.base):
        return None
    return add_field_tokens(tokenizer, log.texts(writer, np.random.default_rng(settings.seed)), MOST_FIELDS)


def _read(dataset: Dataset, split: Split, settings: BundleSettings) -> tuple[ReadLog, ...]:
    """What a base has read once it is trained."""
    if settings.base == SHIPPED:
        return read_manifest(base_for(split.train)).logs
    if settings.base != SMALL:
        return ()
    whole = [load_dataset(name) for name in settings.logs]
    logs = [(dataset.name, split.train), *((other.name, other.interactions) for other in whole)]
    return tuple(ReadLog(name, int(log.n_users), int(log.n_items), len(log), log.fingerprint()) for name, log in logs)


def find_personas(
    dataset: Dataset,
    train: Interactions,
    settings: BundleSettings,
    context: RunContext,
    *,
    book: ProfileStore | None = None,
) -> Personas:
    """Who is like whom, by the rows that adapters learn from: the inner tail would flatter groups that know it.

    Args:
        dataset: texts of items and users.
        train: training rows, the inner tail among them.
        settings: what users are grouped by, and the share of the tail.
        context: is told the criterion and the names.
        book: profiles by a chat model, of users who are grouped by their texts.

    Raises:
        ValueError: there are fewer users than personas.
    """
    rows = train.take(~tail_rows(train, settings.adapters.tail))
    rng = np.random.default_rng(settings.seed)
    if settings.personas.features == "prediction":
        personas = fit_learned_personas(rows, dataset.catalogue, settings.personas, rng=rng)
    else:
        traits, names = user_traits(rows, dataset.catalogue), dataset.catalogue.genre_names
        texts = None if settings.personas.features == "behaviour" else profile_texts(book, train, dataset)
        personas = fit_personas(traits, names, settings.personas, rng=rng, texts=texts)
    context.tell(personas.table())
    return personas


def _small_base(
    logs: Sequence[TrainingLog], writer: ProfileWriter, settings: BundleSettings
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A base of random weights, whose tokenizer knows the logs; the first one's profiles are by the writer."""
    rng = np.random.default_rng(settings.seed)
    writers = [writer, *(StatisticalProfileWriter(taste=settings.taste) for _ in logs[1:])]
    texts = chain.from_iterable(log.texts(writes, rng) for log, writes in zip(logs, writers, strict=True))
    tokenizer = train_tokenizer(texts, settings.vocabulary)
    return small_model(len(tokenizer), width=settings.width, layers=settings.layers), tokenizer


def _check_rows(split: Split, context: RunContext) -> None:
    """Make sure that choices can be learned, and tell where nothing will be measured.

    Raises:
        ValueError: there are no training rows, or their users have rated all items.
    """
    train = split.train
    if not len(train):
        raise ValueError("expected training rows, got none")
    if train.counts[train.counts > 0].min() >= train.n_items:
        raise ValueError(
            f"every user has rated all {train.n_items} items in the training rows, so nothing is left to tell choices "
            "from: name a catalogue with items that users have not rated"
        )
    if not len(split.test):
        context.tell("no rows are held out (users have one rating each, perhaps): the bundle will have no figures")
