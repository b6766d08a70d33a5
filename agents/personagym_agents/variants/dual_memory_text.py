"""`dual-memory` in words: memories are texts, and a chat model chooses by them and rewrites them.

The numeric users of `personagym_agents.variants.dual_memory` are what stands on the boards; this is the same loop as
AgentCF (Zhang et al., WWW 2024) has it, for any `ChatModel`: choose between the item taken and one drawn by popularity,
then let the user and both items reflect. In its words an agreement is reinforced too, by a reflection that is told that
the choice was right.
"""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from personagym_agents.llm.answers import RejectedError, json_object
from personagym_agents.llm.asking import Asker
from personagym_agents.llm.chat import Answer, ChatModel, Conversation
from personagym_agents.llm.prompts import DATA, data_conversation
from personagym_agents.llm.safety import plain, plain_title
from personagym_env.data.tables import Catalogue
from personagym_env.run_context import RunContext

LONGEST = 300
"""Characters of a memory."""
_TOKENS, _TRIES = 400, 3
_CHOOSE = """\
You play one person who chooses one of two items. {data}
It holds what the person remembers of its own taste, and of each item its title and what the item remembers of the \
people who take it.
Answer with one JSON object and nothing else: {{"choice": 1 or 2}}"""
_REVISE = """\
You keep the memories of one person and of two items. {data}
It holds the three memories, which item the person really took, and whether the person's memory had led to that item. \
Rewrite all three so that they lead to it: what the person likes and dislikes, and which people each item is for. Keep \
what still holds.
Answer with one JSON object and nothing else: {{"person": "...", "taken": "...", "other": "..."}}
Each memory: at most {longest} characters of plain text, in the third person, in English."""


class Encounter(NamedTuple):
    """A choice that a user really made."""

    user: int
    taken: int
    other: int
    """Drawn by popularity."""


class TextMemories:
    """What users and items remember, in words; `counts` says how choices and answers went.

    Args:
        catalogue: of the items, whose memories begin with title, year and genres.
        n_users: whose memories begin empty.
        chat: is asked.
        context: shows the progress.
    """

    def __init__(self, catalogue: Catalogue, n_users: int, chat: ChatModel, context: RunContext) -> None:
        self._titles = [plain_title(title) for title in catalogue.titles]
        self.users = [""] * n_users
        self.items = [_identity(catalogue, item) for item in range(len(catalogue))]
        self.counts: Counter[str] = Counter()
        self._asker = Asker(chat, tries=_TRIES, tokens=_TOKENS, counts=self.counts, context=context)

    def choose(self, encounters: Sequence[Encounter]) -> list[bool | None]:
        """Whether the memories lead to the item that was taken; None where no answer could be read.

        Which of the two items stands first goes by the parity of user and item, so that no place is favoured.
        """
        questions = [self._question(met) for met in encounters]

        def read(answer: Answer, place: int) -> bool:
            choice = json_object(answer).get("choice")
            if isinstance(choice, bool) or choice not in (1, 2):
                raise RejectedError("malformed", '"choice" must be 1 or 2')
            return (choice == 1) == _taken_first(encounters[place])

        return self._asker.ask("choose", questions, read)

    def live(self, encounters: Sequence[Encounter]) -> list[bool | None]:
        """Choose, then revise or reinforce what was remembered; gives the choices as they were made.

        Raises:
            ValueError: a user or item stands in two of the encounters, whose revisions would overwrite each other.
        """
        for what, ids in (
            ("user", [one.user for one in encounters]),
            ("item", [i for one in encounters for i in one[1:]]),
        ):
            if len(set(ids)) < len(ids):
                raise ValueError(f"every {what} may stand in one encounter of a round, got {sorted(ids)}")
        chosen = self.choose(encounters)
        self.counts.update("right" if right else "wrong" for right in chosen if right is not None)
        questions = [self._reflection(met, right is True) for met, right in zip(encounters, chosen, strict=True)]
        revised = self._asker.ask("revise", questions, lambda answer, _: _memories(answer))
        for met, memories in zip(encounters, revised, strict=True):
            if memories is not None:
                self.users[met.user], self.items[met.taken], self.items[met.other] = memories
        return chosen

    def _question(self, met: Encounter) -> Conversation:
        pair = (met.taken, met.other) if _taken_first(met) else (met.other, met.taken)
        shown = [{"number": place, **self._shown(item)} for place, item in enumerate(pair, 1)]
        return data_conversation(_CHOOSE.format(data=DATA), {"person": self.users[met.user], "items": shown})

    def _reflection(self, met: Encounter, right: bool) -> Conversation:
        told = {
            "person": self.users[met.user],
            "taken": self._shown(met.taken),
            "other": self._shown(met.other),
            "memory led there": right,
        }
        return data_conversation(_REVISE.format(data=DATA, longest=LONGEST), told)

    def _shown(self, item: int) -> dict[str, str]:
        return {"title": self._titles[item], "memory": self.items[item]}


def _identity(catalogue: Catalogue, item: int) -> str:
    names = [name for name, has in zip(catalogue.genre_names, catalogue.genres[item], strict=True) if has]
    year = [str(catalogue.years[item])] if catalogue.years[item] else []
    return plain(", ".join([*year, *names]))


def _taken_first(met: Encounter) -> bool:
    return (met.user + met.taken) % 2 == 0


def _memories(answer: Answer) -> tuple[str, str, str]:
    found = json_object(answer)
    texts = [found.get(name) for name in ("person", "taken", "other")]
    if not all(isinstance(text, str) and text.strip() for text in texts):
        raise RejectedError("malformed", '"person", "taken" and "other" must be texts that are not empty')
    if (longest := max(len(str(text)) for text in texts)) > LONGEST:
        raise RejectedError("too long", f"a memory must have at most {LONGEST} characters, not {longest}")
    person, taken, other = (plain(str(text)) for text in texts)
    return person, taken, other
