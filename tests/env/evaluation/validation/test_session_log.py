"""Real logs are cut into sessions over the border of training and held-out rows, and nobody's last end is made up."""

import numpy as np
import pytest

from personagym_env.data.splits import Split
from personagym_env.data.tables import Interactions
from personagym_env.evaluation.validation.session_log import SessionLog, held_out_sessions, preceding_sessions

MINUTE = 60


def _log(users: list[int], times: list[int] | None, items: list[int] | None = None) -> Interactions:
    return Interactions.from_columns(
        np.array(users),
        np.array(items if items is not None else range(len(users))),
        np.full(len(users), 3.0),
        None if times is None else np.array(times) * MINUTE,
        n_users=3,
        n_items=20,
        scale=(1.0, 2.0, 3.0),
    )


@pytest.fixture
def split() -> Split:
    # User 0: two rows, a pause, three | two of the same session, a pause, one. User 2: one row | one, after a pause.
    whole = _log([0] * 8 + [2] * 2, [0, 1, 100, 101, 102, 103, 104, 200, 0, 50])
    late = np.isin(whole.items, [5, 6, 7, 9])
    return Split(whole.take(~late), whole.take(late))


def test_sessions_go_on_over_the_border(split: Split) -> None:
    held_out = held_out_sessions(split)
    assert held_out.log.items.tolist() == [5, 6, 7, 9]
    assert held_out.position is not None
    assert held_out.ended is not None
    assert held_out.position.tolist() == [4, 5, 1, 1]
    assert held_out.ended.tolist() == [False, True, False, False]  # the last row of a user is no known end
    assert held_out.opens().tolist() == [True, False, True, True]


def test_preceding_rows_are_the_last_ones_of_training_as_many_as_are_held_out(split: Split) -> None:
    before = preceding_sessions(split)
    assert before.log.items.tolist() == [2, 3, 4, 8]
    assert before.position is not None
    assert before.ended is not None
    assert before.position.tolist() == [1, 2, 3, 1]
    assert before.ended.tolist() == [False, False, False, True]  # held-out rows show that user 2 made a pause


def test_rows_of_some_users(split: Split) -> None:
    part = held_out_sessions(split).of_users(np.array([False, True, True]))
    assert part.log.items.tolist() == [9]
    assert part.position is not None
    assert part.position.tolist() == [1]


def test_without_timestamps_there_are_rows_but_no_sessions() -> None:
    whole = _log([0] * 5, None)
    split = Split(whole.take(np.arange(3)), whole.take(np.array([3, 4])))
    assert held_out_sessions(split).position is None
    assert preceding_sessions(split).log.items.tolist() == [1, 2]
    with pytest.raises(ValueError, match="no sessions"):
        held_out_sessions(split).opens()


def test_columns_must_fit() -> None:
    log = _log([0, 0], [0, 1])
    with pytest.raises(ValueError, match="both, or neither"):
        SessionLog(log, np.array([1, 2]), None)
    with pytest.raises(ValueError, match=r"position must have shape \(2,\)"):
        SessionLog(log, np.array([1]), np.array([True]))
