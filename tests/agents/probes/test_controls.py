"""Controls of language-model users are told less, or lies, and prompts tell nothing that is held out."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from personagym_agents.documents.corpus import Corpus
from personagym_agents.inference.language_users import LanguageUserAgent
from personagym_agents.memory.evidence import Evidence, Memory
from personagym_agents.probes.controls import with_adapters_of_others, with_shuffled_ratings, without_history
from personagym_env.conformance.user_agent import check_user_agent
from personagym_env.data.splits import Split, temporal_split
from personagym_env.data.tables import Dataset, IntArray, Interactions
from personagym_env.evaluation.core.pair_reactions import react_to_pairs
from personagym_env.evaluation.fidelity.contamination import blind, find_leaks


@pytest.fixture(scope="module")
def agent(make_language_agent: Callable[..., LanguageUserAgent]) -> LanguageUserAgent:
    return make_language_agent("llama")


def test_without_history_nobody_has_rated_anything(agent: LanguageUserAgent) -> None:
    control = without_history(agent)
    assert control.name.endswith("without history")
    documents = [control.document(user) for user in range(control.n_users)]
    assert all(len(document.splitlines()) == 1 for document in documents)
    assert len(set(documents)) == 1  # the users of this data set have the same age
    check_user_agent(control)


def test_without_history_users_of_one_adapter_are_one_user(agent: LanguageUserAgent) -> None:
    control = without_history(agent)
    users = np.array([0, 2, 4, 1])  # adapters go by parity
    asked = react_to_pairs(control, users, np.full(4, 7))
    np.testing.assert_allclose(asked.choice_probability[:3], asked.choice_probability[0], rtol=1e-5)
    assert abs(asked.choice_probability[3] - asked.choice_probability[0]) > 1e-4
    told = react_to_pairs(agent, users, np.full(4, 7))
    assert np.ptp(told.choice_probability[:3]) > 1e-4


def test_shuffled_ratings_change_answers_and_not_items(agent: LanguageUserAgent) -> None:
    control = with_shuffled_ratings(agent, np.random.default_rng(0))
    for user in range(agent.n_users):
        told, lied = agent.document(user).splitlines()[1:], control.document(user).splitlines()[1:]
        assert [line.split(";")[0] for line in told] == [line.split(";")[0] for line in lied]
    ratings = [[document.split()[-1] for document in one.document(3).splitlines()[1:]] for one in (agent, control)]
    assert ratings[0] != ratings[1]
    check_user_agent(control)


def test_with_adapters_of_others_documents_stay_and_everybody_answers_with_another_users_adapter(
    agent: LanguageUserAgent,
) -> None:
    control = with_adapters_of_others(agent, np.random.default_rng(0))
    users, items = np.arange(agent.n_users), np.full(agent.n_users, 7)
    assert [control.document(user) for user in users] == [agent.document(user) for user in users]
    own, given = agent.population.adapters, control.population.adapters
    np.testing.assert_array_equal(np.sort(given), np.sort(own))
    changed = given != own
    assert changed.any()
    difference = np.abs(
        react_to_pairs(control, users, items).choice_probability
        - react_to_pairs(agent, users, items).choice_probability
    )
    assert (difference[changed] > 1e-5).all()
    np.testing.assert_allclose(difference[~changed], 0, atol=1e-6)
    check_user_agent(control)


def test_with_adapters_of_others_profiles_of_another_writer_stay(agent: LanguageUserAgent) -> None:
    class Brief:
        def write(self, users: IntArray, *_: object) -> list[str]:
            return ["somebody"] * len(users)

    population = agent.population
    own = LanguageUserAgent(
        population.model,
        agent.corpus,
        name="brief",
        gate=population.gate,
        adapter_of=population.adapters,
        writer=Brief(),
    )
    control = with_adapters_of_others(own, np.random.default_rng(0))
    assert control.document(3) == own.document(3)
    assert control.document(3).startswith("somebody")


def test_adapters_of_ones_own_all_go_to_somebody_else(agent: LanguageUserAgent) -> None:
    population = agent.population
    alone = LanguageUserAgent(
        population.model, agent.corpus, name="alone", gate=population.gate, adapter_of=np.arange(agent.n_users)
    )
    given = with_adapters_of_others(alone, np.random.default_rng(1)).population.adapters
    assert (given != np.arange(agent.n_users)).all()


def test_without_adapters_there_is_nothing_to_give_to_others(agent: LanguageUserAgent) -> None:
    plain = LanguageUserAgent(agent.population.model, agent.corpus, name="plain")
    with pytest.raises(ValueError, match="'plain'"):
        with_adapters_of_others(plain, np.random.default_rng(0))


def test_the_population_itself_stays_as_it_was(agent: LanguageUserAgent) -> None:
    users, items = np.arange(5), np.arange(5)
    before = react_to_pairs(agent, users, items)
    without_history(agent)
    with_shuffled_ratings(agent, np.random.default_rng(0))
    after = react_to_pairs(agent, users, items)
    np.testing.assert_array_equal(before.choice_probability, after.choice_probability)
    np.testing.assert_array_equal(before.rating, after.rating)


def test_no_held_out_rating_is_in_any_prompt(agent: LanguageUserAgent, small_data: Dataset, small_split: Split) -> None:
    documents = [(user, agent.document(user)) for user in range(agent.n_users)]
    assert find_leaks(documents, small_data.catalogue, small_split) == []


def test_the_leak_test_finds_users_who_were_told(
    agent: LanguageUserAgent, small_data: Dataset, small_split: Split
) -> None:
    corpus = Corpus.build(small_data, small_data.interactions, agent.corpus.tokenizer)
    traitor = LanguageUserAgent(agent.population.model, corpus, name="traitor", history_lines=8,
        gate=agent.population.gate, adapter_of=agent.population.adapters)  # fmt: skip
    documents = [(user, traitor.document(user)) for user in range(traitor.n_users)]
    leaks = find_leaks(documents, small_data.catalogue, small_split)
    assert {leak.user for leak in leaks} == set(range(traitor.n_users))


def test_held_out_ratings_move_no_answer(agent: LanguageUserAgent, small_data: Dataset, small_split: Split) -> None:
    """Prompts made from a data set without the held-out rows are the same, so none of them was read."""
    corpus = Corpus.build(
        blind(small_data, small_split.train), small_split.train, agent.corpus.tokenizer, memory=agent.corpus.memory
    )
    assert corpus.encoded == agent.corpus.encoded
    population = agent.population
    sighted_not = LanguageUserAgent(
        population.model, corpus, name="blind", history_lines=8, gate=population.gate, adapter_of=population.adapters
    )
    for user in range(agent.n_users):
        assert sighted_not.document(user) == agent.document(user)


SLATES = 3


def session_prompts(agent: LanguageUserAgent, items: dict[int, IntArray]) -> list[tuple[int, str]]:
    """User and prompt for every candidate of three slates, after each of which the first candidate is consumed.

    Args:
        agent: whose users play, all at a time.
        items: each user's candidates, equally many for each of the slates.
    """
    users = np.arange(agent.n_users)
    sessions = agent.open(agent.n_users)
    sessions.start(users, users)
    prompts = []
    for slates in np.split(np.stack([items[user] for user in users]), SLATES, axis=1):
        sessions.react(users, slates)
        prompts += [(user, sessions.prompt(user, item)) for user in users.tolist() for item in slates[user].tolist()]
        sessions.consume(users, slates[:, 0], users % 5)
    return prompts


def candidates(split: Split, *, held_out: bool) -> dict[int, IntArray]:
    """Three items a user, that the user has held-out rows for, or no row at all."""
    chosen = {}
    for user in range(split.test.n_users):
        secret, known = (log.items[log.users == user] for log in (split.test, split.train))
        unseen = np.setdiff1d(np.arange(split.test.n_items), np.union1d(secret, known))
        chosen[user] = (secret if held_out else unseen)[:SLATES]
    return chosen


def with_other_held_out_ratings(data: Dataset, split: Split) -> Dataset:
    """The data set, as if every held-out rating had come out at the other end of the scale."""
    log = data.interactions
    held_out = split.test.contains(log.users, log.items)
    ratings = np.where(held_out, np.where(log.ratings > 3, 1.0, 5.0), log.ratings)
    assert (ratings[held_out] != log.ratings[held_out]).all()
    return replace(data, interactions=replace(log, ratings=ratings))


def test_a_prompt_is_what_the_model_reads(agent: LanguageUserAgent, small_split: Split) -> None:
    """The document, what was consumed with what the user recalls of it and the answer given, and the question."""
    own = candidates(small_split, held_out=False)
    prompts = session_prompts(agent, own)
    recalled = agent.corpus.recall(np.arange(agent.n_users))
    for step in range(SLATES):
        for user, prompt in prompts[step * agent.n_users : (step + 1) * agent.n_users]:
            lines = [agent.corpus.line_text(item, recalled[user, item]) for item in own[user][: step + 1].tolist()]
            told = [f"{line} {1 + user % 5}" for line in lines[:-1]]
            assert prompt == "\n".join([agent.document(user), *told, lines[-1]])


def test_no_held_out_item_is_in_any_prompt_of_a_session_unless_it_is_asked_for(
    agent: LanguageUserAgent, small_data: Dataset, small_split: Split
) -> None:
    prompts = session_prompts(agent, candidates(small_split, held_out=False))
    assert len(prompts) == SLATES * agent.n_users
    assert find_leaks(prompts, small_data.catalogue, small_split) == []
    asked = candidates(small_split, held_out=True)
    leaks = find_leaks(session_prompts(agent, asked), small_data.catalogue, small_split)
    assert {(leak.user, leak.item) for leak in leaks} == {
        (user, item) for user, items in asked.items() for item in items.tolist()
    }
    for leak in leaks:
        fields = leak.line.split(";")
        # The question has no answer, and a line of history the one that the session gave.
        assert fields[-1] in ("", f" {1 + leak.user % 5}")


def test_held_out_ratings_move_no_prompt_of_a_session(
    agent: LanguageUserAgent, small_data: Dataset, small_split: Split
) -> None:
    """Nor what is recalled or what the crowd says in it, where the very items are asked for whose ratings changed."""
    asked = candidates(small_split, held_out=True)
    other_data = with_other_held_out_ratings(small_data, small_split)
    train = temporal_split(other_data.interactions).train
    assert train.fingerprint() == small_split.train.fingerprint()

    def users_of(data: Dataset, known: Interactions) -> LanguageUserAgent:
        memory = Memory(known, Evidence.fit(known, data.catalogue))
        corpus = Corpus.build(data, known, agent.corpus.tokenizer, memory=memory)
        return LanguageUserAgent(agent.population.model, corpus, name="told", history_lines=8,
            gate=agent.population.gate, adapter_of=agent.population.adapters)  # fmt: skip

    honest = [session_prompts(users_of(data, train), asked) for data in (small_data, other_data)]
    assert honest[0] == honest[1]
    traitors = [session_prompts(users_of(data, data.interactions), asked) for data in (small_data, other_data)]
    assert all(one != other for one, other in zip(*traitors, strict=True)), "the test finds users who were told"
