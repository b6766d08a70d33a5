"""The diary of episodes against plain lists."""

import numpy as np

from personagym_env.protocols import NO_ITEM
from personagym_env.session.episode_history import ROOM, EpisodeHistory


def test_it_keeps_what_lists_keep() -> None:
    """Episodes of many lengths, some begun afresh, one far longer than the first room."""
    rng = np.random.default_rng(0)
    n, h = 6, 5
    history_of_episode = EpisodeHistory(n, h)
    told: list[list[tuple[int, float]]] = [[] for _ in range(n)]
    for _ in range(2 * ROOM + 10):
        steps = np.array([len(entries) for entries in told])
        items, ratings = history_of_episode.latest(np.arange(n), steps)
        padded = [[(NO_ITEM, 0.0)] * h + entries for entries in told]
        np.testing.assert_array_equal(items, [[item for item, _ in entries[-h:]] for entries in padded])
        np.testing.assert_array_equal(ratings, [[rating for _, rating in entries[-h:]] for entries in padded])
        rows = np.flatnonzero(rng.random(n) < 0.8)
        np.testing.assert_array_equal(history_of_episode.latest(rows, steps[rows])[0], items[rows])
        consumed = history_of_episode.consumed(rows, steps[rows])
        assert consumed.shape[1] == steps[rows].max(initial=0)
        for row, line in zip(rows, consumed, strict=True):
            assert {*line.tolist()} - {NO_ITEM} == {item for item, _ in told[row]} - {NO_ITEM}
        items = np.where(rng.random(len(rows)) < 0.7, rng.integers(100, size=len(rows)), NO_ITEM)
        ratings = np.where(items == NO_ITEM, 0, rng.integers(1, 6, size=len(rows))).astype(np.float32)
        history_of_episode.write(rows, steps[rows], items, ratings)
        for row, item, rating in zip(rows.tolist(), items.tolist(), ratings.tolist(), strict=True):
            told[row].append((item, rating))
        afresh = np.flatnonzero((rng.random(n) < 0.03) & (np.arange(n) > 0))
        history_of_episode.clear(afresh)
        for row in afresh:
            told[row] = []
    assert len(told[0]) > ROOM
