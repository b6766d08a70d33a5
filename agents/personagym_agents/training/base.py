"""What all bundles of one base share: the base trained on the log, and everything that it was trained with."""

from collections.abc import Collection
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from personagym_agents.bundle.settings import SMALL, BundleSettings
from personagym_agents.bundle.storage import profile_texts, profile_writer
from personagym_agents.classical.users import fit_classical
from personagym_agents.documents.corpus import Corpus, tokenizer_texts
from personagym_agents.documents.profile import ProfileWriter
from personagym_agents.documents.tokenizer import train_tokenizer
from personagym_agents.documents.window import check_window, fitting, window_of
from personagym_agents.inference.language_users import recent_rows
from personagym_agents.llm.profile_store import ProfileStore
from personagym_agents.llm.reasons import ReasonStore
from personagym_agents.memory.cross_fitted import make_memory
from personagym_agents.memory.evidence import Memory
from personagym_agents.model.causal_lm import load_base, small_model, spell_answers
from personagym_agents.personas.clustering import Personas, fit_personas
from personagym_agents.training.loop import Teacher, train
from personagym_agents.training.sampling import Epochs
from personagym_agents.training.settings import TrainingSettings
from personagym_env.data.splits import Split
from personagym_env.data.tables import Dataset, FloatArray, IntArray, Interactions
from personagym_env.data.traits import user_traits
from personagym_env.evaluation.core.pair_reactions import react_to_pairs
from personagym_env.run_context import RunContext

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
        ValueError: the rows teach nothing, the base is no causal language model with a tokenizer, or its window holds
            no profile and line.
    """
    _check_rows(split, context)
    torch.manual_seed(settings.seed)
    ready = None if settings.base == SMALL else load_base(settings.base)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    book = None if settings.profiles is None else ProfileStore.load(Path(settings.profiles))
    writer = profile_writer(book, split.train)
    personas = _personas(dataset, split, book, settings, context)
    recall = settings.recall
    reason_book = None if recall.reason_book is None else ReasonStore.load(Path(recall.reason_book), dataset)
    memory, examples = make_memory(
        dataset.catalogue,
        split.train,
        np.random.default_rng(settings.seed),
        recall,
        None if reason_book is None else reason_book.texts(split.train),
    )
    model, tokenizer = ready or _small_base(dataset, split, memory, writer, settings)
    corpus = Corpus.build(
        dataset, split.train, tokenizer, memory=memory, examples=examples, title_tokens=window_of(model) // 2
    )
    recent = recent_rows(split.train, settings.history_lines)
    check_window(corpus, _profiles(dataset, split.train.take(~recent), writer), window_of(model))
    if len(tokenizer) > model.config.vocab_size:
        model.resize_token_embeddings(len(tokenizer))
    spell_answers(model, corpus.answers)
    model.to(device)  # type: ignore[arg-type]
    context.tell(
        f"base {settings.base!r}: {sum(p.numel() for p in model.parameters()) / 1e6:.2f} M parameters on {device.type}"
    )
    teacher = _teacher(settings.teacher, split)
    trained_base = TrainedBase(dataset, split, settings, model, corpus, book, reason_book, writer, personas, teacher)
    if settings.base == SMALL:
        train(
            model,
            trained_base.epochs(settings.training, settings.seed),
            teacher,
            settings.training,
            name="base",
            identity=trained_base.identity(settings, without=_AFTER_BASE),
            context=context,
        )
    return trained_base


def _teacher(name: str, split: Split) -> Teacher:
    users = fit_classical(name, split.train)

    def teach(people: IntArray, items: IntArray) -> FloatArray:
        return react_to_pairs(users, people, items, rows=256).rating

    return teach


def _personas(
    dataset: Dataset, split: Split, book: ProfileStore | None, settings: BundleSettings, context: RunContext
) -> Personas:
    traits = user_traits(split.train, dataset.catalogue)
    rng = np.random.default_rng(settings.seed)
    by_behaviour = settings.personas.features == "behaviour"
    texts = None if by_behaviour else profile_texts(book, split.train, dataset)
    personas = fit_personas(traits, dataset.catalogue.genre_names, settings.personas, rng=rng, texts=texts)
    context.tell(personas.table())
    return personas


def _profiles(dataset: Dataset, rows: Interactions, writer: ProfileWriter) -> list[str]:
    """(u,) of all users, who are known by some rows."""
    traits = user_traits(rows, dataset.catalogue)
    return writer.write(np.arange(rows.n_users), traits, dataset.catalogue, dataset.users)


def _small_base(
    dataset: Dataset, split: Split, memory: Memory | None, writer: ProfileWriter, settings: BundleSettings
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    profiles = _profiles(dataset, split.train, writer)
    rng = np.random.default_rng(settings.seed)
    tokenizer = train_tokenizer(tokenizer_texts(dataset, split.train, profiles, rng, memory), settings.vocabulary)
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
