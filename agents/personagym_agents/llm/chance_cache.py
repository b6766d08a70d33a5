"""Chances of answers on disk, one file for each question: a served model is asked nothing twice."""

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Protocol

import numpy as np

from personagym_agents.llm.answer_chances import AnswerModel
from personagym_agents.llm.chat import Conversation
from personagym_env.data.tables import FloatArray
from personagym_env.files import write_atomically

_AT_ONCE = 64
"""Questions after which what was answered is written, lest a run that is killed lose more."""
_MISSED = 1e-6
"""By which chances may miss a sum of 1."""


class IdentifiedModel(AnswerModel, Protocol):
    """A model of answers that tells what decides them."""

    @property
    def identity(self) -> Mapping[str, object]:
        """As JSON: whoever has another one may answer otherwise."""


class CachedChances:
    """A model of answers that is asked nothing twice, not even by the next run.

    Args:
        model: answers what is not known yet.
        folder: of the files; made if it is not there. Each appears complete or not at all.
    """

    def __init__(self, model: IdentifiedModel, folder: Path) -> None:
        self._model, self._folder = model, folder
        self.asked, self.known = 0, 0
        """Questions that went to the model, and that were known."""
        folder.mkdir(parents=True, exist_ok=True)

    def chances(self, conversations: Sequence[Conversation], words: Sequence[str]) -> FloatArray:
        """See `AnswerModel.chances`.

        Raises:
            ChatError: an answer cannot be had.
            ValueError: a file of the folder is damaged.
        """
        places = [self._place(conversation, words) for conversation in conversations]
        asked = dict(zip(places, conversations, strict=True))
        found = {place: self._read(place, len(words)) for place in asked}
        missing = {place: asked[place] for place, told in found.items() if told is None}
        self.known += len(places) - len(missing)
        for begin in range(0, len(missing), _AT_ONCE):
            some = list(missing)[begin : begin + _AT_ONCE]
            for place, told in zip(some, self._model.chances([missing[one] for one in some], words), strict=True):
                write_atomically(place, json.dumps(told.tolist()))
                found[place] = told
            self.asked += len(some)
        return np.array([found[place] for place in places]).reshape(len(places), len(words))

    def _place(self, conversation: Conversation, words: Sequence[str]) -> Path:
        asked = [dict(self._model.identity), [list(message) for message in conversation], list(words)]
        key = sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
        return self._folder / key[:2] / f"{key}.json"

    @staticmethod
    def _read(place: Path, count: int) -> FloatArray | None:
        try:
            told = np.asarray(json.loads(place.read_bytes()), np.float64)
        except FileNotFoundError:
            return None
        except (ValueError, TypeError) as error:
            raise ValueError(f"{place}: expected chances as JSON ({error}); delete the file to ask again") from error
        if told.shape != (count,) or not (told >= 0).all() or abs(told.sum() - 1) > _MISSED:
            raise ValueError(f"{place}: expected {count} chances with a sum of 1; delete the file to ask again")
        return told
