"""Blends of evidence: whatever is unknown has weights of its own, corrections go as far as they are borne out."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from personagym_agents.classical import cross_fitting
from personagym_agents.classical.blend import Blend, fit_blend
from personagym_agents.classical.cross_fitting import (
    BARELY_KNOWN,
    ColdRows,
    evidence_on_barely_known_users,
    evidence_on_unknown_items,
)
from personagym_agents.classical.gated_ridge import fit_gated_ridge, fit_trusted_ridge, trust
from personagym_agents.classical.rating_evidence import EVIDENCE_COLUMNS, PEERS
from personagym_agents.classical.stack import StackModel, fit_stack
from personagym_env.data.tables import Catalogue, Interactions

SCALE = (1.0, 2.0, 3.0, 4.0, 5.0)
N_USERS, N_ITEMS, UNRATED = 80, 120, 20


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    """Items are comedies and dramas in turns."""
    titles = tuple(f"Film {item}" for item in range(N_ITEMS))
    genres = np.arange(N_ITEMS)[:, None] % 2 == np.arange(2)
    return Catalogue(titles, titles, np.full(N_ITEMS, 1990), ("Comedy", "Drama"), genres)


@pytest.fixture(scope="module")
def log() -> Interactions:
    """Everybody rates half of the items but the last ones; dramas are good."""
    rng = np.random.default_rng(0)
    users, items = np.nonzero(rng.random((N_USERS, N_ITEMS - UNRATED)) < 0.5)
    ratings = np.clip(3 + 1.5 * (items % 2) - 0.5 * (users % 2) + np.rint(rng.normal(0, 0.7, len(items))), 1, 5)
    return Interactions.from_columns(
        users, items, np.rint(ratings), np.arange(len(users)), n_users=N_USERS, n_items=N_ITEMS, scale=SCALE
    )


@pytest.fixture(scope="module")
def stack(log: Interactions, catalogue: Catalogue) -> StackModel:
    return fit_stack(log, catalogue)


def test_text_tells_of_items_that_nobody_rated(stack: StackModel) -> None:
    expected = stack.predict(np.arange(N_USERS)).mean[:, -UNRATED:].mean(axis=0)
    drama = np.arange(N_ITEMS)[-UNRATED:] % 2 == 1
    assert expected[drama].min() > expected[~drama].max() + 0.8


def test_weights_of_rated_items_do_not_know_of_the_others(stack: StackModel) -> None:
    alone = replace(stack, blend=replace(stack.blend, unrated=None))
    mine, theirs = (one.predict(np.arange(N_USERS)).mean for one in (stack, alone))
    np.testing.assert_array_equal(mine[:, :-UNRATED], theirs[:, :-UNRATED])
    assert not np.allclose(mine[:, -UNRATED:], theirs[:, -UNRATED:])


def test_no_row_is_read_by_rows_of_its_item(log: Interactions, catalogue: Catalogue) -> None:
    ratings = log.ratings.copy()
    item = log.items == 7
    ratings[item] = 6 - ratings[item]
    read, again = (
        evidence_on_unknown_items(one, catalogue, rng=np.random.default_rng(1)).evidence
        for one in (log, replace(log, ratings=ratings))
    )
    np.testing.assert_array_equal(read[item], again[item])
    assert not np.allclose(read, again, equal_nan=True)


def test_weights_are_read_as_they_were_written(stack: StackModel, tmp_path: Path) -> None:
    place = tmp_path / "blend.safetensors"
    assert stack.blend.network is not None
    for blend in (stack.blend, replace(stack.blend, unrated=None, barely_known=None), Blend(stack.blend.usual)):
        blend.save(place)
        found = StackModel(stack.evidence, Blend.load(place)).predict(np.arange(9)).mean
        np.testing.assert_array_equal(found, StackModel(stack.evidence, blend).predict(np.arange(9)).mean)


def test_damaged_weights_are_named(stack: StackModel, tmp_path: Path) -> None:
    place = tmp_path / "blend.safetensors"
    stack.blend.save(place)
    weights = load_file(place)
    for name in ("linear", "unrated.linear", "barely_known.centre", "network.hidden", "network.output"):
        save_file(weights | {name: weights[name][1:]}, place)
        with pytest.raises(ValueError, match="expected shapes"):
            Blend.load(place)
    save_file(weights | {"network.share": np.zeros(2)}, place)
    with pytest.raises(ValueError, match="share of shape"):
        Blend.load(place)


def test_users_of_whom_little_is_known_are_told_by_weights_of_their_own(
    log: Interactions, catalogue: Catalogue
) -> None:
    """Whoever has fewer ratings gets them, and nobody else."""
    few = log.take((log.users > 3) | (log.rank_in_user < np.array([0, 1, 7, 8])[np.minimum(log.users, 3)]))
    stack = fit_stack(few, catalogue)
    alone = replace(stack, blend=replace(stack.blend, barely_known=None))
    mine, theirs = (one.predict(np.arange(N_USERS)).mean[:, :-UNRATED] for one in (stack, alone))
    assert BARELY_KNOWN == 8
    np.testing.assert_array_equal(mine[3:], theirs[3:])
    assert all(not np.allclose(mine[user], theirs[user]) for user in range(3))


def test_no_hidden_row_of_a_barely_known_user_is_read(log: Interactions, catalogue: Catalogue) -> None:
    """Evidence at a hidden row stays if that row's own rating changes; what it says of others' rows does not."""

    def read(one: Interactions) -> ColdRows:
        return evidence_on_barely_known_users(one, catalogue, rng=np.random.default_rng(1))

    found = read(log)
    place = 5
    ratings = log.ratings.copy()
    ratings[found.rows[place]] = 6 - ratings[found.rows[place]]
    again = read(replace(log, ratings=ratings))
    np.testing.assert_array_equal(found.rows, again.rows)
    np.testing.assert_array_equal(found.evidence[place], again.evidence[place])
    assert not np.allclose(found.evidence, again.evidence, equal_nan=True)
    counts = np.expm1(np.nan_to_num(found.evidence[:, EVIDENCE_COLUMNS.index("user count")]))
    assert counts.max() < BARELY_KNOWN - 0.5


def test_networks_find_what_weights_cannot_say() -> None:
    """Where the rating is a product of two columns that no gate multiplies; of pure noise they find none."""
    rng = np.random.default_rng(0)
    evidence = rng.normal(size=(4000, len(EVIDENCE_COLUMNS))).astype(np.float32)
    evidence[:, PEERS] = 0
    users = np.repeat(np.arange(200), 20)
    year, mood = (evidence[:, EVIDENCE_COLUMNS.index(name)] for name in ("year", "item mean"))
    noise = rng.normal(0, 0.3, 4000)
    told = fit_blend(evidence, year * mood + noise, users, np.random.default_rng(1))
    ridge = fit_gated_ridge(evidence, year * mood + noise)
    assert told.share > 0.8
    assert np.std(told(evidence) - year * mood) < 0.5 * np.std(ridge(evidence) - year * mood)
    assert fit_blend(evidence, noise, users, np.random.default_rng(1)).share < 0.1


def test_corrections_that_other_rows_do_not_bear_out_are_not_made() -> None:
    """Ratings of pure noise around the mean of all: it is all that is said."""
    rng = np.random.default_rng(0)
    evidence = rng.normal(size=(300, len(EVIDENCE_COLUMNS))).astype(np.float32)
    evidence[:, EVIDENCE_COLUMNS.index("user mean")] = 0
    cluster, ratings = np.arange(300) // 30, rng.normal(3, 1, 300)
    fit = fit_trusted_ridge(evidence, ratings, cluster % 3, cluster, user_means=True)
    np.testing.assert_allclose(fit(evidence), np.mean(ratings), rtol=1e-5)


def test_trust_is_the_slope_less_its_standard_error() -> None:
    correction = np.array([1.0, -1.0, 1.0, -1.0])
    cluster = np.array([0, 0, 1, 1])
    assert trust(correction, 0.5 * correction, cluster) == pytest.approx(0.5)
    assert trust(correction, np.array([1.0, -1.0, 0.5, -0.5]), cluster) == pytest.approx(0.75 - np.sqrt(0.5) / 4)
    assert trust(correction, 3 * correction, cluster) == 1
    assert trust(correction, -correction, cluster) == trust(0 * correction, correction, cluster) == 0


def test_no_more_items_are_read_as_unknown_than_are_needed(log: Interactions, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nine tenths of the items are known to those that are read; of a small log, that is each in its turn."""
    monkeypatch.setattr(cross_fitting, "_ENOUGH_ROWS", 1500)
    monkeypatch.setattr(cross_fitting, "_ENOUGH_ITEMS", 45)
    small = log.take(log.items < 30)
    read, all_read = (evidence_on_unknown_items(one, None, rng=np.random.default_rng(1)) for one in (log, small))
    assert len(np.unique(read.fold)) == 5
    assert len(np.unique(log.items[read.rows])) in range(45, 65)
    assert len(all_read.rows) == len(small)
