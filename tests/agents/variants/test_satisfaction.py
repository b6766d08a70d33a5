"""Satisfaction: learned encodings tell who stays better than drawn ones; where chance decides, nothing does."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from fixtures.planted_log import planted
from personagym_agents.variants.satisfaction import fit_head, fit_satisfaction, learn_features
from personagym_agents.variants.session_encoder import EncoderSettings, event_features, windows
from personagym_env.data.tables import Dataset, FloatArray
from personagym_env.session.cuts import cut_sessions

USERS, ITEMS, KINDS = 60, 80, 8
SETTINGS = EncoderSettings(window=6, width=24, steps=250, batch=64)


@cache
def world(*, moods: bool) -> Dataset:
    """Sessions in one of two moods, which shows in most genres; a bad mood leaves soon, or mood has no say."""
    rng = np.random.default_rng(8)
    users, items, minutes = [], [], []
    for user in range(USERS):
        clock, left = 0.0, list(rng.permutation(ITEMS))
        while len(left) > 20:
            bad = rng.random() < 0.5
            for _ in range(12):
                shown = bad if rng.random() < 0.85 else not bad
                item = next((one for one in left if (one % KINDS < KINDS / 2) == shown), None)
                if item is None:
                    break
                left.remove(item)
                clock += 1
                users.append(user)
                items.append(item)
                minutes.append(clock)
                if rng.random() < ((0.3 if bad else 0.02) if moods else 0.15):
                    break
            clock += 600
    points = np.random.default_rng(9).integers(1, 6, len(users)).astype(float)
    genre = np.arange(ITEMS) % KINDS
    return planted(np.array(users), np.array(items), points, genre, minutes=np.array(minutes))


def losses(dataset: Dataset, *, core: bool, labels: int) -> float:
    """Mean log loss of staying over draws of so many labels, on the other users' rows."""
    log = dataset.interactions
    sessions = cut_sessions(log)
    features = learn_features(log, dataset, core=core, settings=SETTINGS)
    telling = np.flatnonzero(sessions.telling)
    known, asked = telling[log.users[telling] < USERS / 2], telling[log.users[telling] >= USERS / 2]
    read: FloatArray = features.of_log(log, sessions, telling)
    place = np.searchsorted(telling, known)
    found = []
    for draw in range(8):
        some = np.random.default_rng(draw).permutation(len(known))[:labels]
        head = fit_head(read[place[some]], ~sessions.last[known[some]])
        chance = head.staying(read[np.searchsorted(telling, asked)])
        found.append(-np.log(np.where(~sessions.last[asked], chance, 1 - chance)).mean())
    return float(np.mean(found))


def test_learned_encodings_tell_who_stays_from_few_labels() -> None:
    drawn, learned = (losses(world(moods=True), core=core, labels=40) for core in (False, True))
    assert learned < drawn - 0.01


def test_where_chance_decides_nothing_is_learned() -> None:
    dataset = world(moods=False)
    sessions = cut_sessions(dataset.interactions)
    share = sessions.last[sessions.telling].mean()
    chance = float(-(share * np.log(share) + (1 - share) * np.log(1 - share)))
    assert losses(dataset, core=True, labels=200) > chance - 0.02


def test_a_session_reads_as_its_log_does() -> None:
    """Consuming the items of a logged session gives the chance that its rows have."""
    dataset = world(moods=True)
    log = dataset.interactions
    agent = fit_satisfaction(dataset, log, settings=replace(SETTINGS, steps=20))
    sessions = cut_sessions(log)
    begin = int(sessions.first[sessions.length >= 4][0])
    rows = np.arange(begin, begin + 4)
    expected = agent.head.staying(agent.features.of_log(log, sessions, rows))
    opened, row = agent.open(2), np.array([1])
    opened.start(np.array([0, 1]), np.array([0, log.users[begin]]))
    found = []
    for at in rows:
        opened.consume(row, log.items[[at]], log.rating_index[[at]])
        found.append(float(opened.staying(row)[0]))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert fit_satisfaction(dataset, log, core=False, settings=SETTINGS).name == "satisfaction, unlearned"


def test_windows_end_at_their_row_and_begin_with_the_session() -> None:
    log = world(moods=True).interactions
    sessions = cut_sessions(log)
    events = event_features(log, world(moods=True).catalogue).of(log.users, log.items, log.ratings)
    begin = int(sessions.first[sessions.length >= 3][0])
    window = windows(events, sessions, np.array([begin + 2]), 5)[0]
    assert (window[:2] == 0).all()
    np.testing.assert_array_equal(window[2:], events[begin : begin + 3])


def test_a_log_without_times_is_refused() -> None:
    dataset = world(moods=True)
    log = dataset.interactions
    timeless = type(log)(log.users, log.items, log.ratings, None, log.n_users, log.n_items, log.scale)
    with pytest.raises(ValueError, match="need training rows with timestamps"):
        fit_satisfaction(dataset, timeless)
