"""Fitted laws beside simple ones on sessions that neither has seen."""

import json
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from scipy.special import expit

from personagym_env.card import simulation_card
from personagym_env.data.tables import Catalogue, Dataset, Interactions
from personagym_env.evaluation.reporting.card_page import card_page
from personagym_env.session.fitting.goodness import GoodnessOfFit, goodness_of_fit
from personagym_env.session.fitting.sessions import SessionFit
from personagym_env.session.kernel import normalised_ratings
from personagym_env.session.parameters import Returning, SessionParameters
from personagym_env.session.returning import days_away

SCALE = (1.0, 2.0, 3.0, 4.0, 5.0)


def simulate_log(n_users: int, per_user: int, weights: tuple[float, float, float], away: Returning) -> Interactions:
    """Users who rate at random, end sessions by a planted hazard and return by a planted law."""
    rng = np.random.default_rng(8)
    ratings = rng.choice(5, (n_users, per_user))
    normalised_rating, rate = normalised_ratings(SCALE)[ratings], SessionParameters().satisfaction.rate
    level, position = np.full(n_users, 0.5), np.zeros(n_users)
    times, clock = np.empty((n_users, per_user), np.int64), np.zeros(n_users)
    for t in range(per_user):
        clock += rng.integers(5, 100, n_users)
        times[:, t] = clock
        level, position = level + rate * (normalised_rating[:, t] - level), position + 1
        left = rng.random(n_users) < expit(weights[0] + weights[1] * level + weights[2] * np.log1p(position))
        clock += np.where(left, days_away(rng.random(n_users), level, away) * 86_400, 0)
        level[left], position[left] = 0.5, 0
    return Interactions.from_columns(
        np.repeat(np.arange(n_users), per_user),
        np.tile(np.arange(per_user), n_users),
        np.take(SCALE, ratings.ravel()),
        times.ravel(),
        n_users=n_users,
        n_items=per_user,
        scale=SCALE,
    )


@pytest.fixture(scope="module")
def parts() -> dict[str, GoodnessOfFit]:
    log = simulate_log(300, 80, (0.5, -1.5, -1.0), Returning(location=2.0, satisfaction_weight=-2.0, spread=1.5))
    early = log.users < 200
    return {part.name: part for part in goodness_of_fit(log.take(early), log.take(~early))}


def test_the_law_that_made_the_log_beats_the_simple_one(parts: dict[str, GoodnessOfFit]) -> None:
    assert set(parts) == {"leaving", "returning"}
    for part in parts.values():
        assert part.gain.low > 0, part.name
        assert part.gain.value == pytest.approx(part.log_likelihood - part.baseline_log_likelihood)
        assert part.curves.fitted_distance < 0.05, part.name
        assert part.curves.baseline_distance > 2 * part.curves.fitted_distance, part.name


def test_curves_are_survival_curves_of_plain_numbers(parts: dict[str, GoodnessOfFit]) -> None:
    for part in parts.values():
        at = part.curves.at
        assert at == sorted(at)
        for curve in (part.curves.observed, part.curves.fitted, part.curves.baseline):
            assert len(curve) == len(at)
            assert all(1 >= one >= other >= 0 for one, other in pairwise(curve))
        assert json.loads(json.dumps(part.to_dict()))["curves"]["at"] == at


def test_a_geometric_length_leaves_nothing_to_gain() -> None:
    log = simulate_log(300, 80, (-1.5, 0.0, 0.0), Returning(location=2.0, spread=1.5))
    early = log.users < 200
    leaving = next(part for part in goodness_of_fit(log.take(early), log.take(~early)) if part.name == "leaving")
    assert leaving.gain.low < 0.001
    assert abs(leaving.gain.value) < 0.002


def test_a_catalogue_adds_fatigue_and_drift(make_dataset: Callable[..., Dataset]) -> None:
    data = make_dataset(n_users=160, per_user=60)
    early = data.interactions.users < 80
    logs = data.interactions.take(early), data.interactions.take(~early)
    parts = {part.name: part for part in goodness_of_fit(*logs, catalogue=data.catalogue)}
    assert {"satiation", "drift"} <= set(parts)
    assert abs(parts["satiation"].gain.value) < 0.01, "the log has no fatigue"
    curves = parts["satiation"].curves
    assert curves.fitted_distance == pytest.approx(curves.baseline_distance, abs=0.02)
    assert curves.fitted_distance < 0.05


def orders(weight: float, n_users: int = 200, per_user: int = 30) -> tuple[Interactions, Catalogue]:
    """Users who consume drawn items, of four genres, in an order that avoids genres just consumed by a weight."""
    rng = np.random.default_rng(2)
    genre, items = np.arange(80) % 4, np.empty((n_users, per_user), np.int64)
    for row in items:
        left, level = rng.choice(80, per_user, replace=False), np.zeros(4)
        for place in range(per_user):
            chosen = (rng.gumbel(size=len(left)) - weight * level[genre[left]]).argmax()
            row[place], left = left[chosen], np.delete(left, chosen)
            level = SessionParameters().satiation.decay * level + np.eye(4)[genre[row[place]]]
    log = Interactions.from_columns(
        np.repeat(np.arange(n_users), per_user),
        items.ravel(),
        np.ones(items.size),
        np.tile(np.arange(per_user), n_users),
        n_users=n_users,
        n_items=80,
        scale=SCALE,
    )
    names, text = tuple("abcd"), tuple(map(str, range(80)))
    return log, Catalogue(text, text, np.full(80, 1990), names, np.eye(4, dtype=np.bool_)[genre])


@pytest.fixture(scope="module")
def fatigue() -> GoodnessOfFit:
    log, catalogue = orders(0.7)
    early = log.users < 120
    parts = goodness_of_fit(log.take(early), log.take(~early), catalogue=catalogue)
    return next(part for part in parts if part.name == "satiation")


def test_fatigue_is_seen_in_how_worn_consumed_genres_were(fatigue: GoodnessOfFit) -> None:
    curves = fatigue.curves
    assert fatigue.gain.low > 0
    assert curves.fitted_distance < 0.03
    assert curves.baseline_distance > 5 * curves.fitted_distance
    half = len(curves.at) // 4
    assert curves.baseline[half] > curves.observed[half] + 0.05, "without fatigue worn genres would be consumed more"
    for curve in (curves.observed, curves.fitted, curves.baseline):
        assert len(curve) == len(curves.at)
        assert curve[-1] == pytest.approx(0, abs=1e-9)
        assert all(1 >= one >= other >= 0 for one, other in pairwise(curve))


def test_the_card_page_plots_fatigue(fatigue: GoodnessOfFit) -> None:
    card = simulation_card("world", SessionParameters(), SessionFit())
    page = card_page({**json.loads(card.to_json()), "goodness": [fatigue.to_dict()]})
    assert [plot.label for plot in page.content["plots"]] == ["satiation: held-out cases and two laws"]
    assert page.content["plots"][0].svg.count("<svg") == 1


def test_logs_without_timestamps_have_no_sessions_to_compare(make_dataset: Callable[..., Dataset]) -> None:
    log = make_dataset(timed=False).interactions
    assert goodness_of_fit(log, log) == []
