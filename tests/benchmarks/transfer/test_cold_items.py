"""What populations say about cold items in several draws, put together."""

import numpy as np
import pytest

from personagym_benchmarks.transfer.asking import Asked
from personagym_benchmarks.transfer.cold_items import _Pool
from personagym_benchmarks.transfer.questions import rating_figures
from personagym_env.data.splits import Split
from personagym_env.data.tables import Interactions
from personagym_env.evaluation.core.statistics import RootMeanSquare
from personagym_env.evaluation.fidelity.fidelity_test import Answers

SCALE = (1.0, 2.0, 3.0, 4.0, 5.0)


def log(users: list[int], items: list[int], ratings: list[float]) -> Interactions:
    columns = (np.array(column) for column in (users, items, ratings))
    return Interactions.from_columns(*columns, None, n_users=5, n_items=9, scale=SCALE)


@pytest.fixture
def pool() -> _Pool:
    found = _Pool()
    draws = (log([0, 0, 2], [7, 3, 7], [5, 1, 4]), log([0, 4], [1, 1], [2, 2]))
    for number, test in enumerate(draws):
        points = [Asked("guess", "floor", Answers("guess", points=np.full(len(test), 3.0)), None, 1.0 + number, 4.0)]
        once = [Asked("once", "floor", Answers("once", points=np.full(len(test), 3.0)))] if number else []
        found.add(Split(log([1], [0], [3]), test), points + once)
    return found


def test_figures_are_over_items(pool: _Pool) -> None:
    rows = pool.rows_by_item()
    assert rows.n_users == 3  # items 1, 3 and 7
    guess = pool.asked()[0]
    rmse = rating_figures(guess.answers, rows)["rmse"]
    assert isinstance(rmse, RootMeanSquare)
    np.testing.assert_allclose(rmse.resampled(np.eye(3)), np.sqrt([1.0, 4.0, 2.5]))
    np.testing.assert_allclose(rmse.resampled(np.ones((1, 3))), np.sqrt((1 + 1 + 4 + 4 + 1) / 5))


def test_who_missed_a_draw_is_left_out(pool: _Pool) -> None:
    (guess,) = pool.asked()
    assert (guess.name, guess.setup_seconds, guess.answer_seconds) == ("guess", 1.5, 4.0)
