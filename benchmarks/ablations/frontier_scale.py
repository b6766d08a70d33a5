"""Users whose base answers in levels, on the scale of their log, by how training told its ratings and nothing else.

A link (`personagym_agents.inference.answer_link`) would read evidence beside the answers, and so tell users alike who
differ in their adapters.
"""

from dataclasses import dataclass

from personagym_agents.documents.told import Told
from personagym_agents.inference.engine import LanguageSessions
from personagym_agents.inference.language_users import LanguageUserAgent
from personagym_env.data.tables import IntArray
from personagym_env.protocols import Reaction, UserAgent, UserSessions


@dataclass(frozen=True, eq=False)
class RetoldUsers:
    """See `UserAgent`."""

    users: LanguageUserAgent
    told: Told
    name: str
    scale: tuple[float, ...]
    n_users: int
    n_items: int

    def open(self, n: int) -> UserSessions:
        """See `UserAgent.open`."""
        return _Sessions(self.users.open(n), self.told)


@dataclass(frozen=True, eq=False)
class _Sessions:
    sessions: LanguageSessions
    told: Told

    def start(self, rows: IntArray, users: IntArray) -> None:
        self.sessions.start(rows, users)

    def react(self, rows: IntArray, slates: IntArray) -> Reaction:
        wants, rating = self.sessions.react(rows, slates)
        return Reaction(wants, self.told.as_ratings(rating))

    def consume(self, rows: IntArray, items: IntArray, ratings: IntArray) -> None:
        self.sessions.consume(rows, items, ratings)


def on_own_scale(users: LanguageUserAgent) -> UserAgent:
    """The users on the scale of their log, on which they answer already where its ratings are levels."""
    told = users.corpus.told
    if told is None or told.exact:
        return users
    return RetoldUsers(users, told, users.name, told.ratings, users.n_users, users.n_items)
