"""Personas found by what predicts: planted groups are found, and new users join them by their first ratings."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from personagym_agents.personas import prediction as prediction_module
from personagym_agents.personas.clustering import Personas, fit_learned_personas
from personagym_agents.personas.prediction import (
    FoldedRows,
    Round,
    Search,
    TailLoss,
    find_groups,
    fit_corrections,
    search_groups,
)
from personagym_agents.personas.settings import PersonaSettings
from personagym_env.data.tables import Catalogue, Interactions

GENRES = ("Drama", "Action")
USERS, ITEMS = 60, 80


def planted(users: int = USERS, each: int = 40, seed: int = 0) -> tuple[Interactions, Catalogue]:
    """Odd users rate dramas high and action low, even users the other way round."""
    rng = np.random.default_rng(seed)
    drama = np.arange(ITEMS) % 2 == 0
    catalogue = Catalogue(
        ids=tuple(map(str, range(ITEMS))),
        titles=tuple(f"Item {item}" for item in range(ITEMS)),
        years=np.full(ITEMS, 1990),
        genre_names=GENRES,
        genres=np.column_stack([drama, ~drama]),
    )
    items = np.concatenate([rng.choice(ITEMS, each, replace=False) for _ in range(users)])
    owner = np.repeat(np.arange(users), each)
    likes = drama[items] == (owner % 2 == 1)
    ratings = np.clip(np.where(likes, 4.0, 2.0) + rng.integers(-1, 2, len(items)), 1, 5)
    log = Interactions.from_columns(
        owner, items, ratings, np.arange(len(items)), n_users=users, n_items=ITEMS, scale=(1.0, 2.0, 3.0, 4.0, 5.0)
    )
    return log, catalogue


def agrees(groups: np.ndarray) -> bool:
    parity = np.arange(len(groups)) % 2
    return bool((groups == groups[0]).sum() in (0, (parity == 0).sum()) and len(np.unique(groups[parity == 0])) == 1)


def test_planted_groups_are_found_and_their_number_is_chosen_on_the_inner_tail() -> None:
    log, catalogue = planted()
    groups, prediction = find_groups(log, catalogue, np.random.default_rng(0), among=(1, 2), starts=3)
    assert [row.n_personas for row in prediction.criterion] == [1, 2]
    assert prediction.criterion[1].loss < prediction.criterion[0].loss - 0.3
    assert agrees(groups)
    assert len(prediction.searches) == 3
    for rounds in prediction.searches:
        assert rounds[-1].moved == 0 or len(rounds) > 10
        assert rounds[-1].loss <= rounds[0].loss + 1e-9


def test_one_group_is_chosen_only_where_it_may_be() -> None:
    """One correction for all predicts noise best, which the criterion tells either way."""
    log, catalogue = planted()
    noise = replace(log, ratings=np.random.default_rng(1).permutation(log.ratings))
    for least, most, wanted in ((1, 4, 1), (2, 4, None), (12, 12, 12)):
        groups, prediction = find_groups(noise, catalogue, np.random.default_rng(0), among=(least, most), starts=2)
        losses = {row.n_personas: row.loss for row in prediction.criterion}
        assert min(losses, key=losses.__getitem__) == 1
        best = min(losses[n] for n in (2, 3, 4))
        assert len(prediction.corrections) == (wanted or next(n for n in (2, 3, 4) if losses[n] <= 1.001 * best))
        assert groups.max() < len(prediction.corrections)
    few = log.take(log.users < 3)
    _, prediction = find_groups(few, catalogue, np.random.default_rng(0), among=(6, 12), starts=2)
    assert len(prediction.corrections) == 3


def test_new_users_join_by_the_likelihood_of_their_first_ratings() -> None:
    log, catalogue = planted()
    groups, prediction = find_groups(log, catalogue, np.random.default_rng(0), count=2)
    few, _ = planted(users=20, each=6, seed=1)
    joined = prediction.assign(few, log, catalogue)
    assert (joined == groups[np.arange(20) % 2]).mean() > 0.9


def test_corrections_of_a_fold_do_not_know_it() -> None:
    rng = np.random.default_rng(0)
    columns, residual = rng.normal(size=(40, 2)), rng.normal(size=40)
    users, fold = np.arange(40) % 4, np.arange(40) % 5
    groups = np.zeros(4, np.int64)
    items = np.arange(40)
    before = fit_corrections(FoldedRows(users, items, columns, residual, fold, 4), groups, 1)
    changed = np.where(fold == 2, 100.0, residual)
    after = fit_corrections(FoldedRows(users, items, columns, changed, fold, 4), groups, 1)
    np.testing.assert_allclose(after[2], before[2])
    assert not np.allclose(after[1], before[1])


def test_losses_are_those_of_the_rows() -> None:
    rng = np.random.default_rng(0)
    of_items, items, residual = rng.normal(size=(8, 3)), rng.integers(0, 8, 30), rng.normal(size=30)
    users, fold, columns = rng.integers(0, 3, 30), rng.integers(0, 2, 30), of_items[items]
    rows = FoldedRows(users, items, of_items, residual, fold, 3)
    corrections = rng.normal(size=(2, 2, 3))
    by_hand = np.zeros((3, 2))
    for user, part, row, value in zip(users, fold, columns, residual, strict=True):
        by_hand[user] += (value - corrections[part] @ row) ** 2
    np.testing.assert_allclose(rows.losses(corrections), by_hand)
    assert search_groups(rows, 1, rng).rounds[-1].moved == 0, "with one group nobody can move"


def test_moments_are_those_of_the_rows() -> None:
    rng = np.random.default_rng(1)
    of_items, items, residual = rng.normal(size=(8, 3)), rng.integers(0, 8, 60), rng.normal(size=60)
    users, fold, groups = rng.integers(0, 4, 60), rng.integers(0, 2, 60), np.array([0, 1, 1, 0])
    gram, moment = FoldedRows(users, items, of_items, residual, fold, 4).moments(groups, 2)
    for part in range(2):
        for group in range(2):
            there = (fold == part) & (groups[users] == group)
            columns = of_items[items[there]]
            np.testing.assert_allclose(gram[part, group], columns.T @ columns)
            np.testing.assert_allclose(moment[part, group], columns.T @ residual[there])
    one = FoldedRows(users, items, of_items, residual, fold, 4)
    single, errors = one.single
    with_themselves = one.whole().losses(single[None])
    np.testing.assert_allclose(errors, with_themselves.diagonal())
    assert (errors <= one.whole().losses(one.common[None, None])[:, 0]).all()


def test_memory_does_not_grow_with_users_times_pairs_of_genres(monkeypatch: pytest.MonkeyPatch) -> None:
    """A matrix of each user and fold would take 30 MiB here."""
    monkeypatch.setattr("personagym_agents.personas.prediction._BLOCK", 1 << 16)
    rng, n, width, users = np.random.default_rng(0), 2000, 80, 120
    rows = FoldedRows(
        np.arange(n) % users,
        rng.integers(0, 300, n),
        rng.normal(size=(300, width)),
        rng.normal(size=n),
        rng.integers(0, 5, n),
        users,
    )
    tracemalloc.start()
    search = search_groups(rows, 3, rng)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(np.unique(search.groups)) > 1
    assert peak < 6 * 2**20


def test_the_table_prints_the_choice_beside_one_for_all() -> None:
    log, catalogue = planted()
    settings = PersonaSettings(features="prediction", seeds=2, most=3)
    personas = fit_learned_personas(log, catalogue, settings, rng=np.random.default_rng(0))
    told = [line.split() for line in personas.table().splitlines()]
    assert [line[0] for line in told[1:4]] == ["1", "2", "3"]
    assert [line[0] for line in told if line[-1] == "chosen"] == [str(len(personas))]


def test_the_choice_is_marked_where_a_group_was_left_by_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the three groups that predict best the last has no user: two are left, and three are marked all the same."""
    log, catalogue = planted()
    parity = np.arange(USERS) % 2
    monkeypatch.setattr(prediction_module, "search_groups", lambda *_: Search(parity, (Round(0.5, 0),)))
    losses = [TailLoss(count, loss) for count, loss in ((1, 1.0), (2, 0.9), (3, 0.5))]
    monkeypatch.setattr(prediction_module, "_tail_losses", lambda *_: iter(losses))
    settings = PersonaSettings(features="prediction", seeds=2, most=3)
    personas = fit_learned_personas(log, catalogue, settings, rng=np.random.default_rng(0))
    assert len(personas) == 2
    back = Personas.from_json(personas.to_json())
    for told in (personas.table(), back.table()):
        assert [line.split()[0] for line in told.splitlines() if "chosen" in line] == ["3"]
        assert "<- chosen, of which all users left 1" in told


def test_learned_personas_have_names_and_survive_the_file() -> None:
    log, catalogue = planted()
    settings = PersonaSettings(features="prediction", n_personas=2, seeds=2)
    personas = fit_learned_personas(log, catalogue, settings, rng=np.random.default_rng(0))
    assert personas.features == "prediction"
    assert agrees(personas.assignment)
    assert len(set(personas.names)) == 2
    assert "cross-fitted" in personas.table()
    back = Personas.from_json(personas.to_json())
    assert back.prediction is not None
    assert personas.prediction is not None
    assert back.prediction.searches == personas.prediction.searches
    np.testing.assert_array_equal(back.assignment, personas.assignment)
    np.testing.assert_array_equal(
        back.prediction.assign(log, log, catalogue), personas.prediction.assign(log, log, catalogue)
    )
    with pytest.raises(ValueError, match="61 personas need as many different users, got 60"):
        find_groups(log, catalogue, np.random.default_rng(0), count=61)
