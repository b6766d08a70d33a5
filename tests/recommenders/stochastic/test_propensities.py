"""Stochastic recommenders draw what they say: exact propensities, the suite that checks them, and what it finds."""

from itertools import permutations

import numpy as np
import pytest

from personagym_env.conformance.stochastic import check_stochastic
from personagym_env.evaluation.core.offline import opening_observation
from personagym_env.session.random import splitmix64
from personagym_recommenders import EASE, MostPopular, Random
from personagym_recommenders.stochastic import kernels, light_options
from personagym_recommenders.stochastic.epsilon_greedy import EpsilonGreedy
from personagym_recommenders.stochastic.marginal_kernels import marginal_propensities
from personagym_recommenders.stochastic.options import ScoredOptions
from personagym_recommenders.stochastic.plackett_luce import PlackettLuce


@pytest.mark.parametrize(
    "recommender",
    [
        PlackettLuce(EASE(), 0.7),
        PlackettLuce(EASE(), 0.5, candidates=20, by_rank=True, withheld=(3,)),
        PlackettLuce(MostPopular(), 2.0, candidates=12),
        PlackettLuce(EASE(), 0.05, candidates=12, floor=0.0),
        PlackettLuce(Random(), 1.0, candidates=12, retrieval=EASE()),
        EpsilonGreedy(EASE(), 0.3),
        EpsilonGreedy(MostPopular(), 0.0, candidates=12),
        EpsilonGreedy(EASE(), 1.0, candidates=12),
    ],
    ids=lambda recommender: f"{recommender.name}-{recommender.candidates}",
)
def test_conforms(recommender, checkerboard):
    check_stochastic(recommender, checkerboard.log, checkerboard.catalogue)


def enumerated(weights, k):
    """(s, k) every slate, its joint propensity (s,), and marginals (k, p), by the definition."""
    slates = np.array(list(permutations(range(len(weights)), k)))
    taken = np.cumsum(weights[slates], axis=1) - weights[slates]
    joint = (weights[slates] / (weights.sum() - taken)).prod(axis=1)
    marginals = np.zeros((k, len(weights)))
    for place in range(k):
        np.add.at(marginals[place], slates[:, place], joint)
    return slates, joint, marginals


@pytest.mark.parametrize(("p", "k", "spread"), [(6, 3, 1.0), (5, 5, 1.0), (7, 2, 3.0), (5, 4, 4.0), (4, 1, 1.0)])
def test_kernels_agree_with_enumeration(p, k, spread):
    weights = np.exp(np.random.default_rng(p).normal(0, spread, p))
    slates, joint, marginals = enumerated(weights, k)
    rows = np.tile(weights, (len(slates), 1))
    np.testing.assert_allclose(kernels.prefix_propensities(rows, slates)[:, -1], joint, rtol=1e-12)
    expected = marginals[np.arange(k), slates]
    np.testing.assert_allclose(marginal_propensities(rows, slates), expected, rtol=1e-5, atol=1e-9)


def test_marginals_of_a_place_sum_to_one_over_many_options():
    weights = np.exp(np.random.default_rng(0).normal(0, 2, 150))
    for place in (1, 4, 9):
        slates = np.array([[item] * (place + 1) for item in range(150)])
        slates[:, :place] = [[(item + 1 + j) % 150 for j in range(place)] for item in range(150)]
        marginals = marginal_propensities(np.tile(weights, (150, 1)), slates)[:, place]
        assert marginals.sum() == pytest.approx(1, abs=1e-6)


def test_light_options_arrive_as_one_by_one() -> None:
    weights = np.exp(np.random.default_rng(5).normal(0, 1, 300))
    weights /= weights.sum()
    nodes = np.array([0.5, 3.0, 30.0, 300.0])
    light = light_options.light_first(weights, nodes[-1])
    assert 200 < light < 300
    assert (weights[:light] * nodes[-1] <= light_options.LIGHT).all()
    found = np.zeros((6, len(nodes)))
    light_options.light_arrivals(weights[:light], nodes, light_options.odds_series(6), found)
    arrived = -np.expm1(-np.outer(nodes, weights[:light]))
    expected = np.zeros((light + 1, len(nodes)))
    expected[0] = 1
    for chance in arrived.T:
        expected[1:] = expected[1:] * (1 - chance) + expected[:-1] * chance
        expected[0] *= 1 - chance
    np.testing.assert_allclose(found, expected[:6], rtol=1e-7, atol=1e-12)


def test_few_light_options_are_taken_one_by_one() -> None:
    assert light_options.light_first(np.full(light_options.FEWEST - 1, 0.01), 1.0) == 0


def test_few_heavy_options_among_light_ones_stand_for_themselves() -> None:
    tail = 1.0 / np.arange(12, 250) ** 2
    weights = np.concatenate([[0.1158, 0.0715, 0.0623], 0.7504 * tail / tail.sum()])
    slates = (np.arange(len(weights))[:, None] + 7 * np.arange(1, 11)) % len(weights)
    slates[:, 9] = np.arange(len(weights))
    marginals = marginal_propensities(np.tile(weights, (len(weights), 1)), slates)[:, 9]
    assert marginals.min() > 0
    assert marginals.sum() == pytest.approx(1, abs=1e-6)


def test_ranks_stand_in_the_place_of_scores_and_what_is_withheld_is_not_shown(checkerboard):
    candidates = len(checkerboard.catalogue)
    for given in (None, candidates):
        policy = PlackettLuce(EASE(), 0.5, given, floor=0.0, by_rank=True, withheld=[0, 3])
        policy.fit(checkerboard.log, checkerboard.catalogue)
        observation = opening_observation(np.arange(4), np.zeros((48, 1), np.float32), 2)
        options = policy.options(observation)
        for row, user in enumerate(observation["user"]):
            shown = np.sort(options.items[row][options.scores[row] > -np.inf])
            seen = checkerboard.log.items[checkerboard.log.users == user]
            np.testing.assert_array_equal(shown, np.setdiff1d(np.arange(candidates), [*seen, 0, 3]))
            weights = np.sort(policy.weights(options)[row])[::-1][: len(shown)]
            np.testing.assert_allclose(weights / weights[0], np.arange(1, len(shown) + 1) ** -2.0)
    everything = np.ones((4, candidates), np.bool_)
    assert (policy.options(observation, everything).scores > -np.inf).all()


def test_luck_is_that_of_the_sessions():
    keys = np.array([1, 2**63], np.uint64)
    for counter in (0, 5):
        bits = splitmix64(keys, np.array([counter], np.uint64))
        expected = ((bits >> np.uint64(12)).astype(float) + 0.5) * 2.0**-52
        assert [kernels.uniform(key, counter) for key in keys] == expected.tolist()


def test_an_option_keeps_its_luck_in_other_company():
    rng = np.random.default_rng(1)
    items, keys = np.tile(np.arange(30), (200, 1)), rng.integers(2**63, size=200, dtype=np.uint64)
    weights = np.ones((200, 30))
    first = kernels.draw_without_replacement(weights, items, keys, 3)
    weights[:, 20:] = 0
    fewer = kernels.draw_without_replacement(weights, items, keys, 3)
    same = (first < 20).all(axis=1)
    assert 20 < same.sum() < 180
    np.testing.assert_array_equal(first[same], fewer[same])


def test_limits_of_the_temperature(checkerboard, observe):
    observation, keys = observe(list(range(40))), np.arange(40, dtype=np.uint64)
    cold = PlackettLuce(Random(), 1e-4, floor=0.0).fit(checkerboard.log, checkerboard.catalogue)
    np.testing.assert_array_equal(cold.draw(observation, 1, keys), cold.recommend(observation, 1))
    hot = PlackettLuce(EASE(), 1e6, candidates=12).fit(checkerboard.log, checkerboard.catalogue)
    slates = hot.draw(observation, 3, keys)
    np.testing.assert_allclose(hot.propensities(observation, slates).joint, 1 / (12 * 11 * 10), rtol=1e-4)


def test_support_is_what_the_floor_says(checkerboard, observe):
    policy = PlackettLuce(EASE(), 0.01, candidates=6, floor=0.12).fit(checkerboard.log, checkerboard.catalogue)
    observation = observe([0] * 120)
    candidates = policy.recommend(observation, 6)[0]
    slates = np.array(list(permutations(candidates.tolist(), 3)))
    assert (policy.propensities(observation, slates).joint >= 0.02**3).all()
    outside = np.setdiff1d(np.arange(24), candidates)[:3]
    assert policy.propensities(observe([0]), outside[None]).joint[0] == 0


def test_candidates_come_from_the_retrieval(checkerboard, observe):
    log, catalogue = checkerboard.log, checkerboard.catalogue
    ranking = PlackettLuce(Random(), candidates=6, retrieval=EASE()).fit(log, catalogue)
    alone = PlackettLuce(EASE(), candidates=6).fit(log, catalogue)
    np.testing.assert_array_equal(ranking.items_, alone.items_)
    assert (ranking.recommend(observe([0, 1]), 3) != alone.recommend(observe([0, 1]), 3)).any()
    slates = alone.draw(observe([0] * 50), 3, np.arange(50, dtype=np.uint64))
    assert (ranking.propensities(observe([0] * 50), slates).joint > 0).all()


def test_settings_are_checked():
    for options, message in (
        ({"temperature": 0.0}, "temperature must be above 0"),
        ({"floor": 1.5}, "floor must lie in 0..1"),
        ({"candidates": 0}, "candidates must be at least 1"),
        ({"retrieval": EASE()}, "retrieval needs a number of candidates"),
    ):
        with pytest.raises(ValueError, match=message):
            PlackettLuce(EASE(), **options)
    with pytest.raises(ValueError, match="epsilon must lie"):
        EpsilonGreedy(EASE(), -0.1)
    with pytest.raises(TypeError, match="has none"):
        PlackettLuce(object())


def test_too_few_candidates_left_is_an_error(checkerboard, observe):
    policy = PlackettLuce(EASE(), candidates=3).fit(checkerboard.log, checkerboard.catalogue)
    shown = policy.recommend(observe([0]), 3)[0]
    observation = observe([0], [[-1, int(shown[0])]])
    with pytest.raises(ValueError, match="a row has 2 items to choose from"):
        policy.draw(observation, 3, np.zeros(1, np.uint64))


class Flattered(PlackettLuce):
    """Claims that its slates were more probable than they are."""

    def probabilities(self, options, positions):
        """Twice too high."""
        prefix, marginal = super().probabilities(options, positions)
        return np.minimum(1.2 * prefix, 1), np.minimum(1.2 * marginal, 1)


class Tilted(PlackettLuce):
    """Draws at another temperature than it says."""

    def choose(self, options, keys, k):
        """Draws hotter."""
        return super().choose(options._replace(scores=options.scores / 2), keys, k)


class Restless(PlackettLuce):
    """Draws by the place in the batch."""

    def choose(self, options, keys, k):
        """Adds the row's number to its key."""
        return super().choose(options, keys + np.arange(len(keys), dtype=np.uint64), k)


class Averaged(PlackettLuce):
    """Gives the first place's marginal to all places."""

    def probabilities(self, options, positions):
        """Repeats the first marginal."""
        prefix, _ = super().probabilities(options, positions)
        weights = self.weights(options)
        return prefix, np.take_along_axis(weights, np.maximum(positions, 0), axis=1) * (positions >= 0)


class Forgetful(PlackettLuce):
    """Tells of other slates than it drew."""

    def draw_with_propensities(self, observation, k, keys):
        """Propensities of the neighbour's slate."""
        slates, told = super().draw_with_propensities(observation, k, keys)
        return slates, told._replace(joint=np.roll(told.joint, 1))


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (Forgetful, "the same joint"),
        (Flattered, "sum to 1"),
        (Tilted, "was drawn"),
        (Restless, "any place of a batch"),
        (Averaged, "marginal"),
    ],
)
def test_the_suite_finds_what_is_wrong(checkerboard, broken, message):
    with pytest.raises(AssertionError, match=message):
        check_stochastic(broken(EASE(), 0.7), checkerboard.log, checkerboard.catalogue)


def test_options_are_standardised(checkerboard, observe):
    policy = PlackettLuce(EASE()).fit(checkerboard.log, checkerboard.catalogue)
    assert isinstance(policy, ScoredOptions)
    scores = policy.options(observe([0, 1])).scores
    for row in scores:
        inside = row[np.isfinite(row)]
        assert inside.mean() == pytest.approx(0, abs=1e-9)
        assert inside.std() == pytest.approx(1)
