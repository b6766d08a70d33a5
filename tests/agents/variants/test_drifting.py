"""Drifting users: a planted drift is found and pays on late rows; where tastes stay, none is found."""

import numpy as np
import pytest

from fixtures.planted_log import planted
from personagym_agents.variants.drifting import choose_law, fit_drifting, fit_process, late_log_likelihood
from personagym_env.data.splits import Split, temporal_split
from personagym_env.data.tables import Dataset

USERS, ROWS, ITEMS = 60, 60, 90


def world(step: float) -> Dataset:
    """Users with a taste for the first of two genres that walks by so much with every row."""
    rng = np.random.default_rng(3)
    genre = np.arange(ITEMS) % 2
    taste = rng.normal(0, 1.2, (USERS, 1)) + np.cumsum(rng.normal(0, step, (USERS, ROWS)), axis=1)
    items = np.stack([rng.permutation(ITEMS)[:ROWS] for _ in range(USERS)])
    points = 3 + taste * np.where(genre[items] == 0, 1, -1) + rng.normal(0, 0.4, items.shape)
    return planted(np.repeat(np.arange(USERS), ROWS), items.ravel(), points.ravel(), genre)


def gain(split: Split) -> tuple[float, float]:
    """The drift that is chosen, and the log likelihood a row that it wins on late rows."""
    drift, distractor = choose_law(split.train)
    _, still = choose_law(split.train, drifts=(0.0,))
    moving, static = (
        late_log_likelihood(fit_process(split.train, *law), split.test) for law in ((drift, distractor), (0.0, still))
    )
    return drift, float((moving - static).mean())


def test_a_planted_drift_is_found_and_pays() -> None:
    drift, won = gain(temporal_split(world(0.3).interactions))
    assert drift >= 0.03
    assert won > 0.1


def test_where_tastes_stay_no_drift_is_found() -> None:
    drift, won = gain(temporal_split(world(0.0).interactions))
    assert drift <= 0.003
    assert abs(won) < 0.02


def test_a_session_moves_the_preference_it_reveals() -> None:
    dataset = world(0.3)
    agent = fit_drifting(dataset, dataset.interactions)
    sessions, row, slate = agent.open(1), np.zeros(1, np.int64), np.array([[0, 1]])
    sessions.start(row, row)
    before = sessions.react(row, slate).rating @ np.asarray(agent.scale)
    for item in range(10, 30, 2):
        sessions.consume(row, np.array([item]), np.array([4]))
    after = sessions.react(row, slate).rating @ np.asarray(agent.scale)
    assert (after - before)[0, 0] > 0.2 > (after - before)[0, 1]
    assert fit_drifting(dataset, dataset.interactions, core=False).name == "drifting, still"


def test_an_empty_log_is_told() -> None:
    dataset = world(0.0)
    nothing = dataset.interactions.take(np.zeros(USERS * ROWS, np.bool_))
    with pytest.raises(ValueError, match="at least one training row"):
        fit_drifting(dataset, nothing)
