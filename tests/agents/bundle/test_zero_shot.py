"""Users of a log that their base has never read: any scale, no leak, odd logs."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from personagym_agents.bundle.linking import linked_users
from personagym_agents.bundle.zero_shot import zero_shot_users
from personagym_agents.documents.told import Told
from personagym_agents.inference.answer_link import Beside, fit_answer_link
from personagym_agents.inference.language_users import LanguageUserAgent
from personagym_agents.inference.linked_users import LinkedUsers
from personagym_agents.training.tail import tail_rows
from personagym_env.conformance.user_agent import check_user_agent
from personagym_env.data.splits import temporal_split
from personagym_env.data.tables import Dataset, FloatArray, IntArray, Interactions
from personagym_env.env import PersonaRecEnv
from personagym_env.evaluation.core.pair_reactions import PairReactions
from personagym_env.world import make_world

LEVELS = (1.0, 2.0, 3.0, 4.0, 5.0)


def on_scale(data: Dataset, values: tuple[float, ...], *, timed: bool = True) -> Dataset:
    """The data set with its five ratings called otherwise; fewer values join the higher ratings."""
    log = data.interactions
    ratings = np.asarray(values, np.float32)[np.minimum(log.rating_index, len(values) - 1)]
    log = replace(log, ratings=ratings, scale=values, timestamps=log.timestamps if timed else None)
    return replace(data, interactions=log)


def ask(users: LinkedUsers, slate: list[int]) -> tuple[FloatArray, FloatArray]:
    sessions = users.open(users.n_users)
    everyone = np.arange(users.n_users)
    sessions.start(everyone, everyone)
    return sessions.react(everyone, np.tile(slate, (users.n_users, 1)))


@pytest.mark.parametrize("values", [(-1.0, 0.0, 1.0), (0.0, 25.0, 50.0, 75.0, 100.0), (1.0,)])
@pytest.mark.parametrize("timed", [True, False])
def test_any_scale_conforms(values, timed, dataset: Dataset, small_bundle: Path) -> None:
    data = on_scale(dataset, values, timed=timed)
    users = zero_shot_users(data, temporal_split(data.interactions).train, place=small_bundle)
    assert users.scale == values
    check_user_agent(users)
    _, rating = ask(users, [0, 1, 2])
    np.testing.assert_allclose(rating.sum(axis=-1), 1, atol=1e-5)


def test_documents_tell_levels(dataset: Dataset, small_bundle: Path) -> None:
    data = on_scale(dataset, (0.0, 25.0, 50.0, 75.0, 100.0))
    users = zero_shot_users(data, temporal_split(data.interactions).train, place=small_bundle)
    answers = {line.rsplit(" ", 1)[1] for line in users.document(0).splitlines()[1:]}
    assert answers <= {"1", "2", "3", "4", "5"}
    assert len(users.document(0).splitlines()) == 7


def test_consumption_changes_answers_on_any_scale(dataset: Dataset, small_bundle: Path) -> None:
    data = on_scale(dataset, (-1.0, 0.0, 1.0))
    sessions = zero_shot_users(data, temporal_split(data.interactions).train, place=small_bundle).open(2)
    rows = np.arange(2)
    sessions.start(rows, np.array([3, 3]))
    sessions.consume(rows, np.array([5, 5]), np.array([0, 2]))
    choice = sessions.react(rows, np.full((2, 1), 7)).choice_probability
    assert not np.allclose(choice[0], choice[1])
    assert sessions.dropped_lines.tolist() == [0, 0]


def test_held_out_ratings_cannot_matter(dataset: Dataset, small_bundle: Path) -> None:
    split = temporal_split(dataset.interactions)
    twisted = dataset.interactions.ratings.copy()
    held_out = np.isin(dataset.interactions.timestamps, split.test.timestamps)
    twisted[held_out] = 6 - twisted[held_out]
    other = replace(dataset, interactions=replace(dataset.interactions, ratings=twisted))
    one, two = (ask(zero_shot_users(data, split.train, place=small_bundle), [1, 2]) for data in (dataset, other))
    np.testing.assert_array_equal(one[1], two[1])


def test_consumption_without_ratings_makes_an_environment(dataset: Dataset) -> None:
    world = make_world(on_scale(dataset, (1.0,)), parameters={"leaving": {"intercept": -1000.0}})
    assert isinstance(world.agent, LinkedUsers)
    env = PersonaRecEnv(world, 4)
    env.reset(seed=0)
    rewards = [env.step(np.arange(4 * step, 4 * step + 4))[1] for step in range(4)]
    assert set(rewards) <= {0.0, 1.0}


def test_a_single_user_is_asked(dataset: Dataset, small_bundle: Path) -> None:
    log = dataset.interactions
    check_user_agent(zero_shot_users(dataset, log.take(log.users == 0), place=small_bundle))


@pytest.mark.parametrize("rows", [1, 2])
def test_tiny_logs_work(rows: int, dataset: Dataset, small_bundle: Path) -> None:
    train = dataset.interactions.take(np.arange(rows))
    choice_probability, rating = ask(zero_shot_users(dataset, train, place=small_bundle), [0, 1])
    assert np.isfinite(choice_probability).all()
    assert np.isfinite(rating).all()


@pytest.fixture
def answers() -> Callable[[int], PairReactions]:
    """Answers that know the place in a scale of so many ratings, give or take."""

    def make(n_ratings: int) -> PairReactions:
        rng = np.random.default_rng(0)
        truth = np.arange(600) % n_ratings
        expected = 1.5 + 3 * truth / max(n_ratings - 1, 1) + rng.normal(0, 0.2, 600)
        rating = np.exp(-((np.asarray(LEVELS) - expected[:, None]) ** 2))
        return PairReactions(rng.uniform(0.4, 0.9, 600), rating / rating.sum(axis=1, keepdims=True))

    return make


def nothing(n: int, n_ratings: int, expected: FloatArray | None = None) -> Beside:
    """What is read beside n answers when nothing is known but, perhaps, (n,) expectations."""
    told = np.zeros((n, 0)) if expected is None else expected[:, None]
    of_both = np.zeros((n, 2), np.float32)
    return Beside(told.astype(np.float32), of_both, np.zeros((n, 1), np.float32), np.zeros((n, 2, n_ratings)))


def rated(truth: IntArray, n_ratings: int) -> Interactions:
    """Rows of thirty users in turns, with these ratings."""
    users, items = np.divmod(np.arange(600), 20)
    scale = tuple(float(value) for value in range(n_ratings))
    return Interactions.from_columns(users, items, truth.astype(float), None, n_users=30, n_items=20, scale=scale)


def told_evenly(n_ratings: int) -> Told:
    scale = tuple(float(value) for value in range(n_ratings))
    return Told(scale, LEVELS, tuple(np.linspace(1, 5, n_ratings).tolist()))


@pytest.mark.parametrize("n_ratings", [2, 3, 10])
def test_the_link_finds_the_scale(n_ratings: int, answers: Callable[[int], PairReactions]) -> None:
    said, truth, told = answers(n_ratings), np.arange(600) % n_ratings, told_evenly(n_ratings)
    unseen = said._replace(choice_probability=1 - said.choice_probability)
    read = nothing(600, n_ratings)
    link = fit_answer_link(said, rated(truth, n_ratings), unseen, (read, read), told)
    error = link.rating(said.rating, read) @ np.asarray(told.ratings) - truth
    assert np.sqrt(np.mean(error**2)) < 0.25 * np.std(truth)
    wish = link.choice_probability(np.array([0.2, 0.5, 0.8]), nothing(3, n_ratings))
    assert (np.diff(wish) > 0).all()


def test_a_base_is_trusted_as_far_as_it_is_borne_out(answers: Callable[[int], PairReactions]) -> None:
    said, truth, told = answers(5), np.arange(600) % 5, told_evenly(5)
    noise = np.random.default_rng(1).normal(size=600)

    def trust(expected: FloatArray) -> float:
        read = nothing(600, 5, expected), nothing(600, 5, expected)
        return fit_answer_link(said, rated(truth, 5), said, read, told).trust

    knows = np.asarray(told.values)[truth]
    assert trust(3 + noise) > 0.9
    assert trust(knows + 0.01 * noise) < 0.3
    assert trust(said.rating @ np.asarray(LEVELS)) == 0.0


def test_links_of_trained_users_are_fitted_on_rows_that_no_weight_was_trained_on(
    dataset: Dataset, small_bundle: Path
) -> None:
    """What training rows say of answers that were trained on them would be too good."""
    train = temporal_split(dataset.interactions, 0.8).train
    users = zero_shot_users(dataset, train, place=small_bundle)
    asked: list[Interactions] = []

    def knowing(rows: Interactions) -> LanguageUserAgent:
        asked.append(rows)
        return users.users

    untaught = tail_rows(train, 0.5)
    assert 0 < untaught.sum() < len(train)
    told = users.users.corpus.told
    assert users.fingerprint is not None
    assert told is not None
    for rows in (untaught, None):
        linked_users(users.users, knowing, train, name="x", fingerprint=users.fingerprint, untaught=rows)
    assert asked[0].fingerprint() == told.log(train.take(~untaught)).fingerprint()
    assert len(asked[1]) > len(asked[0])


def test_no_rows_are_refused(dataset: Dataset, train_of_nobody: Interactions, small_bundle: Path) -> None:
    with pytest.raises(ValueError, match="there are none"):
        zero_shot_users(dataset, train_of_nobody, place=small_bundle)


@pytest.fixture
def train_of_nobody(dataset: Dataset) -> Interactions:
    return dataset.interactions.take(np.zeros(len(dataset.interactions), np.bool_))
