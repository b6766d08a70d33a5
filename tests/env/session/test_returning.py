"""Several sessions in an episode: who comes back, when, and in which mood."""

import numpy as np
import pytest
from scipy import stats

from personagym_env.data.tables import Dataset
from personagym_env.protocols import NO_ITEM, Reaction
from personagym_env.session import kernel
from personagym_env.session.kernel import Dynamics, Outcome, State
from personagym_env.session.parameters import Returning, RewardWeights, SessionParameters
from personagym_env.session.returning import days_away, log_density, log_survival

N = 20_000
LEAVE = {"intercept": 1000.0}
AWAY = {"max_sessions": 3, "horizon": 1e6, "location": 1.0, "satisfaction_weight": -2.0, "spread": 0.8}


def dynamics_of(dataset: Dataset, **changes: dict[str, float]) -> Dynamics:
    parameters = SessionParameters().updated({"leaving": LEAVE, "returning": AWAY, **changes})
    return Dynamics.of(parameters, dataset.catalogue, dataset.interactions.scale)


def start(dynamics: Dynamics, n: int = N) -> State:
    keys = np.random.default_rng(5).integers(2**63, size=n, dtype=np.uint64)
    return kernel.initial(dynamics, keys, np.zeros(n, np.int64), np.zeros(n, np.int64))


def step(dynamics: Dynamics, state: State, item: int = 0, choice_probability: float = 0.5) -> tuple[State, Outcome]:
    n = len(state.user)
    reaction = Reaction(np.full((n, 1), choice_probability, np.float32), np.full((n, 1, 5), 0.2, np.float32))
    return kernel.transition(state, np.full((n, 1), item), np.zeros((n, 1), np.int8), reaction, dynamics)


def test_by_default_nobody_returns(dataset: Dataset) -> None:
    dynamics = Dynamics.of(
        SessionParameters().updated({"leaving": LEAVE}), dataset.catalogue, dataset.interactions.scale
    )
    state, outcome = step(dynamics, start(dynamics, 50))
    assert outcome.left.all()
    assert not outcome.returned.any()
    assert kernel.terminal(state, outcome, None)[0].all()
    assert (state.session == 0).all()


def test_an_episode_has_no_more_sessions_than_it_may(dataset: Dataset) -> None:
    dynamics = dynamics_of(dataset)
    state = start(dynamics, 50)
    for session, back in ((0, True), (1, True), (2, False)):
        assert (state.session == session).all()
        state, outcome = step(dynamics, state)
        assert (outcome.returned == back).all()
        assert (kernel.terminal(state, outcome, None)[0] == (not back)).all()
        assert (kernel.reward_components(outcome, dynamics)["retention"] == back).all()
        assert ((outcome.gap_days > 0) == back).all()


def test_days_away_follow_the_law_that_satisfaction_moves() -> None:
    parameters = Returning(**AWAY)
    random_draw = (np.arange(N) + 0.5) / N
    for satisfaction in (0.0, 0.75):
        days = days_away(random_draw, np.full(N, satisfaction), parameters)
        # The pause of 30 minutes cuts off next to nothing of this law.
        law = stats.lognorm(s=0.8, scale=np.exp(1.0 - 2.0 * satisfaction))
        assert stats.kstest(days, law.cdf).statistic < 1e-3


def test_the_law_above_the_pause_is_the_law_of_those_who_stay_longer() -> None:
    parameters = Returning(**{**AWAY, "location": -4.0, "spread": 1.5})
    shortest = parameters.pause / (24 * 60)
    random_draw = np.random.default_rng(0).random(N)
    days = days_away(random_draw, np.zeros(N), parameters)
    assert days.min() >= shortest
    assert 0.2 < np.mean(days < 2 * shortest) < 0.6
    centre = np.full(N, -4.0)
    below = 1 - np.exp(log_survival(days, centre, 1.5, shortest))
    assert stats.kstest(below, "uniform").pvalue > 1e-3
    edges = np.exp(np.linspace(np.log(shortest), 5, 4000))
    density = np.exp(log_density(edges, np.full(len(edges), -4.0), 1.5, shortest))
    assert np.trapezoid(density, edges) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("extreme", [{"location": -900.0}, {"location": 900.0}, {"spread": 1000.0}])
def test_extreme_laws_stay_finite(extreme: dict[str, float]) -> None:
    days = days_away(np.array([1e-16, 0.5, 1 - 1e-16]), np.zeros(3), Returning(**{**AWAY, **extreme}))
    assert np.isfinite(days).all()
    assert (days >= 30 / (24 * 60)).all()


def test_who_would_come_after_the_horizon_is_lost(dataset: Dataset) -> None:
    dynamics = dynamics_of(dataset, returning={**AWAY, "satisfaction_weight": 0.0, "horizon": 5.0})
    state, outcome = step(dynamics, start(dynamics))
    share = stats.lognorm(s=0.8, scale=np.exp(1.0)).cdf(5.0)
    assert stats.binomtest(int(outcome.returned.sum()), N, float(share)).pvalue > 1e-3
    assert outcome.gap_days.max() <= 5
    back = np.flatnonzero(outcome.returned)
    later, second = step(dynamics, State._make(array[back] for array in state))
    # The horizon counts from the first session, so those who took long have little of it left.
    assert later.day.max() <= 5
    quick = outcome.gap_days[back] < 1
    assert second.returned[quick].mean() > second.returned[~quick].mean() + 0.1


def test_satisfied_users_are_back_sooner_and_more_often(dataset: Dataset) -> None:
    dynamics = dynamics_of(dataset, returning={**AWAY, "horizon": 3.0}, satisfaction={"rate": 0.0, "miss_rate": 0.0})
    returned = []
    for level in (0.1, 0.9):
        state = start(dynamics)._replace(satisfaction=np.full(N, level, np.float32))
        returned.append(step(dynamics, state)[1].returned.mean())
    assert returned[1] > returned[0] + 0.2


def test_absence_halves_satiation_and_what_satisfaction_moved(dataset: Dataset) -> None:
    returning, moods = {**AWAY, "recovery": 2.0}, {"initial": 0.6, "rate": 0.5, "miss_rate": 0.5}
    dynamics = dynamics_of(dataset, returning=returning, satisfaction=moods)
    alone = dynamics_of(dataset, returning={**returning, "max_sessions": 1}, satisfaction=moods)
    before, _ = step(alone, start(alone))
    after, outcome = step(dynamics, start(dynamics))
    kept = 0.5 ** (outcome.gap_days / 2.0)
    np.testing.assert_allclose(after.satiation, kept[:, None] * before.satiation, rtol=1e-5)
    np.testing.assert_allclose(after.satisfaction - 0.6, kept * (before.satisfaction - 0.6), atol=1e-6)


def test_fatigue_of_duration_begins_anew_with_the_session(dataset: Dataset) -> None:
    dynamics = dynamics_of(
        dataset, satisfaction={"rate": 0.0, "miss_rate": 0.0}, leaving={**LEAVE, "duration_weight": 1}
    )
    state, _ = step(dynamics, start(dynamics, 4))
    np.testing.assert_array_equal(state.step - state.began, 0)
    np.testing.assert_array_equal(state.step, 1)
    calm = dynamics_of(dataset, leaving={"intercept": -2.0, "duration_weight": 1.0, "satisfaction_weight": 0.0})
    _, first = step(calm, start(calm, 4))
    _, again = step(calm, state)
    np.testing.assert_allclose(first.hazard, again.hazard)


def test_retention_is_rewarded_by_its_weight(dataset: Dataset) -> None:
    dynamics = dynamics_of(dataset)
    _, outcome = step(dynamics, start(dynamics, 3), choice_probability=1e-9)
    assert (outcome.item == NO_ITEM).all()
    components = kernel.reward_components(outcome, dynamics)
    np.testing.assert_array_equal(kernel.reward(components, RewardWeights(retention=7.0)), 7.0)
    np.testing.assert_array_equal(kernel.reward(components, RewardWeights()), 0.0)


def test_sessions_are_counted_whole() -> None:
    with pytest.raises(ValueError, match=r"Returning\.max_sessions must be a whole number, got 1\.5"):
        Returning(max_sessions=1.5)
