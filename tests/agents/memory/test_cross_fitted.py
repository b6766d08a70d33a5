"""Occasions: nothing that is recalled at a training row comes from the row itself or from later rows of its user."""

from dataclasses import replace

import numpy as np
import pytest

from personagym_agents.classical.blend import fit_cross_fitted_blend
from personagym_agents.classical.gated_ridge import fit_gated_ridge
from personagym_agents.classical.rating_evidence import fit_evidence
from personagym_agents.memory import cross_fitted
from personagym_agents.memory.cross_fitted import CrossFittedExamples, draw_cross_fitted_examples
from personagym_agents.memory.evidence import Evidence, Memory
from personagym_env.data.splits import Split
from personagym_env.data.tables import Catalogue, Dataset, Interactions

EXPECTED, BELONGINGS = 0, slice(3, None)
"""Fields of what is expected of a rating, and of what belongs together."""


def draw(log: Interactions, catalogue: Catalogue) -> CrossFittedExamples:
    return draw_cross_fitted_examples(log, catalogue, np.random.default_rng(1))


def test_a_row_is_recalled_without_its_own_rating(
    small_data: Dataset, small_split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two logs that differ in one rating recall that row alike, and the memory of new pairs differently.

    With the same weights of the evidence, that is, which as all weights owe something to all rows.
    """
    blend = fit_cross_fitted_blend(small_split.train, small_data.catalogue)
    monkeypatch.setattr(cross_fitted, "fit_gated_ridge", lambda evidence, ratings: blend.usual)
    logs = []
    for rating in (1.0, 5.0):
        ratings = small_split.train.ratings.copy()
        ratings[5] = rating
        logs.append(replace(small_split.train, ratings=ratings))
    drawn = [draw(log, small_data.catalogue) for log in logs]
    for codes in ([each.own[5] for each in drawn], [each.recalled[5] for each in drawn]):
        np.testing.assert_array_equal(codes[0], codes[1])
    assert (drawn[0].own != drawn[1].own).any(), "the rating counts for other rows"
    low, high = (
        Memory(log, Evidence.fit(log, small_data.catalogue, blend)).recall(log.users[[5]])[..., EXPECTED]
        for log in logs
    )
    assert (low != high).any(), "the whole memory knows the rating"


def test_nothing_is_expected_where_nothing_can_be_known() -> None:
    """Of ratings that are noise the examples know next to nothing, and the memory of those very rows much.

    Not nothing at all: the mean of an item's other folds is low where those of its own fold are high.
    """
    rng = np.random.default_rng(0)
    chosen = np.argwhere(rng.random((60, 50)) < 0.4)
    ratings = rng.integers(1, 6, len(chosen)).astype(float)
    log = Interactions.from_columns(*chosen.T, ratings, None, n_users=60, n_items=50, scale=(1.0, 2.0, 3.0, 4.0, 5.0))
    names = tuple(f"Film {item}" for item in range(50))
    catalogue = Catalogue(names, names, np.zeros(50, np.int64), (), np.zeros((50, 0), np.bool_))
    own = draw(log, catalogue).own[:, EXPECTED].astype(float)
    assert abs(np.corrcoef(own, log.ratings)[0, 1]) < 0.2
    whole = fit_evidence(log, catalogue)
    known = whole.at(log.users, log.items, whole.mood[log.users])
    assert np.corrcoef(fit_gated_ridge(known, log.ratings)(known), log.ratings)[0, 1] > 0.6


def test_belonging_at_a_row_knows_no_later_row_of_the_user(small_data: Dataset, small_split: Split) -> None:
    """Swapping the items of a user's later rows for others changes nothing at the earlier ones."""
    train = small_split.train
    rows = np.arange(train.indptr[2], train.indptr[3])
    early, late = rows[:-4], rows[-4:]
    spare = np.setdiff1d(np.arange(train.n_items), train.items[rows])
    items = train.items.copy()
    items[late] = spare[:4]
    logs = (train, replace(train, items=items))
    before, after = (draw(log, small_data.catalogue) for log in logs)
    np.testing.assert_array_equal(before.own[early][:, BELONGINGS], after.own[early][:, BELONGINGS])
    assert (before.own[:, BELONGINGS] != after.own[:, BELONGINGS]).any(), "others learn from the rows"


def test_unseen_items_are_unseen_and_recalled_with_the_row(small_data: Dataset, small_split: Split) -> None:
    train = small_split.train
    examples = draw(train, small_data.catalogue)
    users = np.broadcast_to(train.users[:, None], examples.unseen.shape)
    assert not train.contains(users.ravel(), examples.unseen.ravel()).any()
    assert examples.recalled.shape == (*examples.unseen.shape, examples.own.shape[1])
    first = train.indptr[:-1]
    assert (examples.own[first][:, BELONGINGS] > 0).any(), "with no earlier row what is popular belongs"


def test_without_memory_only_items_are_drawn(small_data: Dataset, small_split: Split) -> None:
    examples = draw_cross_fitted_examples(
        small_split.train, small_data.catalogue, np.random.default_rng(0), evidence=False
    )
    assert examples.own.shape == (len(small_split.train), 0)
    assert examples.recalled.shape == (*examples.unseen.shape, 0)
