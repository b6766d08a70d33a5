"""The random walk of taste: its statistics, its effect on wishes, and its absence."""

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit

from personagym_env.data.tables import Dataset
from personagym_env.protocols import NO_ITEM, Reaction
from personagym_env.session import kernel
from personagym_env.session.kernel import Dynamics, Outcome, Place, State
from personagym_env.session.parameters import SessionParameters

N = 5_000
STAY = {"intercept": -1000.0, "satisfaction_weight": 0.0, "duration_weight": 0.0}


def dynamics_of(dataset: Dataset, scale: float) -> Dynamics:
    changes = {"leaving": STAY, "drift": {"scale": scale}, "choice": {"satiation_weight": 0.0}}
    return Dynamics.of(SessionParameters().updated(changes), dataset.catalogue, dataset.interactions.scale)


def start(dynamics: Dynamics, n: int = N) -> State:
    keys = np.random.default_rng(5).integers(2**63, size=n, dtype=np.uint64)
    return kernel.initial(dynamics, keys, np.zeros(n, np.int64), np.zeros(n, np.int64))


def step(
    dynamics: Dynamics, state: State, item: int = 1, choice_probability: float = 1.0, place: int = 0
) -> tuple[State, Outcome]:
    n = len(state.user)
    reaction = Reaction(np.full((n, 1), choice_probability, np.float32), np.full((n, 1, 5), 0.2, np.float32))
    return kernel.transition(state, np.full((n, 1), item), np.full((n, 1), place, np.int8), reaction, dynamics)


def test_scale_zero_is_bit_for_bit_no_drift(dataset: Dataset) -> None:
    dynamics = dynamics_of(dataset, 0.0)
    state = start(dynamics)
    for _ in range(5):
        state, _ = step(dynamics, state)
    assert (state.drift == 0).all()
    # A drift that stands at zero changes nothing either, not even a rounding.
    tiny = dynamics_of(dataset, 1e-12)
    one, other = (
        step(dynamics, start(dynamics), choice_probability=0.4)[1],
        step(tiny, start(tiny), choice_probability=0.4)[1],
    )
    for name, values, others in zip(Outcome._fields, one, other, strict=True):
        np.testing.assert_array_equal(values, others, err_msg=name)


def test_the_walk_has_independent_normal_steps_of_its_scale(dataset: Dataset) -> None:
    dynamics = dynamics_of(dataset, 0.3)
    state, walks = start(dynamics), [np.zeros((N, 4), np.float32)]
    for _ in range(4):
        state, outcome = step(dynamics, state)
        assert (outcome.item != NO_ITEM).mean() > 0.99
        walks.append(state.drift)
    moved = outcome.item != NO_ITEM
    steps = np.diff(walks, axis=0) / 0.3  # (4, n, g)
    assert stats.kstest(steps[-1][moved].ravel(), "norm").pvalue > 1e-3
    correlation = np.corrcoef(steps.transpose(0, 2, 1).reshape(-1, N))
    assert np.abs(correlation - np.eye(16)).max() < 5 / np.sqrt(N)
    np.testing.assert_allclose(walks[-1].std(axis=0), 0.3 * 2, rtol=0.06)


def test_taste_stands_still_without_consumption(dataset: Dataset) -> None:
    dynamics = dynamics_of(dataset, 0.3)
    state, outcome = step(dynamics, start(dynamics), place=Place.RATED)
    assert (outcome.item == NO_ITEM).all()
    assert (state.drift == 0).all()


@pytest.mark.parametrize(("item", "share"), [(1, 1.0), (25, 0.5), (2, 0.0)])
def test_drift_shifts_the_log_odds_by_genre_share(dataset: Dataset, item: int, share: float) -> None:
    dynamics = dynamics_of(dataset, 0.3)
    state = start(dynamics, 20_000)
    state.drift[:, 1] = 1.2
    _, outcome = step(dynamics, state, item, choice_probability=0.5)
    expected = float(expit(1.2 * share))
    assert stats.binomtest(int((outcome.item == item).sum()), 20_000, expected).pvalue > 1e-3
    np.testing.assert_array_equal(outcome.choice_probability, np.float32(0.5))
