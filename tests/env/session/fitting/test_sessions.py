"""Planted parameters of leaving found again in logs, and what a fit is made of."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

from personagym_env.data.tables import Dataset, Interactions
from personagym_env.session.cuts import cut_sessions, satisfaction_after
from personagym_env.session.fitting.estimates import Estimate
from personagym_env.session.fitting.leaving import fit_leaving
from personagym_env.session.fitting.sessions import SessionFit, fit_sessions
from personagym_env.session.kernel import normalised_ratings
from personagym_env.session.parameters import SessionParameters

SCALE = (1.0, 2.0, 3.0, 4.0, 5.0)
PLANTED = {"leaving.intercept": -1.0, "leaving.satisfaction_weight": -2.5, "leaving.duration_weight": 0.4}


def log_of(users: list[int], ratings: list[float], minutes: list[float] | None) -> Interactions:
    n = len(users)
    times = None if minutes is None else (np.array(minutes) * 60).astype(np.int64)
    items = np.arange(n)
    return Interactions.from_columns(
        np.array(users), items, np.array(ratings), times, n_users=max(users) + 1, n_items=n, scale=SCALE
    )


def simulate_log(n_users: int, rows_per_user: int, seed: int, planted: dict[str, float] = PLANTED) -> Interactions:
    """Users who rate at random and pause for a while where the planted hazard says so."""
    rng = np.random.default_rng(seed)
    ratings = rng.choice(5, (n_users, rows_per_user), p=[0.1, 0.15, 0.25, 0.3, 0.2])
    normalised_rating = normalised_ratings(SCALE)[ratings]
    initial, rate = normalised_rating.mean(), SessionParameters().satisfaction.rate
    level, position = np.full(n_users, initial), np.zeros(n_users)
    times, clock = np.empty((n_users, rows_per_user), np.int64), np.zeros(n_users, np.int64)
    for t in range(rows_per_user):
        clock += rng.integers(5, 200, n_users)
        times[:, t] = clock
        level, position = level + rate * (normalised_rating[:, t] - level), position + 1
        logit = (
            planted["leaving.intercept"]
            + planted["leaving.satisfaction_weight"] * level
            + planted["leaving.duration_weight"] * np.log1p(position)
        )
        left = rng.random(n_users) < expit(logit)
        clock[left] += np.exp(rng.normal(11, 1, int(left.sum()))).astype(np.int64) + 1801
        level[left], position[left] = initial, 0
    users = np.repeat(np.arange(n_users), rows_per_user)
    items = np.tile(np.arange(rows_per_user), n_users)
    return Interactions.from_columns(
        users,
        items,
        np.take(SCALE, ratings.ravel()),
        times.ravel(),
        n_users=n_users,
        n_items=rows_per_user,
        scale=SCALE,
    )


def leaving_of(log: Interactions) -> dict[str, Estimate]:
    normalised_rating = normalised_ratings(SCALE)[log.rating_index].astype(np.float64)
    sessions = cut_sessions(log)
    satisfaction = satisfaction_after(
        normalised_rating, sessions, float(normalised_rating.mean()), SessionParameters().satisfaction.rate
    )
    return fit_leaving(log.users, sessions, satisfaction, 30.0)[0]


def test_planted_parameters_lie_in_their_intervals() -> None:
    log = simulate_log(800, 100, seed=1)
    fit = fit_sessions(log)
    for name, value in PLANTED.items():
        estimate = fit.estimates[name]
        # Wider than the 95 % interval by half, so that three coefficients of a right fit hardly ever fail together.
        slack = 0.25 * (estimate.high - estimate.low)
        assert estimate.low - slack < value < estimate.high + slack, name
        assert estimate.high - estimate.low < 0.5, name
        assert estimate.low < estimate.value < estimate.high, name
    assert fit.estimates["satisfaction.initial"].value == pytest.approx(0.5875, abs=0.01)
    assert [note.partition(";")[0] for note in fit.notes] == [
        "returning: users who never come back, for the log ends at another place for each user"
    ]


def test_intervals_cover_the_planted_parameters_about_as_often_as_they_say() -> None:
    covered = [
        [estimates[name].low < value < estimates[name].high for name, value in PLANTED.items()]
        for estimates in (leaving_of(simulate_log(60, 60, seed)) for seed in range(60))
    ]
    assert 0.85 < np.mean(covered) <= 1


def test_the_sign_up_tells_nothing_of_when_known_users_leave() -> None:
    """Forty ratings within ten minutes before each user's first session make that one endless, and change nothing."""
    log = simulate_log(300, 60, seed=6)
    assert log.timestamps is not None
    begin = log.timestamps[log.indptr[:-1]]
    sign_up = (begin[:, None] - np.arange(40, 0, -1) * 15).ravel()
    users = np.repeat(np.arange(log.n_users), 40)
    longer = Interactions.from_columns(
        np.concatenate([users, log.users]),
        np.concatenate([np.tile(log.n_items + np.arange(40), log.n_users), log.items]),
        np.concatenate([np.full(len(users), 3.0), log.ratings]),
        np.concatenate([sign_up, log.timestamps]),
        n_users=log.n_users,
        n_items=log.n_items + 40,
        scale=SCALE,
    )
    normalised_rating, rate = normalised_ratings(SCALE), SessionParameters().satisfaction.rate
    found = []
    for rows in (log, longer):
        sessions = cut_sessions(rows)
        satisfaction = satisfaction_after(normalised_rating[rows.rating_index].astype(np.float64), sessions, 0.6, rate)
        found.append(
            {name: each.value for name, each in fit_leaving(rows.users, sessions, satisfaction, 30.0)[0].items()}
        )
    assert found[0] == pytest.approx(found[1], abs=1e-6)
    assert set(found[0]) == set(PLANTED)


def test_a_log_without_the_effect_gives_an_interval_around_zero() -> None:
    planted = {**PLANTED, "leaving.satisfaction_weight": 0.0}
    estimate = fit_sessions(simulate_log(500, 60, seed=4, planted=planted)).estimates["leaving.satisfaction_weight"]
    assert estimate.low < 0 < estimate.high


def test_estimates_replace_defaults_and_nothing_else() -> None:
    fit = fit_sessions(simulate_log(100, 60, seed=1))
    parameters = fit.apply(SessionParameters())
    assert parameters.leaving.intercept == fit.estimates["leaving.intercept"].value
    assert parameters.examination == SessionParameters().examination
    assert parameters.satisfaction.rate == SessionParameters().satisfaction.rate


def test_statistics_describe_the_sessions() -> None:
    log = log_of([0, 0, 0, 0, 1], [3.0] * 5, [0, 1, 2, 100, 100])
    statistics = fit_sessions(log, gap_minutes=30).statistics
    assert statistics["sessions"] == 3
    assert statistics["sessions whose end is observed"] == 1
    assert statistics["ratings per session, median"] == 1
    assert statistics["ratings per session, mean"] == pytest.approx(5 / 3)


def test_without_timestamps_the_hazard_keeps_its_defaults_and_says_so(make_dataset: Callable[..., Dataset]) -> None:
    fit = fit_sessions(make_dataset(timed=False).interactions)
    assert set(fit.estimates) == {"satisfaction.initial"}
    assert fit.statistics == {}
    assert "no timestamps" in fit.notes[0]
    assert fit.apply(SessionParameters()).leaving == SessionParameters().leaving


@pytest.mark.parametrize(
    ("ratings", "minutes", "reason"),
    [
        ([3.0] * 400, [100 * (i // 3) + i for i in range(400)], "does not identify"),
        ([float(1 + i % 5) for i in range(400)], list(range(400)), "only 0 observed ends"),
    ],
    ids=["constant ratings", "one endless session"],
)
def test_a_log_that_does_not_identify_the_hazard_says_so(
    ratings: list[float], minutes: list[float], reason: str
) -> None:
    fit = fit_sessions(log_of([0] * 400, ratings, minutes))
    assert set(fit.estimates) == {"satisfaction.initial"}
    assert reason in fit.notes[0]


def test_perfectly_predicted_leaving_is_not_fitted() -> None:
    ratings = [1.0 if i % 4 == 3 else 5.0 for i in range(400)]
    fit = fit_sessions(log_of([0] * 400, ratings, [1000 * (i // 4) + i for i in range(400)]))
    assert "leaving.intercept" not in fit.estimates


def test_an_empty_log_fits_nothing(dataset: Dataset) -> None:
    empty = dataset.interactions.take(np.zeros(len(dataset.interactions), np.bool_))
    assert fit_sessions(empty).estimates == {}


def test_a_catalogue_adds_what_genres_and_titles_tell(make_dataset: Callable[..., Dataset]) -> None:
    data = make_dataset(n_users=60, per_user=60)
    alone, whole = fit_sessions(data.interactions), fit_sessions(data.interactions, catalogue=data.catalogue)
    assert set(alone.estimates) <= set(whole.estimates)
    assert not {"drift.scale", "choice.satiation_weight"} & (set(alone.findings) | set(alone.estimates))
    assert "drift.scale" in whole.findings
    said = set(whole.estimates) | set(whole.findings)
    assert "choice.satiation_weight" in said
    assert whole.apply(SessionParameters()).drift.scale == 0


def test_the_same_log_gives_the_same_fit(make_dataset: Callable[..., Dataset]) -> None:
    data = make_dataset(n_users=60, per_user=60)
    first, second = (fit_sessions(data.interactions, catalogue=data.catalogue) for _ in range(2))
    assert first.findings == second.findings
    assert first.estimates == second.estimates


def test_a_log_without_genres_says_so(make_dataset: Callable[..., Dataset]) -> None:
    data = make_dataset(n_genres=1)
    bare = replace(data.catalogue, genre_names=(), genres=data.catalogue.genres[:, :0])
    notes = fit_sessions(data.interactions, catalogue=bare).notes
    assert any("the catalogue has no genres" in note for note in notes)


def test_without_timestamps_every_part_that_needs_them_is_named(make_dataset: Callable[..., Dataset]) -> None:
    data = make_dataset(timed=False)
    fit = fit_sessions(data.interactions, catalogue=data.catalogue)
    assert fit.notes[0].startswith("leaving, returning, satiation, drift: the log has no timestamps")
    assert fit.apply(SessionParameters()).returning == SessionParameters().returning


def test_the_pause_of_the_parameters_cuts_and_the_pause_of_the_fit_is_applied() -> None:
    log = simulate_log(100, 60, seed=1)
    long = SessionParameters().updated({"returning": {"pause": 600.0}})
    assert fit_sessions(log, long).statistics["sessions"] < fit_sessions(log).statistics["sessions"]
    assert fit_sessions(log, gap_minutes=600.0).apply(SessionParameters()).returning.pause == 600.0
    assert SessionFit().apply(SessionParameters()) == SessionParameters()
