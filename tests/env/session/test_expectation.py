"""Expectations of a step: the chances by counting all subsets, the satisfaction as the mean of many steps."""

from itertools import product

import numpy as np
import pytest

from personagym_env.data.tables import Catalogue, Dataset
from personagym_env.protocols import Reaction
from personagym_env.session import kernel
from personagym_env.session.expectation import expect, taking_chances
from personagym_env.session.parameters import SessionParameters


def counted(examined: np.ndarray, utility: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    """The chances (k,) of one row, over all subsets of places that may be examined."""
    chances = np.zeros(len(examined))
    for seen in product([0, 1], repeat=len(examined)):
        mask = np.array(seen)
        weight = np.prod(np.where(mask == 1, examined, 1 - examined))
        rates = mask * np.exp(utility)
        chances += weight * rates / (1 + rates.sum())
    return chances


@pytest.mark.parametrize("scale", [0.0, 1.0, 5.0])
def test_chances_are_those_over_all_subsets_of_examined_places(scale: float) -> None:
    rng = np.random.default_rng(1)
    examined, utility = rng.random((6, 4)), scale * rng.normal(0, 2, (6, 4))
    examined[0, 1], examined[1] = 0, 1
    expected = np.stack([counted(*row) for row in zip(examined, utility, strict=True)])
    np.testing.assert_allclose(taking_chances(examined, utility), expected, atol=2e-5)


def test_one_examined_item_is_taken_as_often_as_it_is_wanted() -> None:
    wanted = np.array([[1e-6], [0.3], [1 - 1e-6]])
    np.testing.assert_allclose(taking_chances(np.ones((3, 1)), np.log(wanted / (1 - wanted))), wanted, atol=1e-5)


def test_the_expectation_is_the_mean_of_many_steps(dataset: Dataset) -> None:
    catalogue: Catalogue = dataset.catalogue
    dynamics = kernel.Dynamics.of(SessionParameters(), catalogue, dataset.interactions.scale)
    rng, n, k = np.random.default_rng(3), 40_000, 3
    slates = np.tile([3, 8, 21], (n, 1))
    places = np.tile(np.array([kernel.Place.SHOWN, kernel.Place.SHOWN, kernel.Place.RATED], np.int8), (n, 1))
    reaction = Reaction(np.tile([0.4, 0.7, 0.9], (n, 1)), np.tile(rng.dirichlet(np.ones(5), k), (n, 1, 1)))
    state = kernel.initial(dynamics, rng.integers(0, 2**60, n).astype(np.uint64), np.zeros(n, np.int64), np.arange(n))
    state = state._replace(satiation=np.tile(rng.random(state.satiation.shape[1]), (n, 1)).astype(np.float32))
    after, outcome = kernel.transition(state, slates, places, reaction, dynamics)
    one = slice(0, 1)
    found = expect(
        Reaction(reaction.choice_probability[one], reaction.rating[one]),
        slates[one],
        places[one],
        state.satisfaction[one],
        state.satiation[one],
        state.drift[one],
        dynamics,
    )
    assert found.taken[0, 2] == 0
    np.testing.assert_allclose(found.taken[0], [(outcome.place == place).mean() for place in range(k)], atol=0.01)
    assert found.click[0] == pytest.approx((outcome.place >= 0).mean(), abs=0.01)
    assert found.satisfaction[0] == pytest.approx(after.satisfaction.mean(), abs=0.002)
