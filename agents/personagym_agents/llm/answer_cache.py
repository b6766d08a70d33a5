"""Answers on disk, one file each, written as they come: a run that was killed goes on where it was."""

import json
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path

from personagym_agents.llm.chat import Answer, ChatModel, Conversation, Form, Usage
from personagym_env.files import write_atomically


def request_key(
    identity: Mapping[str, object], conversation: Conversation, max_tokens: int, form: Form | None = None
) -> str:
    """SHA-256 of everything that decides an answer."""
    request = [dict(identity), [list(message) for message in conversation], max_tokens]
    request += [] if form is None else [dict(form)]
    return sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()


class AnswerCache:
    """A folder of answers by key; each file appears complete or not at all.

    Args:
        folder: made if it is not there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def _place(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.json"

    def get(self, key: str) -> Answer | None:
        """The answer, or None if there is none.

        Raises:
            ValueError: the file is not an answer.
        """
        place = self._place(key)
        try:
            content = json.loads(place.read_bytes())
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise ValueError(f"{place}: expected an answer as JSON ({error}); delete the file to ask again") from error
        if not _is_answer(content):
            raise ValueError(f"{place}: expected the fields {', '.join(Answer._fields)}; delete the file to ask again")
        return Answer(**content)

    def put(self, key: str, answer: Answer) -> None:
        """Write an answer."""
        write_atomically(self._place(key), json.dumps(answer._asdict()))


def _is_answer(content: object) -> bool:
    if not isinstance(content, dict) or set(content) != set(Answer._fields):
        return False
    tokens = content["prompt_tokens"], content["completion_tokens"]
    counted = all(count is None or isinstance(count, int) for count in tokens)
    return isinstance(content["text"], str) and isinstance(content["finished"], bool) and counted


class CachedChat:
    """A chat model that is asked nothing twice.

    Args:
        model: answers what is not known yet.
        cache: where answers are kept.
    """

    def __init__(self, model: ChatModel, cache: AnswerCache) -> None:
        self._model, self._cache = model, cache
        self.asked, self.known = Usage(), Usage()
        """Answers had from the model, and from the cache."""

    @property
    def identity(self) -> Mapping[str, object]:
        """See `ChatModel.identity`."""
        return self._model.identity

    def answers(
        self, conversations: Sequence[Conversation], max_tokens: int, forms: Sequence[Form] | None = None
    ) -> Iterator[tuple[int, Answer]]:
        """See `ChatModel.answers`; an answer is on disk before it is handed out.

        Raises:
            ChatError: the model cannot be asked.
            ValueError: a file of the cache is damaged.
        """
        places: dict[str, list[int]] = {}
        for place, conversation in enumerate(conversations):
            form = None if forms is None else forms[place]
            places.setdefault(request_key(self.identity, conversation, max_tokens, form), []).append(place)
        missing = []
        for key, same in places.items():
            answer = self._cache.get(key)
            if answer is None:
                missing.append(key)
                continue
            self.known.add(answer)
            yield from ((place, answer) for place in same)
        asked = [places[key][0] for key in missing]
        their_forms = None if forms is None else [forms[place] for place in asked]
        for number, answer in self._model.answers([conversations[place] for place in asked], max_tokens, their_forms):
            self._cache.put(missing[number], answer)
            self.asked.add(answer)
            yield from ((place, answer) for place in places[missing[number]])
