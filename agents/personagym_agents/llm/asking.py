"""Asking a chat model until its answers are what was asked for, or giving up."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeVar

from personagym_agents.llm.answers import RejectedError
from personagym_agents.llm.chat import Answer, ChatModel, Conversation, Form
from personagym_agents.llm.prompts import ask_again
from personagym_env.run_context import Bar, RunContext

T = TypeVar("T")


class Asker:
    """Asks, reads, and asks again with the reason what could not be read.

    Args:
        chat: is asked.
        tries: answers asked for at most, the first included, until one is accepted.
        tokens: of an answer at most.
        counts: is added to: `answers malformed`, `answers too long`, and `questions given up` after all tries.
        context: shows the progress.
    """

    def __init__(self, chat: ChatModel, *, tries: int, tokens: int, counts: Counter[str], context: RunContext) -> None:
        self._chat, self._tries, self._tokens, self._counts, self._context = chat, tries, tokens, counts, context

    def ask(
        self,
        stage: str,
        conversations: Sequence[Conversation],
        read: Callable[[Answer, int], T],
        forms: Sequence[Form] | None = None,
    ) -> list[T | None]:
        """What is read from the answers; None where every try was rejected.

        Args:
            stage: what the progress is reported under.
            conversations: the questions.
            read: of an answer and its question's place; raises `RejectedError` at an answer that was not asked for.
            forms: that answers are held to, one per question, see `ChatModel.answers`; None leaves them free.

        Raises:
            ChatError: the chat model cannot be asked.
        """
        with self._context.bar(stage, len(conversations)) as settled:
            return self._ask(conversations, read, forms, settled)

    def _ask(
        self,
        conversations: Sequence[Conversation],
        read: Callable[[Answer, int], T],
        forms: Sequence[Form] | None,
        settled: Bar,
    ) -> list[T | None]:
        results: list[T | None] = [None] * len(conversations)
        pending = dict(enumerate(conversations))
        for attempt in range(1, self._tries + 1):
            places, rejected = list(pending), {}
            asked = [pending[place] for place in places]
            their_forms = None if forms is None else [forms[place] for place in places]
            for number, answer in self._chat.answers(asked, self._tokens, their_forms):
                place = places[number]
                try:
                    results[place] = read(answer, place)
                except RejectedError as reason:
                    self._counts[f"answers {reason.kind}"] += 1
                    rejected[place] = ask_again(conversations[place], str(reason), attempt + 1)
                    continue
                settled(1)
            # In the order of the questions, whatever the order of the answers.
            pending = {place: rejected[place] for place in sorted(rejected)}
            if not pending:
                break
        self._counts["questions given up"] += len(pending)
        settled(len(pending))
        return results
