"""What a judge knows: the half that its bundle is trained on, what is on record, and which items nobody rated."""

from collections.abc import Callable
from dataclasses import asdict

import numpy as np
import pytest

from personagym_env.data.splits import temporal_split
from personagym_env.data.tables import Dataset
from personagym_env.evaluation.core.data_overlap import (
    DATA_OVERLAPS,
    DataOverlap,
    Independence,
    deal_rows,
    judge_half,
    unknown_items,
)


def test_the_bundle_learns_the_half_that_judges_know(make_dataset: Callable[..., Dataset]) -> None:
    split = temporal_split(make_dataset(per_user=19).interactions)
    half, words = judge_half(split)
    dealt = deal_rows(split.train, "alternate", np.random.default_rng(1))
    assert half.train.fingerprint() == dealt.of_judge("disjoint").fingerprint()
    assert half.test is split.test
    assert "half that recommenders do not know" in words


@pytest.mark.parametrize("rows", DATA_OVERLAPS)
def test_both_halves_are_on_record(dataset: Dataset, rows: DataOverlap) -> None:
    dealt = deal_rows(temporal_split(dataset.interactions).train, "alternate", np.random.default_rng(0))
    record = dealt.independence(rows, "alternate")
    assert record.judge_fingerprint == dealt.of_judge(rows).fingerprint()
    assert record.recommenders_fingerprint == dealt.recommenders.fingerprint()
    assert (record.recommenders_fingerprint == record.judge_fingerprint) == (rows == "same")
    assert Independence(**asdict(record)) == record
    assert f"{len(dealt.recommenders):,} rows" in str(record)


def test_items_of_either_half_are_known(dataset: Dataset) -> None:
    train = temporal_split(dataset.interactions).train
    users = np.array([3, 0])
    unknown = unknown_items(train)(users)
    assert unknown.shape == (2, train.n_items)
    for user, row in zip(users, unknown, strict=True):
        np.testing.assert_array_equal(np.flatnonzero(~row), np.sort(train.items[train.users == user]))
