"""Language-model users behind the `UserAgent` protocol."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from transformers import PreTrainedModel

from personagym_agents.documents.corpus import Corpus
from personagym_agents.documents.document import HISTORY_LINES, write_document
from personagym_agents.documents.profile import ProfileWriter, StatisticalProfileWriter
from personagym_agents.documents.window import window_of
from personagym_agents.explanations.occlusion import Document, occlusions
from personagym_agents.inference.engine import NO_SEGMENT, LanguageSessions, Population
from personagym_agents.inference.model_hooks import prepare_for_packed_passes
from personagym_agents.inference.styles import Styles
from personagym_agents.inference.whole_documents import answer_documents
from personagym_agents.model.adapters import AdapterGate
from personagym_agents.model.packing import Segments
from personagym_env.data.tables import IntArray, Interactions
from personagym_env.data.traits import user_traits
from personagym_env.explanations import Consumed, Explanation, Part, attribute
from personagym_env.protocols import Reaction, UserFingerprint

PASS_SIZE: Final = {"cpu": 320, "accelerator": 4096}
"""Candidates of one packed pass by kind of device: a processor's cache is small, an accelerator wants to be full."""


def recent_rows(train: Interactions, lines: int) -> npt.NDArray[np.bool_]:
    """(n,) whether a row is among its user's last `lines`."""
    from_end = np.repeat(train.indptr[1:], train.counts) - np.arange(len(train))
    return np.asarray(from_end <= lines)


class LanguageUserAgent:
    """A population of documents read by one causal language model, with an adapter per group of users or none.

    Args:
        model: the causal LM, with its adapters if any, in evaluation mode.
        corpus: texts and training rows.
        name: for tables.
        gate: of the model's mixed adapters; None if it has none.
        adapter_of: (u,) which of the gate's adapters each user has; needed with a gate.
        history_lines: latest ratings that a document shows when a session opens.
        writer: writes the profile from the rows before those.
        styles: of users and items, where answers go by these.
        fingerprint: what the users are, where that is known.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        corpus: Corpus,
        *,
        name: str,
        gate: AdapterGate | None = None,
        adapter_of: IntArray | None = None,
        history_lines: int = HISTORY_LINES,
        writer: ProfileWriter | None = None,
        styles: Styles | None = None,
        fingerprint: UserFingerprint | None = None,
    ) -> None:
        if (gate is None) != (adapter_of is None):
            raise ValueError("a gate and the adapter of each user belong together: give both or neither")
        self.name = name
        self.fingerprint = fingerprint
        self.corpus = corpus
        recent = recent_rows(corpus.train, history_lines)
        traits = user_traits(corpus.train.take(~recent), corpus.dataset.catalogue, corpus.crowd)
        people = np.arange(corpus.train.n_users)
        self.writer: Final = StatisticalProfileWriter() if writer is None else writer
        self._profiles = self.writer.write(people, traits, corpus.dataset.catalogue, corpus.dataset.users)
        self._recent = recent
        self.history_lines: Final = history_lines
        prepare_for_packed_passes(model)
        self.population: Final = Population(
            model=model.eval(),  # type: ignore[no-untyped-call]
            segments=Segments.of(corpus.encoded + corpus.encode_headers(self._profiles)),
            prompts=_prompts(corpus, recent),
            gate=gate,
            adapters=np.zeros(len(people), np.int64) if adapter_of is None else np.asarray(adapter_of, np.int64),
            corpus=corpus,
            answer_ids=torch.tensor(corpus.answers.ids, device=model.device),
            window=window_of(model),
            pass_size=PASS_SIZE["cpu" if model.device.type == "cpu" else "accelerator"],
            styles=styles,
        )

    @property
    def scale(self) -> tuple[float, ...]:
        """See `UserAgent.scale`: that of the log, or levels that `LinkedUsers` link to it."""
        return self.corpus.scale

    @property
    def n_users(self) -> int:
        """See `UserAgent.n_users`."""
        return self.corpus.train.n_users

    @property
    def n_items(self) -> int:
        """See `UserAgent.n_items`."""
        return self.corpus.train.n_items

    def open(self, n: int) -> LanguageSessions:
        """See `UserAgent.open`."""
        return LanguageSessions(self.population, n)

    def occluded(self, user: int, item: int, session: Sequence[Consumed] = ()) -> tuple[list[Part], Reaction]:
        """What can be left out of the document that a user answers an item behind, and the answers in one packed pass.

        Args:
            user: internal id.
            item: internal id.
            session: what the user has consumed in the running session.

        Returns:
            (p,) parts, and reactions (1, 1 + p) to the whole document, then to those without one part.
        """
        corpus, row = self.corpus, np.zeros(1, np.int64)
        sessions = self.open(1)
        sessions.start(row, row + user)
        for known, rating in session:
            sessions.consume(row, row + known, row + rating)
        script, line = sessions.pieces(0, item)
        lines = script[1:].reshape(-1, 2 + len(corpus.of_memory))
        in_session = min(len(session), len(lines))
        own = np.flatnonzero(self._recent & (corpus.train.users == user))
        told = [*zip(corpus.train.items[own], corpus.train.rating_index[own], strict=True), *session][-len(lines) :]
        titles = [(corpus.name_of(known), corpus.answer_words[rating]) for known, rating in told]
        document = Document(
            profile=self._profiles[user],
            lines=lines,
            in_session=in_session,
            known=titles if len(lines) else [],
            item=item,
            codes=line[1:] - corpus.of_memory,
        )
        documents = list(occlusions(corpus, document))
        parts = [one.part for one in documents if one.part is not None]
        reaction = answer_documents(self.population, user, [one.tokens for one in documents])
        if (styles := self.population.styles) is not None:
            asked = np.full((1, len(documents)), item)
            reaction = reaction._replace(rating=styles.styled(reaction.rating, row + user, asked))
        return parts, reaction

    def explain(self, user: int, item: int, session: Sequence[Consumed] = ()) -> Explanation:
        """See `ExplainingAgent.explain`."""
        return attribute(user, item, *self.occluded(user, item, session), self.scale)

    def document(self, user: int) -> str:
        """The text that a session of the user begins with."""
        train = self.corpus.train
        rows = np.flatnonzero(self._recent & (train.users == user))
        return write_document(
            self._profiles[user],
            [self.corpus.line_text(int(train.items[row])) for row in rows],
            [self.corpus.answer_words[rating] for rating in train.rating_index[rows]],
        )


def _prompts(corpus: Corpus, shown: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """(u, 1 + h (2 + f)) pieces of each user's document: header, then line and answer of each shown training row."""
    recent = corpus.train.take(shown)
    line = corpus.without_memory(corpus.of_item[recent.items])
    told = np.column_stack([line, corpus.of_answer[1 + recent.rating_index]])
    prompts = np.full((recent.n_users, 1 + told.shape[1] * int(recent.counts.max(initial=0))), NO_SEGMENT)
    prompts[:, 0] = len(corpus.encoded) + np.arange(recent.n_users)
    place = np.arange(len(recent)) - recent.indptr[recent.users]
    prompts[recent.users[:, None], 1 + told.shape[1] * place[:, None] + np.arange(told.shape[1])] = told
    return prompts
