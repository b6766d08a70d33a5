"""An interview: questions to one user, answers from its document, its log and its numbers.

Every statement on taste must be borne out twice: by the user's training rows, and by what the user answers about items
that it has not rated. What is said of an item is what the users' model answers, with what moved it.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np

from personagym_agents.explanations.wording import explain_in_words, listed
from personagym_agents.interviews.contrasts import Contrasts, ItemClaim, Rows, Said
from personagym_agents.interviews.questions import Question, QuestionReader
from personagym_agents.interviews.speech import ChatVoice
from personagym_agents.interviews.statements import Speaker, Statement, taste_claims
from personagym_agents.llm.evidence import Evidence
from personagym_agents.llm.safety import plain_title
from personagym_env.data.tables import Dataset, FloatArray, IntArray, Interactions
from personagym_env.data.traits import crowd_statistics
from personagym_env.evaluation.core.pair_reactions import react_to_pairs
from personagym_env.explanations import Consumed, ExplainingAgent, Explanation, attribute, explain
from personagym_env.protocols import UserAgent
from personagym_env.session.cuts import cut_sessions

ASKED_ITEMS = 100
"""Unseen items that a user is asked about, to hold statements on taste against its numbers."""
SHOWN = 3
"""Items of the last session that are named."""
UNREAD = "What moved that I cannot tell, since I read no document; language-model users do."
HELP = 'Ask me about my taste, about my last session, or about an item by its title, as in "Would you like Heat?".'


@dataclass(frozen=True)
class Reply:
    """What a user answers."""

    statements: tuple[Statement, ...]
    left_out: int = 0
    """Claims and sentences that were thrown out, because log or numbers do not bear them out."""

    @property
    def text(self) -> str:
        """The answer as text."""
        return " ".join(statement.text for statement in self.statements)


class Interview:
    """Answers questions for users.

    Args:
        agent: the users.
        dataset: titles, years and genres.
        train: rows that the users know; nothing else is looked at.
        rng: draws the items that users are asked about.
    """

    def __init__(
        self,
        agent: UserAgent,
        dataset: Dataset,
        train: Interactions,
        *,
        rng: np.random.Generator,
    ) -> None:
        self.agent, self.dataset, self.train = agent, dataset, train
        self.crowd = crowd_statistics(train)
        self.evidence = Evidence.of(train, dataset.catalogue, self.crowd)
        self.means = mean_ratings(train)
        self._reader, self._speaker = QuestionReader(dataset.catalogue), Speaker(dataset.catalogue)
        self.voice: ChatVoice | None = None
        """A chat model that speaks of the taste; None composes the words."""
        self._rng = rng
        self._numbers: dict[int, Contrasts] = {}

    def ask(self, user: int, question: str, session: Sequence[Consumed] = ()) -> Reply:
        """Answer a question.

        Args:
            user: internal id.
            question: in English.
            session: what the user has consumed in the running session.

        Raises:
            ChatError: the chat model cannot be asked.
        """
        asked = self._reader.read(question)
        match asked:
            case Question("taste"):
                return self.taste(user)
            case Question("session"):
                return self.last_session(user, session)
            case Question("item", item):
                return self.about(user, item, session)
            case Question("title", _, title):
                return self.missing(title)
        return Reply((Statement(HELP, ()),))

    def missing(self, title: str) -> Reply:
        """That nothing is called so, and what is called nearly so."""
        near = get_close_matches(title, self.dataset.catalogue.titles, n=3)
        told = f" Nearly so: {listed([plain_title(one) for one in near])}." if near else ""
        return Reply((Statement(f"I know nothing that is called {plain_title(title)!r}.{told}", ()),))

    def taste(self, user: int) -> Reply:
        """What the user likes, chooses and how it rates."""
        if user not in self._numbers:
            self._numbers[user] = self.numbers(np.array([user]), ASKED_ITEMS, self._rng)
        numbers = self._numbers[user]
        if self.voice is not None:
            counts: Counter[str] = Counter()
            said = self.voice.on_taste([user], counts)[user]
            kept = [one for one in said if self.holds(one.claims, user, numbers)]
            left_out = len(said) - len(kept) + counts["sentences without a claim"]
            return Reply(tuple(kept) or (Statement("Nothing that I could say is borne out.", ()),), left_out)
        claims = list(taste_claims(self.evidence, user))
        kept_claims = [claim for claim in claims if numbers.bears_out(claim, user) is not False]
        statements = self._speaker.say(kept_claims) or [Statement("I have no marked taste.", ())]
        return Reply(tuple(statements), len(claims) - len(kept_claims))

    def holds(self, claims: Sequence[Said], user: int, numbers: Contrasts) -> bool:
        """Whether the user's training rows and its answers bear claims out, of which there is at least one."""
        return bool(claims) and all(
            not isinstance(claim, ItemClaim)
            and self.evidence.holds(claim, user)
            and numbers.bears_out(claim, user) is not False
            for claim in claims
        )

    def numbers(self, users: IntArray, items: int, rng: np.random.Generator) -> Contrasts:
        """What users (b,) answer about so many random items, each about others, that they have not rated."""
        people, asked = unrated(self.train, users, items, rng)
        return Contrasts.of(self.answers(people, asked), self.crowd, self.dataset.catalogue, self.means)

    def answers(self, users: IntArray, items: IntArray) -> Rows:
        """What users (n,) answer about items (n,) at the start of a session."""
        said = react_to_pairs(self.agent, users, items)
        expected = said.rating @ np.asarray(self.agent.scale)
        return Rows(users, items, expected, np.log(said.choice_probability) - np.log1p(-said.choice_probability))

    def last_session(self, user: int, session: Sequence[Consumed] = ()) -> Reply:
        """What the user has had in the running session, or else in the last one of its log."""
        if session:
            items = np.array([item for item, _ in session])
            ratings = np.array([self.train.scale[rating] for _, rating in session])
            opening = "In this session"
        else:
            rows = self._last_rows(user)
            if not len(rows):
                return Reply((Statement("I have rated nothing yet.", ()),))
            items, ratings, opening = self.train.items[rows], self.train.ratings[rows], "Last time"
        catalogue = self.dataset.catalogue
        told = [f"{opening} I rated {len(items)} item{'s' if len(items) > 1 else ''}, {ratings.mean():.1f} on average."]
        order = np.argsort(-ratings, kind="stable")
        told.append(f"Best liked: {self._rated(items, ratings, order[:SHOWN])}.")
        if len(items) > SHOWN and ratings[order[-1]] < ratings[order[0]]:
            told.append(f"Least: {self._rated(items, ratings, order[:-2:-1])}.")
        share = catalogue.genre_shares[items].sum(axis=0)
        if share.any():
            told.append(f"Mostly {plain_title(catalogue.genre_names[int(share.argmax())])}.")
        return Reply(tuple(Statement(text, ()) for text in told))

    def about(self, user: int, item: int, session: Sequence[Consumed] = ()) -> Reply:
        """How much the user wants an item, which rating it expects, and what moved that, where a document tells."""
        title = self.dataset.catalogue.titles[item]
        rated = np.flatnonzero((self.train.users == user) & (self.train.items == item))
        if len(rated):
            return Reply((Statement(f"I gave {plain_title(title)} {self.train.ratings[rated[0]]:g}.", ()),))
        reads = isinstance(self.agent, ExplainingAgent)
        explanation = explain(self.agent, user, item, session) if reads else self._answer(user, item, session)
        sign = 1 if explanation.expected_rating > self.means[user] else -1
        composed = Statement(explain_in_words(explanation, title), (ItemClaim(item, sign),))
        counts: Counter[str] = Counter()
        if not reads:
            return Reply((composed, Statement(UNREAD, ())))
        added = [] if self.voice is None else self.voice.on_item(user, explanation, counts)
        return Reply((composed, *added), counts["sentences thrown out"])

    def _answer(self, user: int, item: int, session: Sequence[Consumed]) -> Explanation:
        """The answer of users who read no document, which nothing can be left out of."""
        sessions, row = self.agent.open(1), np.zeros(1, np.int64)
        sessions.start(row, row + user)
        for known, rating in session:
            sessions.consume(row, row + known, row + rating)
        return attribute(user, item, (), sessions.react(row, np.array([[item]])), self.agent.scale)

    def _last_rows(self, user: int) -> IntArray:
        """Rows of the last session, or the last ten where the log has no times."""
        rows = np.arange(self.train.indptr[user], self.train.indptr[user + 1])
        if self.train.timestamps is None or not len(rows):
            return rows[-10:]
        return np.asarray(rows[cut_sessions(self.train.take(rows)).first[-1] :])

    def _rated(self, items: IntArray, ratings: FloatArray, places: IntArray) -> str:
        titles = self.dataset.catalogue.titles
        return listed([f"{plain_title(titles[items[at]])} ({ratings[at]:g})" for at in places.tolist()])


def mean_ratings(log: Interactions) -> FloatArray:
    """(u,) mean rating of each user, that of the log for users without rows."""
    total = np.bincount(log.users, log.ratings, minlength=log.n_users)
    overall = float(log.ratings.mean()) if len(log) else float(np.mean(log.scale))
    return np.asarray((total + overall * (log.counts == 0)) / np.maximum(log.counts, 1))


def unrated(log: Interactions, users: IntArray, items: int, rng: np.random.Generator) -> tuple[IntArray, IntArray]:
    """Users and items, up to `items` pairs (n,) of each of (b,) users, without a row in the log."""
    pairs = []
    for user in users.tolist():
        known = log.items[log.indptr[user] : log.indptr[user + 1]]
        free = np.setdiff1d(np.arange(log.n_items), known)
        pairs.append((np.full(min(items, len(free)), user), rng.permutation(free)[:items]))
    return np.concatenate([one for one, _ in pairs]), np.concatenate([one for _, one in pairs])
