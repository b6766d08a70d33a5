"""Language-model users of a log whose ratings their base does not speak: answers are linked to the log's own scale.

Shapes: b rows, k places, f fields of the memory, p parts of a document.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from personagym_agents.classical.response_style import ScaleUse
from personagym_agents.delegating import DelegatingUsers
from personagym_agents.inference.answer_link import AnswerLink, Beside, beside, indifferent
from personagym_agents.inference.language_users import LanguageUserAgent
from personagym_agents.memory.evidence import Codes
from personagym_env.data.tables import IntArray
from personagym_env.explanations import Consumed, Explanation, Part, attribute
from personagym_env.protocols import Reaction, UserFingerprint


class LinkedUsers(DelegatingUsers):
    """Users who are told a log in levels and answer on its own scale.

    Args:
        users: who answer in levels.
        link: to the log's scale.
        use: of the log's scale, by its users and items.
        alone: a link that was fitted without the base: what users say of items that nobody has rated, of which a base
            says nothing that training rows could bear out; and a control.
        name: for tables.
        fingerprint: what the users are, where that is known.
    """

    users: LanguageUserAgent

    def __init__(
        self,
        users: LanguageUserAgent,
        link: AnswerLink,
        use: ScaleUse,
        *,
        alone: AnswerLink,
        name: str,
        fingerprint: UserFingerprint | None = None,
    ) -> None:
        self.name = name
        self.fingerprint = fingerprint
        self.users = users
        self.link = link
        self.alone = alone
        self.use = use

    def __repr__(self) -> str:
        return f"LinkedUsers({self.name!r}, {self.n_users} users, {self.n_items} items)"

    @property
    def scale(self) -> tuple[float, ...]:
        """The log's own; `users` answer in levels."""
        return self.link.scale

    def document(self, user: int) -> str:
        """The text that a session of the user begins with."""
        return self.users.document(user)

    def explain(self, user: int, item: int, session: Sequence[Consumed] = ()) -> Explanation:
        """See `ExplainingAgent.explain`; what is left out of the memory is hidden from the link too."""
        parts, answers = self.users.occluded(user, item, session)
        asked = np.array([[user]]), np.array([[item]])
        linked = self.linked(answers, *asked, self._recalled_without(parts, user, item))
        return attribute(user, item, parts, linked, self.scale)

    def _recalled_without(self, parts: Sequence[Part], user: int, item: int) -> Codes:
        """(1, 1 + p, f) what is recalled about an item, then that without each part: in its place, the user's usual."""
        corpus = self.users.corpus
        everything = corpus.recall(np.array([user]))[0]
        usual = np.median(everything, axis=0).astype(everything.dtype)
        recalled = np.repeat(everything[None, item], 1 + len(parts), axis=0)
        texts = [text.strip().rstrip(";") for text in corpus.recollections(everything[item])]
        for place, part in enumerate(parts, 1):
            if part.kind == "memory":
                hidden = [part.whole or text == part.text for text in texts]
                recalled[place, hidden] = usual[hidden]
        return recalled[None]

    def linked(self, answers: Reaction, users: IntArray, items: IntArray, recalled: Codes) -> Reaction:
        """Answers (b, k) of the base on the log's scale.

        Args:
            answers: in levels.
            users: whose they are; broadcast to (b, k).
            items: what they are about; broadcast to (b, k).
            recalled: (b, k, f) what they recall about that.
        """
        read = self.beside(
            np.broadcast_to(users, recalled.shape[:2]), np.broadcast_to(items, recalled.shape[:2]), recalled
        )
        rating = self.link.rating(answers.rating, read)
        unrated = self.users.corpus.crowd.counts[np.broadcast_to(items, rating.shape[:2])] == 0
        if self.users.corpus.recalls_evidence and unrated.any():
            rating = np.where(unrated[..., None], self.silent_rating(read), rating)
        return Reaction(self.link.choice_probability(answers.choice_probability, read), rating)

    def silent_rating(self, read: Beside) -> npt.NDArray[np.float32]:
        """(b, k, r) ratings by what is read beside the answers alone."""
        silence = indifferent(read.scatter.shape[:-1], self.alone.levels)
        return self.alone.rating(silence.rating, read)

    def beside(self, users: IntArray, items: IntArray, recalled: Codes) -> Beside:
        """What the link reads beside the answers (b, k), see `linked`."""
        corpus = self.users.corpus
        codes = recalled if corpus.recalls_evidence else None
        return beside(self.use, corpus.crowd.counts, users, items, codes)

    def open(self, n: int) -> "LinkedSessions":
        """See `UserAgent.open`."""
        return LinkedSessions(self, n)


class LinkedSessions:
    """Open sessions of `LinkedUsers`."""

    def __init__(self, agent: LinkedUsers, n: int) -> None:
        self._agent = agent
        self._sessions = agent.users.open(n)
        self._user = np.zeros(n, np.int64)

    @property
    def dropped_lines(self) -> IntArray:
        """See `ForgetfulSessions.dropped_lines`."""
        return self._sessions.dropped_lines

    def start(self, rows: IntArray, users: IntArray) -> None:
        """See `UserSessions.start`."""
        self._user[rows] = users
        self._sessions.start(rows, users)

    def beside(self, rows: IntArray, slates: IntArray) -> Beside:
        """What the link reads beside the answers of (b,) rows about (b, k) items."""
        users = np.broadcast_to(self._user[rows][:, None], slates.shape)
        return self._agent.beside(users, slates, self._sessions.recalled(rows, slates))

    def react(self, rows: IntArray, slates: IntArray) -> Reaction:
        """See `UserSessions.react`."""
        answers, recalled = self._sessions.react(rows, slates), self._sessions.recalled(rows, slates)
        return self._agent.linked(answers, self._user[rows][:, None], slates, recalled)

    def consume(self, rows: IntArray, items: IntArray, ratings: IntArray) -> None:
        """See `UserSessions.consume`; the document tells the rating as a level."""
        self._sessions.consume(rows, items, ratings)
