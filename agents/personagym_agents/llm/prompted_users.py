"""Users who are a prompted chat model, as the peers of this project have them: no training, a prompt for each question.

`gym.make("PersonaRec-v0", agent="frozen:personagym_agents.llm.prompted_users:chat_users")` has them answer each pair of
user and item once. They are the yardstick for time and fidelity, not a way to many sessions.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from personagym_agents.documents.document import HISTORY_LINES, one_header, write_line
from personagym_agents.documents.profile import StatisticalProfileWriter
from personagym_agents.llm.answer_chances import AnswerModel, EndpointAnswers, LocalAnswers, prompted_ratings
from personagym_agents.llm.chance_cache import CachedChances
from personagym_agents.llm.chat import Usage
from personagym_agents.llm.dialects import Dialect, with_adapter
from personagym_agents.llm.endpoint import EndpointChat, EndpointSettings
from personagym_agents.llm.prompted import Asked, wish_conversation
from personagym_agents.model.causal_lm import chosen_device, load_base, place_on
from personagym_env.data.tables import Dataset, FloatArray, IntArray, Interactions
from personagym_env.data.traits import crowd_statistics, user_traits
from personagym_env.protocols import Reaction

_EDGE = 1e-6
_WORDS = ("no", "yes")


@dataclass
class PromptedUsers:
    """A chat model that is told a profile, the latest ratings and a line, and asked for a rating and a wish.

    Args:
        model: who answers, here or on a server.
        dataset: texts of items and users.
        train: rows that the users know, rated in whole numbers of one digit.

    Raises:
        ValueError: ratings are not whole numbers one after the other.
    """

    model: AnswerModel
    dataset: Dataset
    train: Interactions
    name: str = "chat"
    calls: int = 0
    """Prompts that were answered."""
    usage: Usage | None = None
    """Replies and tokens of a server; None where the model runs here."""
    lines: list[str] = field(init=False)
    """(m,) what is told of each item."""

    def __post_init__(self) -> None:
        log, catalogue = self.train, self.dataset.catalogue
        if log.scale != tuple(float(rating) for rating in range(int(log.scale[0]), int(log.scale[-1]) + 1)):
            raise ValueError(f"chat users rate in whole numbers one after the other, and the log on {log.scale}")
        crowd = crowd_statistics(log)
        told = zip(crowd.counts.tolist(), crowd.means.tolist(), strict=True)
        self.lines = [write_line(catalogue, item, count, mean) for item, (count, mean) in enumerate(told)]
        traits = user_traits(log, catalogue, crowd)
        people = np.arange(log.n_users)
        self._profiles = StatisticalProfileWriter().write(people, traits, catalogue, self.dataset.users)

    @property
    def scale(self) -> tuple[float, ...]:
        """See `UserAgent.scale`."""
        return self.train.scale

    @property
    def n_users(self) -> int:
        """See `UserAgent.n_users`."""
        return self.train.n_users

    @property
    def n_items(self) -> int:
        """See `UserAgent.n_items`."""
        return self.train.n_items

    def document(self, user: int, session: Sequence[tuple[int, int]] = ()) -> str:
        """Profile, latest training rows and what was consumed in the session, each with its rating."""
        log = self.train
        own = slice(max(log.indptr[user], log.indptr[user + 1] - HISTORY_LINES), log.indptr[user + 1])
        known = [*zip(log.items[own].tolist(), log.rating_index[own].tolist(), strict=True), *session]
        told = [f"{self.lines[item]} {self.scale[rating]:g}" for item, rating in known[-HISTORY_LINES:]]
        return "\n".join([one_header(self._profiles[user]), *told])

    def answers(self, document: str, items: Sequence[int]) -> tuple[FloatArray, FloatArray]:
        """(k,) chances of a yes, and (k, r) distributions of the rating, behind a document."""
        lines = [self.lines[item] for item in items]
        ends = int(self.scale[0]), int(self.scale[-1])
        rating = prompted_ratings(self.model, Asked(document, lines), ends)
        asked = [wish_conversation(document, line) for line in lines]
        wish = self.model.chances(asked, _WORDS)[:, 1]
        self.calls += 2 * len(lines)
        return wish, rating

    def open(self, n: int) -> "PromptedSessions":
        """See `UserAgent.open`."""
        return PromptedSessions(self, n)


class PromptedSessions:
    """Open sessions of `PromptedUsers`: what was consumed is told in the next prompt."""

    def __init__(self, agent: PromptedUsers, n: int) -> None:
        self._agent = agent
        self._user = np.full(n, -1)
        self._consumed: list[list[tuple[int, int]]] = [[] for _ in range(n)]

    def start(self, rows: IntArray, users: IntArray) -> None:
        """See `UserSessions.start`."""
        self._user[rows] = users
        for row in rows.tolist():
            self._consumed[row] = []

    def react(self, rows: IntArray, slates: IntArray) -> Reaction:
        """See `UserSessions.react`."""
        said = []
        for row, slate in zip(rows.tolist(), slates.tolist(), strict=True):
            document = self._agent.document(int(self._user[row]), self._consumed[row])
            said.append(self._agent.answers(document, slate))
        wish, rating = (np.stack(parts) for parts in zip(*said, strict=True))
        return Reaction(np.clip(wish, _EDGE, 1 - _EDGE), rating)

    def consume(self, rows: IntArray, items: IntArray, ratings: IntArray) -> None:
        """See `UserSessions.consume`."""
        for row, item, rating in zip(rows.tolist(), items.tolist(), ratings.tolist(), strict=True):
            self._consumed[row].append((item, rating))


def chat_users(dataset: Dataset, train: Interactions, base: str = "smollm2") -> PromptedUsers:
    """Users who are a base that `load_base` knows, by default SmolLM2.

    Raises:
        ValueError: there is no such base, or ratings are no whole numbers.
        ImportError: what reads the base is not installed.
    """
    model, tokenizer = load_base(base)
    place_on(model, chosen_device(None))
    return PromptedUsers(LocalAnswers(model, tokenizer), dataset, train)


def served_chat_users(
    dataset: Dataset,
    train: Interactions,
    settings: EndpointSettings,
    *,
    dialect: Dialect = "openai",
    adapter: str | None = None,
    folder: Path | None = None,
) -> PromptedUsers:
    """Users who are a chat model behind an endpoint.

    Args:
        dataset: texts of items and users.
        train: rows that the users know.
        settings: of the endpoint.
        dialect: whose words the server is asked in, see `EndpointAnswers`.
        adapter: of the model, by the name that the server has for it; None for the model as it is.
        folder: where what the model answers is kept, so that nothing is asked twice; None asks anew.

    Raises:
        ValueError: the key's variable is not set, there is no such dialect or adapter, or ratings are no whole numbers.
    """
    chosen = settings if adapter is None else with_adapter(settings, dialect, adapter)
    served = EndpointAnswers(EndpointChat(chosen), dialect)
    model = served if folder is None else CachedChances(served, folder)
    return PromptedUsers(model, dataset, train, usage=served.usage)
