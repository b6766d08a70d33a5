"""A simulated log has the rows that were asked for, in sessions of the environment, and follows the users' laws."""

from collections.abc import Callable

import numpy as np
import pytest

from personagym_env.data.tables import Dataset
from personagym_env.evaluation.validation import simulated_log as validation_play
from personagym_env.evaluation.validation.logging_policies import SoftmaxPolicy, uniform_logits
from personagym_env.evaluation.validation.session_log import SessionLog
from personagym_env.evaluation.validation.simulated_log import simulate_log
from personagym_env.protocols import UserAgent
from personagym_env.world import World, make_world


@pytest.fixture(scope="module")
def make_log(make_dataset: Callable[..., Dataset], make_agent: Callable[..., UserAgent]) -> Callable[..., SessionLog]:
    def make(budget: np.ndarray, *, hazard: float = -3.0, rows: int = 5, choice_probability: float = 0.9) -> SessionLog:
        leaving = {"intercept": hazard, "satisfaction_weight": 0.0, "duration_weight": 0.0}
        parameters = {"leaving": leaving, "examination": {"decay": 0.0}}
        world: World = make_world(
            make_dataset(), make_agent(choice_probability=choice_probability, rating=2), parameters=parameters
        )
        policy = SoftmaxPolicy("uniform", uniform_logits(80), np.random.default_rng(0))
        return simulate_log(policy, world, budget, seed=1, slate_size=4, rows=rows)

    return make


def test_everybody_consumes_as_much_as_asked_and_nothing_twice(
    make_log: Callable[..., SessionLog], dataset: Dataset
) -> None:
    budget = np.array([0, 5, 1, 30, 8, 2, 9, 10, 11, 12, 3, 4])
    simulated = make_log(budget)
    log = simulated.log
    assert log.counts.tolist() == budget.tolist()
    assert (log.ratings == 3).all()
    assert len(np.unique(log.users * 80 + log.items)) == len(log)
    early = dataset.interactions.take(np.arange(len(dataset.interactions)) % 20 < 16)
    assert not early.contains(log.users, log.items).any()
    assert simulated.position is not None
    assert simulated.ended is not None
    assert simulated.opens()[log.indptr[:-1][budget > 0]].all()
    assert (simulated.position[simulated.opens()] == 1).all()
    # A new session begins after every known end, and nowhere else; the last row of a user is no known end.
    inside = np.diff(log.users) == 0
    assert (simulated.ended[:-1][inside] == simulated.opens()[1:][inside]).all()
    assert not simulated.ended[np.append(~inside, True)].any()


def test_sessions_end_at_the_rate_of_the_hazard(make_log: Callable[..., SessionLog]) -> None:
    simulated = make_log(np.full(12, 40), hazard=-1.0, choice_probability=0.999)
    assert simulated.ended is not None
    known = np.concatenate([np.diff(simulated.log.users) == 0, [False]])
    # Nearly every step is a consumption, so that sessions end after a consumption with the chance of leaving.
    assert simulated.ended[known].mean() == pytest.approx(1 / (1 + np.exp(1)), abs=0.06)


def test_the_same_seed_gives_the_same_log(make_log: Callable[..., SessionLog]) -> None:
    first, second = (make_log(np.full(12, 6)).log for _ in range(2))
    assert first.fingerprint() == second.fingerprint()


def test_users_who_take_nothing_are_reported(
    make_log: Callable[..., SessionLog], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(validation_play, "MOST_SESSIONS", 10)
    with pytest.raises(ValueError, match="of 6 items in 10 sessions with slates of 'uniform'"):
        make_log(np.eye(1, 12, dtype=np.int64)[0] * 6, choice_probability=1e-6, hazard=5.0)


def test_the_budget_needs_a_number_for_every_user(make_log: Callable[..., SessionLog]) -> None:
    with pytest.raises(ValueError, match=r"budget must have shape \(12,\), got \(3,\)"):
        make_log(np.ones(3, np.int64))
