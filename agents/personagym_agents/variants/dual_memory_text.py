"""`dual-memory` in words: memories are texts, by which a language model chooses, and which it rewrites.

The numeric users of `personagym_agents.variants.dual_memory` are what stands on the boards; this is the same loop as
AgentCF (Zhang et al., WWW 2024) has it, for any model behind the two seams `AnswerModel` (which item is taken) and
`ChatModel` (what is remembered of it): choose between the item taken and one drawn by popularity, then let the user and
both items reflect. In its words an agreement is reinforced too, by a reflection that is told that the choice was right.
Chances take the place of the choice that a model writes out: each pair is shown in both orders, so that a model that
leans to the first place leans nowhere, and an answer always is one. Each of the three memories is asked for on its own
and in plain text, because small models write no JSON.
"""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from personagym_agents.llm.answer_chances import AnswerModel
from personagym_agents.llm.answers import RejectedError
from personagym_agents.llm.asking import Asker
from personagym_agents.llm.chat import Answer, ChatModel, Conversation
from personagym_agents.llm.prompts import DATA, data_conversation
from personagym_agents.llm.safety import plain, plain_title
from personagym_env.data.tables import Catalogue, FloatArray
from personagym_env.run_context import RunContext

LONGEST = 240
"""Characters of a memory; a longer one is cut, and ends in three dots."""
_TOKENS, _TRIES, _AT_ONCE = 80, 3, 4
"""Of an answer; answers that are asked for until one holds a text; pairs that are asked about in one call."""
_CHOOSE = """\
You play one person who chooses one of two items. {data}
It holds what the person remembers of its own taste, and of each item its title and what the item remembers of the \
people who take it.
Answer with the number of the item that the person takes, 1 or 2, and nothing else."""
_REVISE = """\
You keep the memory of {whose}. {data}
It holds the memories of one person and of two items, which item the person really took, and whether the memories had \
led to it. Write the memory of {whose} anew, so that they lead to it: {what}. Keep what still holds.
Answer with the memory and nothing else: one or two sentences in the third person, in English, of at most {longest} \
characters."""
_KEEPERS = {
    "person": ("the person", "what the person likes and dislikes"),
    "taken": ("the item taken", "which people it is for"),
    "other": ("the other item", "which people it is for"),
}
"""Whose memories are revised, and what stands in each."""


class Encounter(NamedTuple):
    """A choice that a user really made."""

    user: int
    taken: int
    other: int
    """Drawn by popularity."""


class TextMemories:
    """What users and items remember, in words; `counts` says how choices and answers went.

    Args:
        catalogue: of the items, whose memories begin with year and genres.
        n_users: whose memories begin empty.
        answers: chooses.
        chat: revises.
        context: shows the progress.
        disagreeing: whether wrong choices are learned from, or, as the numeric twin does, right ones alone.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        n_users: int,
        answers: AnswerModel,
        chat: ChatModel,
        context: RunContext,
        *,
        disagreeing: bool = True,
    ) -> None:
        self._titles = [plain_title(title) for title in catalogue.titles]
        self.users = [""] * n_users
        self.items = [_identity(catalogue, item) for item in range(len(catalogue))]
        self.counts: Counter[str] = Counter()
        self._answers, self._disagreeing = answers, disagreeing
        self._asker = Asker(chat, tries=_TRIES, tokens=_TOKENS, counts=self.counts, context=context)

    def choose(self, encounters: Sequence[Encounter]) -> FloatArray:
        """(n,) chance that the memories lead to the item that was taken: the mean over both orders of the pair.

        Raises:
            ChatError: the model cannot be asked.
        """
        found = []
        for begin in range(0, len(encounters), _AT_ONCE):
            asked = [
                self._question(met.user, pair)
                for met in encounters[begin : begin + _AT_ONCE]
                for pair in ((met.taken, met.other), (met.other, met.taken))
            ]
            chances = self._answers.chances(asked, ("1", "2"))
            found.append((chances[::2, 0] + chances[1::2, 1]) / 2)
        self.counts["choices asked"] += 2 * len(encounters)
        return np.concatenate(found) if found else np.zeros(0)

    def live(self, encounters: Sequence[Encounter]) -> FloatArray:
        """Choose, then revise or reinforce what was remembered; gives the chances (n,) as they were before.

        Raises:
            ChatError: the model cannot be asked.
            ValueError: a user or item stands in two of the encounters, whose revisions would overwrite each other.
        """
        for what, ids in (
            ("user", [one.user for one in encounters]),
            ("item", [i for one in encounters for i in one[1:]]),
        ):
            if len(set(ids)) < len(ids):
                raise ValueError(f"every {what} may stand in one encounter of a round, got {sorted(ids)}")
        chances = self.choose(encounters)
        right = chances > 1 / 2
        for word, many in (("right", right), ("wrong", ~right)):
            self.counts[word] += int(many.sum())
        told = [(met, bool(led)) for met, led in zip(encounters, right, strict=True) if led or self._disagreeing]
        asked = [(met, keeper, self._reflection(met, led, keeper)) for met, led in told for keeper in _KEEPERS]
        revised = self._asker.ask("revise", [question for *_, question in asked], lambda answer, _: _memory(answer))
        for (met, keeper, _), memory in zip(asked, revised, strict=True):
            if memory is None:
                continue
            if keeper == "person":
                self.users[met.user] = memory
            else:
                self.items[met.taken if keeper == "taken" else met.other] = memory
        return chances

    def _question(self, user: int, pair: tuple[int, int]) -> Conversation:
        shown = [{"number": place, **self._shown(item)} for place, item in enumerate(pair, 1)]
        return data_conversation(_CHOOSE.format(data=DATA), {"person": self.users[user], "items": shown})

    def _reflection(self, met: Encounter, led: bool, keeper: str) -> Conversation:
        whose, what = _KEEPERS[keeper]
        told = {
            "person": self.users[met.user],
            "taken": self._shown(met.taken),
            "other": self._shown(met.other),
            "memories led there": led,
        }
        return data_conversation(_REVISE.format(data=DATA, whose=whose, what=what, longest=LONGEST), told)

    def _shown(self, item: int) -> dict[str, str]:
        return {"title": self._titles[item], "memory": self.items[item]}


def _identity(catalogue: Catalogue, item: int) -> str:
    names = [name for name, has in zip(catalogue.genre_names, catalogue.genres[item], strict=True) if has]
    year = [str(catalogue.years[item])] if catalogue.years[item] else []
    return plain(", ".join([*year, *names]))


def _memory(answer: Answer) -> str:
    text = plain(answer.text)
    if not text:
        raise RejectedError("malformed", "a memory must be a text that is not empty")
    if answer.finished and len(text) <= LONGEST:
        return text
    return text[: LONGEST - 2].rsplit(" ", 1)[0] + " ..."
