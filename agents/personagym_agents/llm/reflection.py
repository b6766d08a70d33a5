"""Hierarchical self-reflection: notes on batches of ratings, notes on notes, and at the top a profile.

Every level is asked for all users at once, so that a back end can answer many at a time. A profile exists in versions:
one that knows all rows, for inference, and one per fold that knows nothing of the fold's rows, for training. The notes
on batches are the same for all versions, so a version costs its last steps only.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from personagym_agents.llm.answers import AnswerLimits, Draft, Notes, read_notes, read_profile
from personagym_agents.llm.asking import Asker
from personagym_agents.llm.batches import NO_FOLD, chronological_batches
from personagym_agents.llm.chat import ChatModel
from personagym_agents.llm.forms import form_of_merged, form_of_notes, form_of_profile
from personagym_agents.llm.prompts import ask_for_notes, ask_for_profile, ask_to_merge
from personagym_env.data.tables import BoolArray, Catalogue, Interactions
from personagym_env.data.traits import crowd_statistics
from personagym_env.run_context import RunContext

NOTES_AT_A_TIME = 10
"""Notes that are merged into one at most."""


@dataclass(frozen=True)
class ReflectionSettings:
    """How profiles are written."""

    limits: AnswerLimits = field(default_factory=AnswerLimits)
    tries: int = 3
    """Answers asked for at most, the first included, until one is accepted."""
    folds: int = 2
    """Profiles for training, each without one fold of every user's batches; 0 for none."""
    free_text: bool = True
    """Whether sentences stay in a profile that make no claim which ratings could bear out."""

    def __post_init__(self) -> None:
        if self.tries < 1:
            raise ValueError(f"tries must be at least 1, got {self.tries}")
        if self.folds < 0 or self.folds == 1:
            raise ValueError(f"folds must be 0 or at least 2, got {self.folds}: one fold would leave nothing to know")


class Version(NamedTuple):
    """Whose profile, and what it must not know."""

    user: int
    fold: int
    """`NO_FOLD` or the fold that is left out."""


class Reflection:
    """Asks a chat model for the drafts of all users, and counts what it turned away.

    Args:
        chat: is asked.
        settings: how.
        counts: is added to, see `Asker`.
        context: shows the progress.
    """

    def __init__(
        self, chat: ChatModel, settings: ReflectionSettings, counts: Counter[str], context: RunContext
    ) -> None:
        self._settings = settings
        tokens = settings.limits.tokens
        self._asker = Asker(chat, tries=settings.tries, tokens=tokens, counts=counts, context=context)

    def drafts(self, log: Interactions, catalogue: Catalogue, users: BoolArray | None = None) -> dict[Version, Draft]:
        """A draft per user and version; those of which nothing came are missing.

        Args:
            log: training rows.
            catalogue: its items.
            users: (u,) of whom; None for all.

        Raises:
            ChatError: the chat model cannot be asked.
        """
        limits, folds = self._settings.limits, self._settings.folds
        batches = chronological_batches(log, folds, users)
        crowd = crowd_statistics(log).without_own(log)[1]
        asked = [ask_for_notes(batch, log, catalogue, crowd, limits) for batch in batches]
        forms = [form_of_notes(batch, log, catalogue, limits) for batch in batches]
        notes = self._asker.ask("ratings", asked, lambda answer, _: read_notes(answer, limits), forms)
        known: dict[Version, list[Notes]] = {}
        ratings: Counter[Version] = Counter()
        latest: dict[Version, Notes | None] = {}
        for batch, note in zip(batches, notes, strict=True):
            for fold in (NO_FOLD, *(fold for fold in range(folds) if fold != batch.fold)):
                version = Version(batch.user, fold)
                ratings[version] += batch.rows.stop - batch.rows.start
                latest[version] = note
                if note is not None:
                    known.setdefault(version, []).append(note)
        usual = float(np.median(log.counts[log.counts > 0])) if len(log) else 0.0
        tops = self._climb(known)
        summits = [ask_for_profile(top, ratings[version], usual, limits) for version, top in tops.items()]
        forms = [form_of_profile(top, limits) for top in tops.values()]
        profiles = self._asker.ask("profiles", summits, lambda answer, _: read_profile(answer, limits), forms)
        return {
            version: Draft(*profile, latest[version])
            for version, profile in zip(tops, profiles, strict=True)
            if profile is not None
        }

    def _climb(self, known: dict[Version, list[Notes]]) -> dict[Version, list[Notes]]:
        """Merge notes until every version has few enough for one question."""
        limits, level = self._settings.limits, 1
        while wide := [version for version, notes in known.items() if len(notes) > NOTES_AT_A_TIME]:
            groups = [
                (version, known[version][start : start + NOTES_AT_A_TIME])
                for version in wide
                for start in range(0, len(known[version]), NOTES_AT_A_TIME)
            ]
            many = [group for group in groups if len(group[1]) > 1]
            asked = [ask_to_merge(notes, limits) for _, notes in many]
            stage, forms = f"notes, level {level}", [form_of_merged(notes, limits) for _, notes in many]
            merged = iter(self._asker.ask(stage, asked, lambda answer, _: read_notes(answer, limits), forms))
            higher: dict[Version, list[Notes]] = {version: [] for version in wide}
            for version, notes in groups:
                note = next(merged) if len(notes) > 1 else notes[0]
                higher[version] += [] if note is None else [note]
            known = {**known, **higher}
            known = {version: notes for version, notes in known.items() if notes}
            level += 1
        return known
