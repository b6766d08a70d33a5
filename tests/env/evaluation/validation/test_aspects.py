"""Each respect is read off a log as its definition says."""

import numpy as np
import pytest

from personagym_env.data.tables import Catalogue, Interactions
from personagym_env.evaluation.validation.aspects import ASPECTS, HORIZON, Ruler
from personagym_env.evaluation.validation.session_log import SessionLog

ONE = np.ones((1, 2))
GENRES = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1]], np.bool_)


def _catalogue(genres: np.ndarray = GENRES) -> Catalogue:
    m = len(genres)
    names = tuple(f"g{column}" for column in range(genres.shape[1]))
    return Catalogue(tuple(map(str, range(m))), ("film",) * m, np.zeros(m, np.int64), names, genres)


def _log(users: list[int], items: list[int], ratings: list[float]) -> Interactions:
    return Interactions(
        np.array(users),
        np.array(items),
        np.array(ratings, np.float32),
        None,
        n_users=2,
        n_items=4,
        scale=(1.0, 2.0, 3.0),
    )


TRAIN = _log([0, 0, 1, 1], [3, 2, 3, 0], [1, 3, 2, 2])
RULER = Ruler(TRAIN, _catalogue())


def _sessions(items: list[int], ratings: list[float], position: list[int], ended: list[bool]) -> SessionLog:
    return SessionLog(_log([0] * len(items), items, ratings), np.array(position), np.array(ended))


def test_popularity_ranks_come_from_training_rows() -> None:
    assert RULER.rank.tolist() == [1, 3, 2, 0]
    log = _sessions([3, 3, 1], [1, 1, 1], [1, 2, 3], [False] * 3)
    found = ASPECTS["popularity"].measure(RULER, log)
    assert found.support.tolist() == [25, 50, 75, 100]
    assert found.curve(ONE)[0] == pytest.approx([2 / 3, 0, 0, 1 / 3])
    assert ASPECTS["concentration"].measure(RULER, log).level(ONE)[0] == pytest.approx(
        2 * (3 * 1 + 4 * 2) / (4 * 3) - 5 / 4
    )


def test_lengths_beyond_the_horizon_are_one_class() -> None:
    n = HORIZON + 20
    log = SessionLog(_log([0] * n, [0] * n, [1] * n), np.arange(1, n + 1), np.arange(1, n + 1) == n)
    found = ASPECTS["length"].measure(RULER, log)
    assert found.level(ONE)[0] == HORIZON + 1


def test_stars() -> None:
    found = ASPECTS["stars"].measure(RULER, _sessions([0, 1, 2], [1, 3, 3], [1, 2, 3], [False] * 3))
    assert found.curve(ONE)[0] == pytest.approx([1 / 3, 0, 2 / 3])


def test_genres_repeat_within_sessions_only() -> None:
    # 0 and 1 share a genre, 1 and 2 too, 2 and 3 do not; between 1 and 2 a session ends.
    log = _sessions([0, 1, 2, 3], [1] * 4, [1, 2, 1, 2], [False, True, False, False])
    assert ASPECTS["repeats"].measure(RULER, log).level(ONE)[0] == pytest.approx(0.5)


def test_entropy_of_users_and_of_runs() -> None:
    one_genre, two_genres = [0] * 10, [0, 2] * 5
    position = list(range(1, 26))
    log = _sessions([*one_genre, *two_genres, 3, 3, 3, 3, 3], [1] * 25, position, [False] * 25)
    runs = ASPECTS["run entropy"].measure(RULER, log)
    assert runs.curve(ONE)[0][[0, 20]] == pytest.approx([0.5, 0.5])  # 0 bits and 1 bit; five rows are no run
    everything = np.array([15, 5, 5]) / 25
    expected = -(everything * np.log2(everything)).sum()
    assert ASPECTS["user entropy"].measure(RULER, log).level(ONE)[0] == pytest.approx(expected, abs=0.025)


def test_trend_is_the_slope_within_sessions() -> None:
    # Up by one point per doubling in both sessions, which lie at different levels.
    log = _sessions([0, 1, 2, 3], [1, 2, 2, 3], [1, 2, 2, 4], [False, True, False, False])
    found = ASPECTS["trend"].measure(RULER, log)
    assert found.level(ONE)[0] == pytest.approx(1)
    assert found.curve(ONE)[0][:3] == pytest.approx([1 - 2, 2 - 2, 3 - 2])  # less the training mean of user 0
    assert np.isnan(found.curve(ONE)[0][3:]).all()


def test_what_data_do_not_have_is_not_measured() -> None:
    assert set(RULER.aspects(sessions=True)) == set(ASPECTS)
    assert set(RULER.aspects(sessions=False)) == {"stars", "popularity", "concentration", "user entropy"}
    bare = Ruler(TRAIN, _catalogue(np.zeros((4, 0), np.bool_)))
    assert set(bare.aspects(sessions=False)) == {"stars", "popularity", "concentration"}
    with pytest.raises(ValueError, match="sessions"):
        ASPECTS["length"].measure(RULER, SessionLog(TRAIN, None, None))
