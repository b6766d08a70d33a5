"""An attribution is the difference of two answers of the very model, each of which one plain prompt gives."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from peft.tuners.lora import LoraLayer
from transformers import PreTrainedModel

from personagym_agents.classical.choice import ChoiceModel
from personagym_agents.classical.link import OrdinalLink, Spread
from personagym_agents.classical.response_style import ResponseStyle, ScaleUse
from personagym_agents.explanations.wording import explain_in_words
from personagym_agents.inference.answer_link import AnswerLink
from personagym_agents.inference.language_users import LanguageUserAgent
from personagym_agents.inference.linked_users import LinkedUsers
from personagym_agents.inference.whole_documents import answer_documents
from personagym_agents.memory.evidence import recalled_numbers
from personagym_agents.model.causal_lm import answer_logits
from personagym_env.data.tables import FloatArray
from personagym_env.explanations import ExplainingAgent, Explanation, explain

USER, ITEM = 3, 7
SESSION = [(50, 1), (51, 4)]


@pytest.fixture(scope="module")
def agent(make_language_agent: Callable[..., LanguageUserAgent]) -> LanguageUserAgent:
    return make_language_agent()


@pytest.fixture(scope="module")
def explanation(agent: LanguageUserAgent) -> Explanation:
    return explain(agent, USER, ITEM, SESSION)


def of_kind(explanation: Explanation, kind: str, *, whole: bool = False) -> list[Any]:
    found = explanation.attributions
    return [one for one in found if one.part.kind == kind and one.part.whole == whole]


@pytest.mark.parametrize("architecture", ["llama", "gpt2"])
def test_answers_are_those_of_plain_prompts(
    architecture: str,
    make_language_agent: Callable[..., LanguageUserAgent],
    reference_model: Callable[..., PreTrainedModel],
    plain_answers: Callable[..., FloatArray],
) -> None:
    agent, model = make_language_agent(architecture), reference_model(architecture, adapted=True)
    found = explain(agent, USER, ITEM, SESSION)
    np.testing.assert_allclose(found.answers, plain_answers(agent, model, USER, SESSION, ITEM), atol=1e-5)
    oldest = plain_answers(agent, model, USER, SESSION, ITEM, dropped=1)
    np.testing.assert_allclose(of_kind(found, "history")[0].without, oldest, atol=1e-5)
    nothing = plain_answers(agent, model, USER, [], ITEM)
    (session,) = of_kind(found, "session", whole=True)
    np.testing.assert_allclose(session.without, nothing, atol=1e-5)
    logit = np.log(found.choice_probability / (1 - found.choice_probability))
    assert session.choice == pytest.approx(logit - np.log((1 - nothing[0]) / nothing[0]), abs=1e-3)
    assert session.rating == pytest.approx(found.expected_rating - nothing[1:] @ np.arange(1, 6) / nothing[1:].sum())


def test_every_part_of_the_document_is_left_out_once(agent: LanguageUserAgent, explanation: Explanation) -> None:
    profile, *lines = agent.document(USER).split("\n")
    assert [one.part.text for one in of_kind(explanation, "profile")] == profile.split("; ")
    assert len(of_kind(explanation, "history")) == len(lines) == 8
    assert len(of_kind(explanation, "session")) == len(SESSION)
    catalogue = agent.corpus.dataset.catalogue
    assert of_kind(explanation, "session")[1].part.text == f"{catalogue.titles[51]}: 5"
    assert len(of_kind(explanation, "genre")) == catalogue.genres[ITEM].sum()
    assert len(of_kind(explanation, "memory")) == len(agent.corpus.of_memory)
    assert {one.part.kind for one in explanation.attributions if one.part.whole} >= {"profile", "history", "memory"}


def test_documents_that_begin_differently_share_a_pass(
    agent: LanguageUserAgent, reference_model: Callable[..., PreTrainedModel]
) -> None:
    """As where a tokenizer has no begin token and the first phrase is left out."""
    documents = [[5, 9, 12, 7], [6, 9], [5, 3, 3], [6, 4, 4, 8, 1]]
    found = answer_documents(agent.population, 0, documents)
    model = reference_model("llama", adapted=True)
    for module in model.modules():
        if isinstance(module, LoraLayer):
            module.set_adapter("persona-0")
    for place, tokens in enumerate(documents):
        with torch.no_grad():
            hidden = model.base_model(input_ids=torch.tensor([tokens])).last_hidden_state[:, -1]
            answers = torch.softmax(answer_logits(model, hidden, agent.population.answer_ids).double(), dim=-1)[0]
        assert found.choice_probability[0, place] == pytest.approx(1 - float(answers[0]), abs=1e-5)


def scale_use(agent: LanguageUserAgent, n_ratings: int) -> ScaleUse:
    """Everybody scatters alike, and uses the scale in a way of one's own."""
    shapes = (agent.n_users, n_ratings), (agent.n_items, n_ratings)
    style = ResponseStyle(*(np.random.default_rng(0).normal(0, 0.3, shape).astype(np.float32) for shape in shapes))
    spread = Spread(np.zeros(agent.n_users, np.float32), np.zeros(agent.n_items, np.float32), 1.0)
    return ScaleUse(spread, style)


def test_linked_users_explain_on_the_scale_of_their_log(agent: LanguageUserAgent, explanation: Explanation) -> None:
    ordinal = OrdinalLink(np.array([-0.5, 0.5], np.float32), 1.0, np.zeros(5, np.float32), np.ones(2, np.float32))
    choice = ChoiceModel(0.3, np.array([2.0, 0.1, 0.0, 0.05, 0.0], np.float32))
    link = AnswerLink((1.0, 2.0, 3.0), agent.scale, trust=0.5, centre=3.0, width=1.0, ordinal=ordinal, choice=choice)
    use = scale_use(agent, 3)
    linked = LinkedUsers(agent, link, use, alone=link, name="linked")
    assert isinstance(linked, ExplainingAgent)
    found = explain(linked, USER, ITEM, [])
    sessions, row = linked.open(1), np.zeros(1, np.int64)
    sessions.start(row, row + USER)
    reaction = sessions.react(row, np.array([[ITEM]]))
    assert found.choice_probability == pytest.approx(float(reaction.choice_probability[0, 0]), abs=1e-5)
    assert found.expected_rating == pytest.approx(float(reaction.rating[0, 0] @ [1, 2, 3]), abs=1e-5)
    assert len(found.answers) == 4
    assert len(found.attributions) == len(explanation.attributions) - len(SESSION) - 1


def test_what_is_left_out_of_the_memory_is_hidden_from_the_link(agent: LanguageUserAgent) -> None:
    """A link that trusts what is recalled alone moves with that, whatever the base says."""
    ordinal = OrdinalLink(np.array([0.0], np.float32), 1.0, np.zeros(5, np.float32), np.zeros(2, np.float32))
    choice = ChoiceModel(0.0, np.zeros(5, np.float32))
    link = AnswerLink((0.0, 1.0), agent.scale, trust=0.0, centre=3.0, width=1.0, ordinal=ordinal, choice=choice)
    use = scale_use(agent, 2)
    linked = LinkedUsers(agent, link, use, alone=link, name="linked")
    expected = recalled_numbers(agent.corpus.recall(np.array([USER]))[0]).expected
    item = int(expected.argmax())
    attributions = explain(linked, USER, item, []).attributions
    moved = [one for one in attributions if abs(one.rating) > 1e-6]
    assert {one.part.kind for one in moved} == {"memory"}
    assert [one.part.text.split()[0] for one in moved if not one.part.whole] == ["expected"]
    assert all(one.rating > 0 for one in moved)


def test_words_name_what_moved_the_answer_most(agent: LanguageUserAgent, explanation: Explanation) -> None:
    words = explain_in_words(explanation, agent.corpus.dataset.catalogue.titles[ITEM])
    strongest = explanation.strongest(1)[0]
    assert strongest.part.text in words
    assert f"{strongest.rating:+.2f} points" in words
    assert f"{explanation.choice_probability:.0%}" in words


def test_others_refuse_in_one_line(agent: LanguageUserAgent, make_agent: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match="read no document"):
        explain(make_agent(3, 12, choice_probability=0.5), 0, 0)
    with pytest.raises(ValueError, match=r"item must lie in 0\.\.59, got 60"):
        explain(agent, 0, 60)
    with pytest.raises(ValueError, match=r"rating of the session must lie in 0\.\.4, got 5"):
        explain(agent, 0, 0, [(3, 5)])
