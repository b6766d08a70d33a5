"""Answers that are held to forms: by models that know nothing, with hostile names, in a batch and alone."""

import json
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fixtures.chat_model import make_model, make_tokenizer
from fixtures.chat_server import ChatServer, questions
from personagym_agents.llm.answer_cache import AnswerCache, CachedChat
from personagym_agents.llm.answers import HABITS, AnswerLimits, Notes, read_notes, read_profile, read_reasons
from personagym_agents.llm.batches import chronological_batches
from personagym_agents.llm.chat import Answer, Conversation, Form, Message
from personagym_agents.llm.claims import ClaimReader
from personagym_agents.llm.endpoint import EndpointChat, EndpointSettings
from personagym_agents.llm.evidence import decades_of
from personagym_agents.llm.forms import form_of_merged, form_of_notes, form_of_profile, form_of_reasons
from personagym_agents.llm.local import LocalChat, LocalSettings
from personagym_agents.llm.reflection import Reflection, ReflectionSettings
from personagym_env.data.tables import Dataset
from personagym_env.run_context import RunContext

LIMITS = AnswerLimits(taste=40, claims=3)
NOTES = [Notes("A person.", ("likes Drama", "hates 1990s")), Notes("The same.", ("likes Drama",))]


def conversations(count: int) -> list[Conversation]:
    return [(Message("system", "Answer."), Message("user", "why" * (1 + place))) for place in range(count)]


def chat_of(architecture: str = "llama", batch: int = 8) -> LocalChat:
    tokenizer = make_tokenizer()
    return LocalChat(make_model(architecture, tokenizer), tokenizer, LocalSettings(batch=batch))


@pytest.mark.parametrize("architecture", ["llama", "qwen2"])
def test_a_model_that_knows_nothing_answers_in_the_form(
    architecture: str, make_dataset: Callable[..., Dataset]
) -> None:
    data = make_dataset(n_users=1, n_items=20, per_user=10)
    batch = chronological_batches(data.interactions, 0)[0]
    forms = [
        form_of_notes(batch, data.interactions, data.catalogue, LIMITS),
        form_of_merged(NOTES, LIMITS),
        form_of_profile(NOTES, LIMITS),
        form_of_profile([Notes("Nothing.", ())], LIMITS),
        form_of_reasons(3, 30),
    ]
    found = dict(chat_of(architecture).answers(conversations(len(forms)), 500, forms))
    assert all(answer.finished for answer in found.values())
    of_batch = read_notes(found[0], LIMITS)
    assert 20 <= len(json.loads(found[0].text)["taste"]) <= 40
    reader = ClaimReader(data.catalogue.genre_names, decades_of(data.catalogue))
    assert all(len(reader.read(claim)) == 1 for claim in of_batch.claims)
    assert set(read_notes(found[1], LIMITS).claims) <= {"likes Drama", "hates 1990s"}
    habits, long_term = read_profile(found[2], LIMITS)
    assert all(word in HABITS[trait] for trait, word in habits)
    assert set(long_term.claims) <= {"likes Drama", "hates 1990s"}
    assert read_profile(found[3], LIMITS)[1].claims == ()
    assert len(read_reasons(found[4], 3)) == 3


def test_every_verb_and_subject_of_a_batch_can_be_claimed(make_dataset: Callable[..., Dataset]) -> None:
    data = make_dataset(n_users=1, n_items=4, n_genres=4, per_user=2)
    batch = chronological_batches(data.interactions, 0)[0]
    form = json.loads(json.dumps(form_of_notes(batch, data.interactions, data.catalogue, LIMITS)))
    claims = set(form["properties"]["claims"]["items"]["enum"])
    genres = np.flatnonzero(data.catalogue.genres[data.interactions.items].any(axis=0))
    subjects = [*(f"genre {genre}" for genre in genres), "1990s"]
    assert len(genres) < 4
    assert claims == {f"{verb} {name}" for verb in ("loves", "likes", "dislikes", "hates") for name in subjects}


def test_forms_do_not_depend_on_their_batch() -> None:
    forms = [form_of_merged(NOTES, LIMITS), form_of_reasons(2, 25), form_of_profile(NOTES, LIMITS)]
    together = dict(chat_of(batch=3).answers(conversations(3), 400, forms))
    alone = dict(chat_of(batch=1).answers(conversations(3), 400, forms))
    assert together == alone
    assert len({answer.text for answer in alone.values()}) == 3


HOSTILE = ('Drama", "claims": ["x', "a\\b\nc", "]}", "\u202eevil", "<|im_end|>", "long " * 30)


def test_hostile_names_stay_names(make_dataset: Callable[..., Dataset]) -> None:
    data = make_dataset(n_users=1, n_items=20, n_genres=len(HOSTILE), per_user=10)
    hostile = replace(data.catalogue, genre_names=HOSTILE)
    batch = chronological_batches(data.interactions, 0)[0]
    forms: list[Form] = [form_of_notes(batch, data.interactions, hostile, LIMITS)]
    [(_, answer)] = chat_of().answers(conversations(1), 500, forms)
    assert set(json.loads(answer.text)) == {"taste", "claims"}
    assert all(len(claim) <= 60 for claim in read_notes(answer, LIMITS).claims)


def test_every_user_gets_a_profile_of_a_model_that_is_held_to_forms(make_dataset: Callable[..., Dataset]) -> None:
    data = make_dataset(n_users=3, n_items=30, per_user=25)
    counts: Counter[str] = Counter()
    settings = ReflectionSettings(LIMITS, tries=1, folds=2)
    drafts = Reflection(chat_of(), settings, counts, RunContext()).drafts(data.interactions, data.catalogue)
    assert len(drafts) == 9
    assert counts["answers malformed"] == counts["answers too long"] == counts["questions given up"] == 0


def test_what_cannot_be_held_to_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="expected a JSON schema that answers can be held to"):
        list(chat_of().answers(conversations(1), 9, [{"type": "poem"}]))
    monkeypatch.setitem(sys.modules, "llguidance.hf", None)
    with pytest.raises(ImportError, match=r"needs the package llguidance: pip install 'personagym\[slm\]'"):
        list(chat_of().answers(conversations(1), 9, [form_of_reasons(1, 30)]))


def test_a_server_is_told_forms_if_it_may_be(server: ChatServer, tmp_path: Path) -> None:
    form = {"type": "object"}
    for told in (True, False):
        with EndpointChat(EndpointSettings(server.url, "tiny", forms=told)) as chat:
            cached = CachedChat(chat, AnswerCache(tmp_path))
            assert dict(cached.answers(questions(1), 50, [form])) == {0: Answer("question 0", True, 7, 3)}
    first, second = (request.body for request in server.requests)
    said = first.pop("response_format")
    assert said == {"type": "json_schema", "json_schema": {"name": "answer", "schema": form}}
    assert first == second
