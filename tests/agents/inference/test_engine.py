"""The packed, cached, mixed-adapter pass must give what one plain prompt per pair gives."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from personagym_agents.documents.window import window_of
from personagym_agents.inference import packed_pass
from personagym_agents.inference.engine import LanguageSessions
from personagym_agents.inference.language_users import LanguageUserAgent
from personagym_agents.model.packing import PREFIX, Segments, pack
from personagym_env.conformance.user_agent import check_user_agent
from personagym_env.data.tables import FloatArray


@pytest.mark.parametrize("row_by_row", [False, True])
@pytest.mark.parametrize("adapted", [False, True])
@pytest.mark.parametrize("architecture", ["llama", "qwen2", "qwen3", "gemma", "phi3", "gpt2", "gpt_neox"])
def test_packed_scoring_equals_one_prompt_per_pair(
    make_language_agent: Callable[..., LanguageUserAgent],
    reference_model: Callable[..., PreTrainedModel],
    check_exactness: Callable[..., None],
    architecture: str,
    adapted: bool,
    row_by_row: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With attention row by row, as on a processor, and in rectangles, as on all other devices."""
    monkeypatch.setattr(packed_pass, "suits_row_attention", lambda _: row_by_row)
    agent = make_language_agent(architecture, adapted=adapted)
    check_exactness(agent, reference_model(architecture, adapted=adapted), np.random.default_rng(1))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 2**32 - 1),
    adapted=st.booleans(),
    slate_size=st.integers(1, 7),
    steps=st.integers(1, 5),
    pass_size=st.integers(1, 40),
)
def test_packed_scoring_is_exact_whatever_happens(
    make_language_agent: Callable[..., LanguageUserAgent],
    reference_model: Callable[..., PreTrainedModel],
    check_exactness: Callable[..., None],
    seed: int,
    adapted: bool,
    slate_size: int,
    steps: int,
    pass_size: int,
) -> None:
    agent = make_language_agent(adapted=adapted)
    agent.population = agent.population._replace(pass_size=pass_size)  # type: ignore[misc]
    model = reference_model("llama", adapted=adapted)
    check_exactness(agent, model, np.random.default_rng(seed), slate_size=slate_size, steps=steps)


def test_scoring_is_exact_in_small_passes_after_items_from_elsewhere_and_with_a_shared_model(
    make_language_agent: Callable[..., LanguageUserAgent],
    reference_model: Callable[..., PreTrainedModel],
    plain_answers: Callable[..., FloatArray],
) -> None:
    """Slates wider than a pass; consumed items that were on no slate; two populations of one model."""
    first = make_language_agent(adapted=False)
    agent = LanguageUserAgent(first.population.model, first.corpus, name="other", history_lines=8)
    agent.population = agent.population._replace(pass_size=3)  # type: ignore[misc]
    model, row, user = reference_model("llama", adapted=False), np.array([1]), 3
    sessions = agent.open(2)
    sessions.start(np.array([0, 1]), np.array([5, user]))
    consumed = [(50, 1), (51, 4)]
    for item, rating in consumed:
        sessions.consume(row, np.array([item]), np.array([rating]))
    slate = np.array([7, 3, 50, 11, 20, 8, 2])
    choice_probability = sessions.react(row, slate[None]).choice_probability[0]
    expected = [1 - plain_answers(agent, model, user, consumed, item)[0] for item in slate.tolist()]
    np.testing.assert_allclose(choice_probability, expected, atol=1e-4)
    np.testing.assert_allclose(
        sessions.react(np.array([1, 0]), np.array([slate, slate])).choice_probability[0], choice_probability, atol=1e-5
    )


def first_slate(agent: LanguageUserAgent) -> LanguageSessions:
    """A session of user 0 that was shown item 0."""
    sessions = agent.open(1)
    sessions.start(np.array([0]), np.array([0]))
    sessions.react(np.array([0]), np.array([[0]]))
    return sessions


def test_a_session_that_begins_costs_no_inference(
    make_language_agent: Callable[..., LanguageUserAgent], monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = make_language_agent()
    monkeypatch.setattr(LanguageSessions, "_pass", lambda *_: pytest.fail("the model was asked"))
    sessions = agent.open(3)
    sessions.start(np.arange(3), np.arange(3))
    sessions.start(np.array([1]), np.array([4]))


def test_model_without_attention_interface_is_refused(make_language_agent: Callable[..., LanguageUserAgent]) -> None:
    corpus = make_language_agent().corpus
    config = AutoConfig.for_model("bloom", vocab_size=700, hidden_size=32, n_layer=2, n_head=4)
    with pytest.raises(ValueError, match="BloomForCausalLM cannot score packed candidates"):
        LanguageUserAgent(AutoModelForCausalLM.from_config(config), corpus, name="bloom")


def test_attention_beyond_the_causal_kind_is_refused(make_language_agent: Callable[..., LanguageUserAgent]) -> None:
    """Gemma 2 caps its attention scores."""
    corpus = make_language_agent().corpus
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    config = AutoConfig.for_model("gemma2", vocab_size=700, head_dim=8, num_key_value_heads=2, **sizes)
    agent = LanguageUserAgent(AutoModelForCausalLM.from_config(config), corpus, name="gemma2")
    with pytest.raises(ValueError, match="asks for softcap in its attention"):
        first_slate(agent)


def test_documents_stay_within_a_sliding_window(make_language_agent: Callable[..., LanguageUserAgent]) -> None:
    corpus = make_language_agent().corpus
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    config = AutoConfig.for_model("mistral", vocab_size=700, sliding_window=90, num_key_value_heads=2, **sizes)
    agent = LanguageUserAgent(AutoModelForCausalLM.from_config(config), corpus, name="mistral")
    assert window_of(agent.population.model) == agent.population.window == 90
    assert 0 < first_slate(agent).cached_tokens[0] <= 90


def test_window_too_small_for_any_history_is_refused(make_language_agent: Callable[..., LanguageUserAgent]) -> None:
    sessions = make_language_agent(adapted=False, positions=8).open(1)
    with pytest.raises(ValueError, match="do not fit into the 8 positions of LlamaForCausalLM"):
        sessions.start(np.array([0]), np.array([0]))


@pytest.mark.parametrize("architecture", ["llama", "gpt2"])
def test_language_users_conform(make_language_agent: Callable[..., LanguageUserAgent], architecture: str) -> None:
    check_user_agent(make_language_agent(architecture))


def test_adapters_matter(make_language_agent: Callable[..., LanguageUserAgent]) -> None:
    slates = np.arange(6)[None]
    answers = []
    for adapted in (False, True):
        sessions = make_language_agent(adapted=adapted).open(1)
        sessions.start(np.array([0]), np.array([1]))
        answers.append(sessions.react(np.array([0]), slates).choice_probability)
    assert np.abs(answers[0] - answers[1]).max() > 1e-3


def test_full_window_drops_oldest_lines_counts_them_and_stays_exact(
    make_language_agent: Callable[..., LanguageUserAgent],
    reference_model: Callable[..., PreTrainedModel],
    plain_answers: Callable[..., FloatArray],
) -> None:
    agent = make_language_agent(adapted=False, positions=200)
    model = reference_model("llama", adapted=False)
    sessions = agent.open(1)
    row, consumed = np.array([0]), []
    sessions.start(row, np.array([2]))
    for item in range(30):
        reaction = sessions.react(row, np.array([[item, 40]]))
        dropped = int(sessions.dropped_lines[0])
        expected = plain_answers(agent, model, 2, consumed, 40, dropped)
        assert reaction.choice_probability[0, 1] == pytest.approx(1 - expected[0], abs=1e-4)
        consumed.append((item, item % 5))
        sessions.consume(row, np.array([item]), np.array([item % 5]))
    assert sessions.dropped_lines[0] > 0
    assert sessions.cached_tokens[0] <= 200


def test_candidates_do_not_see_each_other() -> None:
    segments = Segments.of([[1, 2], [3], [4, 5, 6], [7]])
    packed = pack(
        segments, np.array([[0, 1, 2, 3], [1, 2, -1, -1]]), np.array([[PREFIX, PREFIX, 1, 2], [PREFIX, 1, 1, 1]])
    )
    assert packed.tokens.tolist() == [[1, 2, 3, 4, 5, 6, 7], [3, 4, 5, 6, 0, 0, 0]]
    assert packed.positions[0].tolist() == [0, 1, 2, 3, 4, 5, 3]
    assert packed.positions[1, :4].tolist() == [0, 1, 2, 3]
    sees = packed.mask(torch.float32)[:, 0] == 0
    assert sees[0, 6].tolist() == [True, True, True, False, False, False, True]
    assert sees[0, 5].tolist() == [True, True, True, True, True, True, False]
    assert not sees[1, :4, 4:].any(), "padding is seen"


def test_consumed_candidate_is_moved_and_others_are_pending(
    make_language_agent: Callable[..., LanguageUserAgent],
) -> None:
    """Of a candidate of the last slate only the answer is left to encode; of any other item the whole line is."""
    agent = make_language_agent()
    sessions = agent.open(3)
    rows = np.arange(3)
    sessions.start(rows, np.array([4, 1, 0]))
    sessions.react(rows, np.array([[1, 2], [3, 4], [5, 6]]))
    filled = sessions.cached_tokens
    sessions.consume(np.array([2, 0]), np.array([6, 9]), np.array([1, 1]))
    line_and_answer = 2 + len(agent.corpus.of_memory)
    assert sessions.pending_segments.tolist() == [line_and_answer, 0, 1]
    line = agent.corpus.with_memory(agent.corpus.of_item[[6]], agent.corpus.recall(np.array([0]))[0, [6]])
    assert (sessions.cached_tokens - filled).tolist() == [0, 0, agent.population.segments.lengths[line].sum()]
