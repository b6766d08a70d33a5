"""Steered users: exact in mixed batches, moved by what their own rows say, and not moved where these say nothing."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from personagym_agents.documents.corpus import Corpus
from personagym_agents.inference.engine import NO_SEGMENT
from personagym_agents.inference.language_users import LanguageUserAgent
from personagym_agents.inference.model_hooks import layers_of
from personagym_agents.model.causal_lm import answer_logits
from personagym_agents.variants.steered import SteeringSettings, SteeringVectors, read_vectors, steered
from personagym_env.data.splits import temporal_split
from personagym_env.data.tables import Dataset
from personagym_env.evaluation.core.pair_reactions import react_to_pairs
from personagym_env.evaluation.fidelity.fidelity_test import rating_fidelity

SETTINGS = SteeringSettings(layer=0, multiplier=1.5, neighbours=3, samples=12)


def plain(
    agent: LanguageUserAgent,
    model: PreTrainedModel,
    script: list[int],
    added: torch.Tensor,
    layer: int,
) -> np.ndarray:  # type: ignore[type-arg]
    """(1 + r,) answers of one prompt through the plain model, with a vector added behind a layer at its last token."""
    table = agent.population.segments
    tokens = [token for piece in script for token in table.tokens[piece, : table.lengths[piece]]]

    def add(module: torch.nn.Module, args: object, output: torch.Tensor) -> torch.Tensor:
        hidden = output.clone()
        hidden[0, -1] += added
        return hidden

    hook = layers_of(model)[layer].register_forward_hook(add)
    with torch.no_grad():
        hidden = model.base_model(input_ids=torch.tensor([tokens])).last_hidden_state[:, -1]
        logits = answer_logits(model, hidden, agent.population.answer_ids)
    hook.remove()
    return torch.softmax(logits.double(), dim=-1)[0].numpy()


@pytest.mark.parametrize("layer", [0, -1])
def test_a_mixed_batch_equals_the_plain_forward_with_the_same_vectors(
    make_language_agent: Callable[..., LanguageUserAgent], reference_model: Callable[..., PreTrainedModel], layer: int
) -> None:
    base = make_language_agent(adapted=False)
    vectors = read_vectors(base, replace(SETTINGS, layer=layer))
    agent, model = steered(base, vectors, "moved"), reference_model("llama", adapted=False)
    rng, users, rows = np.random.default_rng(4), np.array([3, 0, 7, 5]), np.array([2, 0, 3, 1])
    sessions = agent.open(4)
    sessions.start(rows, users)
    moved = 0.0
    for _ in range(2):  # with something consumed that was on the slate before
        slates = rng.integers(0, agent.n_items, (4, 5))
        wanted, rating = sessions.react(rows, slates)
        added = vectors.vectors(users, slates)
        for place, row in enumerate(rows.tolist()):
            for column, item in enumerate(slates[place].tolist()):
                script, line = sessions.pieces(row, item)
                pieces = [int(piece) for piece in np.concatenate([script, line]) if piece != NO_SEGMENT]
                expected = plain(base, model, pieces, added[place, column], layer)
                np.testing.assert_allclose(wanted[place, column], 1 - expected[0], atol=1e-5)
                np.testing.assert_allclose(rating[place, column], expected[1:] / expected[1:].sum(), atol=1e-5)
        moved += float(added.abs().max())
        sessions.consume(rows, slates[:, 0], np.array([4, 0, 1, 2]))
    assert moved > 0.1


def test_a_multiplier_of_nothing_moves_nothing(make_language_agent: Callable[..., LanguageUserAgent]) -> None:
    base = make_language_agent()
    agent = steered(base, read_vectors(base, replace(SETTINGS, multiplier=0.0)), "still")
    rows, slates = np.arange(3), np.arange(12).reshape(3, 4)
    found = []
    for one in (base, agent):
        sessions = one.open(3)
        sessions.start(rows, rows)
        found.append(sessions.react(rows, slates).rating)
    np.testing.assert_allclose(found[0], found[1], atol=1e-6)


def table(lines: np.ndarray, rows: np.ndarray, differences: np.ndarray, **settings: float) -> SteeringVectors:  # type: ignore[type-arg]
    """Vectors of given samples."""
    chosen = replace(SteeringSettings(), **settings)  # type: ignore[arg-type]
    to = [torch.from_numpy(part.astype(np.float32)) for part in (differences, lines)]
    return SteeringVectors(torch.nn.Identity(), to[0], rows, to[1], chosen)


def test_the_nearest_rows_count_by_likeness_and_unlike_ones_not_at_all() -> None:
    lines = np.array([[1, 0], [0.8, 0.6], [-1, 0]])  # item 2 is the opposite of item 0
    rows = np.array([[1, 2], [0, -1], [2, -1], [-1, -1]])
    differences = np.array([[[1.0], [5.0]], [[2.0], [9.0]], [[3.0], [9.0]], [[9.0], [9.0]]])
    found = table(lines, rows, differences, neighbours=2, multiplier=2.0)
    slates = np.zeros((4, 1), np.int64)
    assert found.vectors(np.arange(4), slates)[:, 0, 0].tolist() == [2.0, 4.0, 0.0, 0.0]
    both = table(lines, np.array([[0, 1]]), np.array([[[1.0], [3.0]]]), neighbours=2)
    assert both.vectors(np.array([0]), np.zeros((1, 1), np.int64)).item() == pytest.approx((1 + 0.8 * 3) / 1.8)


def test_where_the_crowd_is_right_nothing_is_moved(make_language_agent: Callable[..., LanguageUserAgent]) -> None:
    """A row whose true answer is the generic one gives no vector; the others do."""
    base = make_language_agent(adapted=False)
    found = read_vectors(base, SETTINGS)
    log = base.corpus.train
    count, mean = base.corpus.crowd.without_own(log)
    middle = np.where(count > 0, mean, np.median(log.ratings))
    agrees = np.abs(middle[:, None] - np.asarray(log.scale)).argmin(axis=1) == log.rating_index
    for user in range(3):
        own = np.arange(log.indptr[user], log.indptr[user + 1])[::-1][: SETTINGS.samples]
        moved = found.differences[user, : len(own)].abs().sum(dim=1).numpy() > 1e-4
        np.testing.assert_array_equal(moved, ~agrees[own])
    assert 0.2 < agrees.mean() < 0.9


def test_settings_that_cannot_be_are_told() -> None:
    with pytest.raises(ValueError, match="must be 1 or more, got 0"):
        SteeringSettings(neighbours=0)


@pytest.mark.parametrize("opinionated", [True, False])
def test_own_rows_steer_where_they_speak_of_others_and_not_where_chance_rates(
    opinionated: bool,
    tiny_model: Callable[..., PreTrainedModel],
    small_data: Dataset,
    small_tokenizer: PreTrainedTokenizerBase,
) -> None:
    """Where everybody has one rating for all, a model that knows nothing learns it from people's own rows.

    The model's answers are read off by the embeddings of answers, so that what moves towards one makes it likelier.
    Where ratings fall to people by chance, the rows of somebody else steer as well.
    """
    log = small_data.interactions
    lovers = np.where(log.users % 2, 5.0, 1.0)
    ratings = lovers if opinionated else np.random.default_rng(5).permutation(lovers)
    train, test = temporal_split(replace(log, ratings=ratings.astype(np.float32)))
    corpus = Corpus.build(replace(small_data, interactions=train), train, small_tokenizer)
    still = LanguageUserAgent(tiny_model("gpt2"), corpus, name="still", history_lines=8)
    own = read_vectors(still, SteeringSettings())
    others = replace(own, differences=own.differences.roll(1, 0), rows=np.roll(own.rows, 1, axis=0))
    surprise = []
    for vectors in (None, own, others):
        agent = steered(still, vectors, "moved")
        told = rating_fidelity(react_to_pairs(agent, test.users, test.items).rating, test)["nll"]
        surprise.append(told.resampled(np.ones((1, test.n_users)))[0])
    if opinionated:
        assert surprise[1] < min(surprise[0], surprise[2]) - 0.3
    else:
        assert abs(surprise[1] - surprise[2]) < 0.1
