"""A log made ready to be read by a base: how it is told, what its users recall, and what a teacher says of it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np
from transformers import PreTrainedTokenizerBase

from personagym_agents.bundle.settings import BundleSettings
from personagym_agents.classical.users import RATING_FITS, ClassicalUsers, fit_classical
from personagym_agents.documents.corpus import Corpus, tokenizer_texts
from personagym_agents.documents.profile import ProfileWriter
from personagym_agents.documents.told import Told, fit_told
from personagym_agents.memory.cross_fitted import CrossFittedExamples, draw_cross_fitted_examples, make_memory
from personagym_agents.memory.evidence import Memory
from personagym_agents.memory.settings import Recall
from personagym_agents.training.log_variants import draw_log_variant
from personagym_agents.training.world import Teacher
from personagym_env.collaborative.propensity import inverse_weights, propensities_of
from personagym_env.data.sources import load_dataset
from personagym_env.data.tables import Dataset, FloatArray, IntArray, Interactions
from personagym_env.data.traits import user_traits
from personagym_env.evaluation.core.pair_reactions import react_to_pairs
from personagym_env.run_context import RunContext


@dataclass(frozen=True, eq=False)
class TrainingLog:
    """A log, ready to be tokenised."""

    dataset: Dataset
    train: Interactions
    """The rows as they are told."""
    told: Told
    memory: Memory | None
    examples: CrossFittedExamples
    teacher: Teacher
    titles: bool
    """Whether lines name their items."""
    weights: FloatArray | None
    """(n,) how much the rating of each row counts in the loss; None for all alike."""

    def texts(self, writer: ProfileWriter, rng: np.random.Generator) -> Iterator[str]:
        """What a tokenizer is trained on."""
        profiles = self.profiles(self.train, writer)
        return tokenizer_texts(self.dataset, self.train, profiles, rng, self.memory, self.told, titles=self.titles)

    def profiles(self, rows: Interactions, writer: ProfileWriter) -> list[str]:
        """(u,) of all users, who are known by some rows."""
        traits = user_traits(rows, self.dataset.catalogue)
        return writer.write(np.arange(rows.n_users), traits, self.dataset.catalogue, self.dataset.users)

    def corpus(self, tokenizer: PreTrainedTokenizerBase) -> Corpus:
        """The log as token pieces, for training."""
        return Corpus.build(
            self.dataset,
            self.train,
            tokenizer,
            memory=self.memory,
            examples=self.examples,
            told=self.told,
            titles=self.titles,
        )


def ready_log(
    dataset: Dataset, train: Interactions, settings: BundleSettings, reasons: list[str | None] | None = None
) -> TrainingLog:
    """Make training rows ready.

    Args:
        dataset: texts of items and users.
        train: rows to learn from.
        settings: what is recalled, who teaches, and how ratings are told.
        reasons: (n,) the texts of a reason book.

    Raises:
        ValueError: there is no such teacher.
    """
    teacher = _Teacher(settings.teacher, dataset, train)
    told = fit_told(train)
    rows = told.log(train)
    memory = make_memory(dataset.catalogue, rows, settings.recall, reasons)
    examples = draw_cross_fitted_examples(
        rows,
        dataset.catalogue,
        np.random.default_rng(settings.seed),
        evidence=settings.recall.evidence,
        reasons=None if memory is None else memory.reasons,
    )
    weights = None
    if settings.propensities is not None:
        weights = inverse_weights(propensities_of(settings.propensities, rows, seed=settings.seed))
    return TrainingLog(dataset, rows, told, memory, examples, teacher, settings.titles, weights)


def other_logs(
    dataset: Dataset, train: Interactions, settings: BundleSettings, context: RunContext
) -> list[TrainingLog]:
    """The further logs that a base reads, whole and in variants, and variants of its own.

    Raises:
        ValueError: a log is unknown or cannot be read.
    """
    if not (settings.logs or settings.variants):
        return []
    settings = replace(settings, recall=Recall(evidence=settings.recall.evidence))
    further = [load_dataset(name) for name in settings.logs]
    rng = np.random.default_rng(settings.seed)
    found = []
    for source, rows in ((dataset, train), *((other, other.interactions) for other in further)):
        drawn = [draw_log_variant(source, rows, rng) for _ in range(settings.variants)]
        whole = [] if source is dataset else [source]
        for one in whole + drawn:
            context.tell(f"reads {one.name}: {one.interactions!r}")
            found.append(ready_log(one, one.interactions, settings))
    return found


class _Teacher:
    """Classical users, fitted when first asked about somebody: adapters that learn ratings alone never do."""

    def __init__(self, name: str, dataset: Dataset, train: Interactions) -> None:
        if name not in RATING_FITS:
            raise ValueError(f"unknown teacher {name!r}; there are {', '.join(sorted(RATING_FITS))}")
        self._fit = partial(fit_classical, name, train, catalogue=dataset.catalogue)
        self._ratings = len(train.scale)

    @cached_property
    def _users(self) -> ClassicalUsers:
        return self._fit()

    def __call__(self, users: IntArray, items: IntArray) -> FloatArray:
        """See `Teacher`."""
        if not len(users):
            return np.zeros((0, self._ratings))
        return react_to_pairs(self._users, users, items, rows=256).rating
