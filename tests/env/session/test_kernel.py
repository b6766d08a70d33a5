"""Limiting cases and distributions of the session dynamics."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit

from personagym_env.data.tables import Dataset
from personagym_env.protocols import NO_ITEM, Reaction
from personagym_env.session import kernel, places
from personagym_env.session.kernel import Dynamics, Outcome, Place, State
from personagym_env.session.parameters import RewardWeights, SessionParameters

N = 20_000
NEVER_LEAVE = {"leaving": {"intercept": -1000.0, "satisfaction_weight": 0.0, "duration_weight": 0.0}}


def dynamics_of(dataset: Dataset, changes: dict[str, dict[str, float]] | None = None) -> Dynamics:
    parameters = SessionParameters().updated(changes or {})
    return Dynamics.of(parameters, dataset.catalogue, dataset.interactions.scale)


def start(dynamics: Dynamics, n: int) -> State:
    keys = np.random.default_rng(5).integers(2**63, size=n, dtype=np.uint64)
    return kernel.initial(dynamics, keys, np.zeros(n, np.int64), np.zeros(n, np.int64))


def react(n: int, k: int, choice_probability: float, rating: np.ndarray | None = None) -> Reaction:
    rating = np.full(5, 0.2) if rating is None else rating
    return Reaction(
        np.full((n, k), choice_probability, np.float32), np.broadcast_to(rating, (n, k, 5)).astype(np.float32)
    )


def step(
    dynamics: Dynamics,
    state: State,
    slate: list[int],
    *,
    choice_probability: float = 0.5,
    rating: np.ndarray | None = None,
    places: np.ndarray | None = None,
) -> tuple[State, Outcome]:
    n, k = len(state.user), len(slate)
    slates = np.tile(slate, (n, 1))
    places = np.zeros((n, k), np.int8) if places is None else places
    return kernel.transition(state, slates, places, react(n, k, choice_probability, rating), dynamics)


@pytest.mark.parametrize("choice_probability", [0.02, 0.3, 0.5, 0.9])
def test_a_single_examined_item_is_taken_exactly_as_often_as_wanted(
    dataset: Dataset, choice_probability: float
) -> None:
    dynamics = dynamics_of(dataset)
    _, outcome = step(dynamics, start(dynamics, N), [3], choice_probability=choice_probability)
    assert stats.binomtest(int((outcome.place == 0).sum()), N, choice_probability).pvalue > 1e-3


def test_choice_is_a_multinomial_logit_with_an_outside_option(dataset: Dataset) -> None:
    dynamics = dynamics_of(dataset, {"examination": {"decay": 0.0}, "choice": {"outside": 0.5}})
    state = start(dynamics, N)
    wants = np.array([0.2, 0.5, 0.8])
    reaction = Reaction(np.tile(wants.astype(np.float32), (N, 1)), react(N, 3, 0.5).rating)
    slates = np.tile([0, 1, 2], (N, 1))
    _, outcome = kernel.transition(state, slates, np.zeros((N, 3), np.int8), reaction, dynamics)
    weights = np.concatenate([[np.exp(0.5)], wants / (1 - wants)])
    counts = np.bincount(outcome.place + 1, minlength=4)
    assert stats.chisquare(counts, N * weights / weights.sum()).pvalue > 1e-3


def test_temperature_divides_the_log_odds(dataset: Dataset) -> None:
    dynamics = dynamics_of(dataset, {"choice": {"temperature": 0.5}})
    _, outcome = step(dynamics, start(dynamics, N), [3], choice_probability=0.6)
    assert stats.binomtest(int((outcome.place == 0).sum()), N, float(expit(2 * np.log(0.6 / 0.4)))).pvalue > 1e-3


@pytest.mark.parametrize("decay", [0.0, 1.0, 2.0])
def test_places_are_examined_by_their_position(dataset: Dataset, decay: float) -> None:
    dynamics = dynamics_of(dataset, {"examination": {"decay": decay}})
    _, outcome = step(dynamics, start(dynamics, N), [0, 1, 2, 3])
    expected = (1 / np.arange(1, 5)) ** decay
    np.testing.assert_allclose(outcome.examined.mean(axis=0), expected, atol=4 * 0.5 / np.sqrt(N))
    assert outcome.examined[:, 0].all()


def test_nothing_can_be_taken_that_was_not_examined_or_not_shown(dataset: Dataset) -> None:
    dynamics = dynamics_of(dataset)
    places = np.zeros((N, 4), np.int8)
    places[:, 0] = Place.RATED
    _, outcome = step(dynamics, start(dynamics, N), [0, 1, 2, 3], choice_probability=0.99, places=places)
    took = outcome.place >= 0
    assert 0 < took.mean() < 1
    assert outcome.examined[np.flatnonzero(took), outcome.place[took]].all()
    assert (outcome.place != 0).all()
    np.testing.assert_array_equal(outcome.item, np.where(took, outcome.place, NO_ITEM))
    np.testing.assert_array_equal(outcome.rating >= 0, took)


def test_a_slate_of_empty_places_is_never_taken_from(dataset: Dataset) -> None:
    dynamics = dynamics_of(dataset)
    _, outcome = step(
        dynamics, start(dynamics, 100), [0, 1], choice_probability=0.999, places=np.full((100, 2), Place.REPEATED)
    )
    assert (outcome.item == NO_ITEM).all()
    components = kernel.reward_components(outcome, dynamics)
    assert (components["empty"] == 2).all()
    assert (kernel.reward(components, RewardWeights()) == 0).all()


def test_satiation_with_a_genre_lowers_the_odds_of_its_items_alone(dataset: Dataset) -> None:
    dynamics = dynamics_of(dataset, {"choice": {"satiation_weight": 0.7}})
    state = start(dynamics, N)
    state.satiation[:, 1] = 2.0
    for item, share in ((1, 1.0), (2, 0.0), (25, 0.5)):
        np.testing.assert_allclose(dynamics.genre_share[item, 1], share)
        _, outcome = step(dynamics, state, [item], choice_probability=0.5)
        assert stats.binomtest(int((outcome.place == 0).sum()), N, float(expit(-0.7 * 2 * share))).pvalue > 1e-3


def test_satiation_grows_to_its_geometric_limit_and_fades(dataset: Dataset) -> None:
    changes = {"satiation": {"decay": 0.5}, "choice": {"satiation_weight": 0.0}, **NEVER_LEAVE}
    dynamics = dynamics_of(dataset, changes)
    state = start(dynamics, 1)
    for _ in range(30):
        state, _ = step(dynamics, state, [1], choice_probability=1.0)
    np.testing.assert_allclose(state.satiation, [[0, 2, 0, 0]], atol=1e-5)
    state, _ = step(dynamics, state, [1], places=np.full((1, 1), Place.CONSUMED))
    np.testing.assert_allclose(state.satiation, [[0, 1, 0, 0]], atol=1e-5)


def test_an_item_shares_its_exposure_among_its_genres(dataset: Dataset) -> None:
    dynamics = dynamics_of(dataset)
    state, _ = step(dynamics, start(dynamics, 1), [25], choice_probability=1.0)
    np.testing.assert_allclose(state.satiation, [[0, 0.5, 0, 0.5]])


def test_ratings_follow_their_distribution(dataset: Dataset) -> None:
    dynamics = dynamics_of(dataset)
    distribution = np.array([0.1, 0.0, 0.3, 0.2, 0.4])
    _, outcome = step(dynamics, start(dynamics, N), [3], choice_probability=1.0, rating=distribution)
    counts = np.bincount(outcome.rating[outcome.rating >= 0], minlength=5)
    assert counts[1] == 0
    assert stats.chisquare(counts[[0, 2, 3, 4]], counts.sum() * distribution[[0, 2, 3, 4]]).pvalue > 1e-3


def test_an_item_has_the_same_luck_in_every_slate(dataset: Dataset) -> None:
    dynamics = dynamics_of(dataset, {"examination": {"decay": 0.0}, "choice": {"outside": -1000.0}})
    state = start(dynamics, 2000)
    _, small = step(dynamics, state, [7, 8])
    _, large = step(dynamics, state, [9, 8, 10, 7])
    # Independence of irrelevant alternatives with common luck: who prefers 7 or 8 in the large slate did in the small.
    chose = np.isin(large.item, [7, 8])
    assert 0.3 < chose.mean() < 0.7
    np.testing.assert_array_equal(small.item[chose], large.item[chose])
    np.testing.assert_array_equal(small.rating[chose], large.rating[chose])


def test_satisfaction_moves_by_its_two_rates(dataset: Dataset) -> None:
    changes = {"satisfaction": {"initial": 0.6, "rate": 0.25, "miss_rate": 0.5}}
    dynamics = dynamics_of(dataset, changes)
    best, worst = np.eye(5)[4], np.eye(5)[0]
    after_best, _ = step(dynamics, start(dynamics, 1), [0], choice_probability=1.0, rating=best)
    after_worst, _ = step(dynamics, start(dynamics, 1), [0], choice_probability=1.0, rating=worst)
    after_nothing, _ = step(dynamics, start(dynamics, 1), [0], places=np.full((1, 1), Place.RATED))
    np.testing.assert_allclose(after_best.satisfaction, 0.7, rtol=1e-6)
    np.testing.assert_allclose(after_worst.satisfaction, 0.45, rtol=1e-6)
    np.testing.assert_allclose(after_nothing.satisfaction, 0.3, rtol=1e-6)


@pytest.mark.parametrize(("intercept", "leaves"), [(-1000.0, False), (1000.0, True)])
def test_hazards_of_zero_and_one_are_certain(dataset: Dataset, intercept: float, leaves: bool) -> None:
    dynamics = dynamics_of(dataset, {"leaving": {"intercept": intercept}})
    _, outcome = step(dynamics, start(dynamics, N), [0, 1])
    assert (outcome.left == leaves).all()


def test_the_hazard_is_logistic_in_satisfaction_and_duration(dataset: Dataset) -> None:
    leaving = {"intercept": -1.0, "satisfaction_weight": -2.0, "duration_weight": 0.5}
    dynamics = dynamics_of(dataset, {"leaving": leaving, "satisfaction": {"rate": 0.0, "initial": 0.25}})
    state = start(dynamics, N)._replace(step=np.full(N, 2))
    _, outcome = step(dynamics, state, [0], choice_probability=1.0)
    hazard = float(expit(-1 - 2 * 0.25 + 0.5 * np.log(4)))
    took = outcome.item != NO_ITEM
    np.testing.assert_allclose(outcome.hazard[took], hazard, rtol=1e-6)
    assert stats.binomtest(int(outcome.left[took].sum()), int(took.sum()), hazard).pvalue > 1e-3


def test_places_say_why_they_are_empty(dataset: Dataset) -> None:
    train = dataset.interactions
    rated = int(train.items[0])
    fresh = [item for item in range(10) if not train.contains(np.array([0]), np.array([item]))[0]]
    slates = np.array([[fresh[0], fresh[1], rated, fresh[1], rated]])
    expected = [Place.CONSUMED, Place.SHOWN, Place.RATED, Place.REPEATED, Place.RATED]
    np.testing.assert_array_equal(places.check_places(slates, np.array([0]), np.array([[fresh[0]]]), train), [expected])


@pytest.mark.parametrize("few_rows", [0, 50])
def test_places_agree_with_a_plain_reading_of_the_rules(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch, few_rows: int
) -> None:
    """In one operation and step by step."""
    monkeypatch.setattr(places, "_FEW_ROWS", few_rows)
    rng = np.random.default_rng(2)
    train, n = dataset.interactions, 50
    users, consumed = rng.integers(12, size=n), rng.integers(-1, 20, size=(n, 4))
    slates = rng.integers(20, size=(n, 6))
    rated = set(zip(train.users.tolist(), train.items.tolist(), strict=True))
    for row, found in enumerate(places.check_places(slates, users, consumed, train)):
        for j, item in enumerate(slates[row].tolist()):
            expected = Place.REPEATED if item in slates[row, :j] else Place.SHOWN
            expected = Place.CONSUMED if item in consumed[row] else expected
            expected = Place.RATED if (int(users[row]), item) in rated else expected
            assert found[j] == expected


def test_reward_is_the_weighted_sum_of_its_components(dataset: Dataset) -> None:
    dynamics = dynamics_of(dataset, {"leaving": {"intercept": 1000.0}})
    places = np.zeros((1, 3), np.int8)
    places[0, 2] = Place.REPEATED
    _, outcome = step(
        dynamics, start(dynamics, 1), [0, 1, 1], choice_probability=1.0, rating=np.eye(5)[3], places=places
    )
    components = kernel.reward_components(outcome, dynamics)
    assert {name: float(value[0]) for name, value in components.items()} == {
        "rating": 0.75,
        "click": 1.0,
        "leave": 1.0,
        "empty": 1.0,
        "retention": 0.0,
    }
    weights = RewardWeights(rating=2, click=10, leave=-100, empty=-1000)
    np.testing.assert_allclose(kernel.reward(components, weights), [1.5 + 10 - 100 - 1000])
    np.testing.assert_allclose(kernel.reward(components, RewardWeights()), [0.75])


def test_ends_are_told_apart(dataset: Dataset) -> None:
    dynamics = dynamics_of(dataset, NEVER_LEAVE)
    state, outcome = step(dynamics, start(dynamics, 1), [0])
    assert kernel.terminal(state, outcome, 2) == (np.array([False]), np.array([False]))
    state, outcome = step(dynamics, state, [0])
    assert kernel.terminal(state, outcome, 2) == (np.array([False]), np.array([True]))
    assert kernel.terminal(state, outcome, None) == (np.array([False]), np.array([False]))


def test_transition_leaves_its_arguments_alone(dataset: Dataset) -> None:
    dynamics = dynamics_of(dataset)
    state = start(dynamics, 50)
    before = [array.copy() for array in state]
    step(dynamics, state, [0, 1, 2], choice_probability=0.9)
    for array, copy in zip(state, before, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_users_are_drawn_uniformly() -> None:
    keys = np.random.default_rng(5).integers(2**63, size=N, dtype=np.uint64)
    users = kernel.draw_users(keys, np.zeros(N, np.int64), 7)
    assert stats.chisquare(np.bincount(users, minlength=7)).pvalue > 1e-3


def test_an_item_or_catalogue_without_genres_knows_no_satiation(make_dataset: Callable[..., Dataset]) -> None:
    dynamics = dynamics_of(make_dataset(n_genres=1), {"choice": {"satiation_weight": 5.0}})
    none = Dynamics(dynamics.parameters, dynamics.genre_share[:, :0], dynamics.normalised_rating, dynamics.scale)
    state, outcome = step(none, start(none, 20), [0, 1], choice_probability=0.999)
    assert state.satiation.shape == (20, 0)
    assert (outcome.item != NO_ITEM).all()


def test_a_scale_with_one_rating_is_worth_one() -> None:
    np.testing.assert_array_equal(kernel.normalised_ratings((1.0,)), [1.0])
    np.testing.assert_array_equal(kernel.normalised_ratings((0.5, 2.75, 5.0)), [0.0, 0.5, 1.0])
