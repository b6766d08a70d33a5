"""The conformance suite of the `Dataset` seam: run it on what your own reader returns.

>>> from personagym_env.conformance.dataset import check_dataset
>>> def test_my_data_conforms() -> None:
...     check_dataset(read_my_data())
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from personagym_env.data.splits import leave_last_n_split, random_split, temporal_split
from personagym_env.data.tables import Catalogue, Dataset, Interactions, Users


def check_dataset(dataset: Dataset) -> None:
    """Check everything that the rest of the library takes for granted about a data set.

    Args:
        dataset: what a reader returned; it is not changed.

    Raises:
        AssertionError: a promise is broken; the message says which, and where.
    """
    assert isinstance(dataset, Dataset), f"expected a Dataset, got {type(dataset).__name__}"
    assert isinstance(dataset.name, str), f"name must be text, got {type(dataset.name).__name__}"
    assert dataset.name, "name must not be empty"
    _check_catalogue(dataset.catalogue)
    _check_users(dataset.users)
    _check_log(dataset.interactions)
    for reason, count in dataset.dropped.items():
        assert isinstance(reason, str), f"dropped must be counted by reason, got the key {reason!r}"
        assert isinstance(count, int), f"dropped[{reason!r}] must be an int, got {count!r}"
        assert count > 0, f"dropped[{reason!r}] must be above 0 or left out, got {count}"
    _check_fingerprint(dataset)
    _check_splits(dataset.interactions)


def _check_texts(texts: Sequence[str], what: str, *, distinct: bool) -> None:
    strange = next((text for text in texts if not isinstance(text, str)), "")
    assert isinstance(strange, str), f"{what} must be text, got {strange!r}"
    assert all(text.strip() for text in texts), f"{what} must not be empty text"
    assert not distinct or len(set(texts)) == len(texts), f"{what} must be distinct"


def _check_catalogue(catalogue: Catalogue) -> None:
    assert len(catalogue), "the catalogue must have items"
    _check_texts(catalogue.ids, "catalogue.ids", distinct=True)
    _check_texts(catalogue.titles, "catalogue.titles", distinct=False)
    _check_texts(catalogue.genre_names, "catalogue.genre_names", distinct=True)
    assert list(catalogue.genre_names) == sorted(catalogue.genre_names), "catalogue.genre_names must be sorted"
    assert catalogue.genres.dtype == np.bool_, f"catalogue.genres must be bool, got {catalogue.genres.dtype}"
    years = catalogue.years
    assert np.issubdtype(years.dtype, np.integer), f"catalogue.years must be integers, got {years.dtype}"
    assert (years >= 0).all(), f"catalogue.years must be 0 where unknown, got {years.min()}"


def _check_users(users: Users) -> None:
    assert len(users), "there must be users"
    _check_texts(users.ids, "users.ids", distinct=True)
    _check_texts(list(users.attributes), "names of users.attributes", distinct=True)
    for name, column in users.attributes.items():
        strange = next((value for value in column if not isinstance(value, str)), "")
        assert isinstance(strange, str), f"users.attributes[{name!r}] must be text, got {strange!r}"


def _check_log(log: Interactions) -> None:
    scale = log.scale
    assert len(scale) >= 2, f"the scale must have at least two ratings, got {scale}"
    assert list(scale) == sorted(set(scale)), f"the scale must ascend, got {scale}"
    assert np.isfinite(scale).all(), f"the scale must be finite, got {scale}"
    assert log.ratings.dtype == np.float32, f"ratings must be float32, got {log.ratings.dtype}"
    for name, column in (("users", log.users), ("items", log.items), ("timestamps", log.timestamps)):
        if column is not None:
            assert column.dtype == np.int64, f"{name} must be int64, got {column.dtype}"
    assert (log.ratings == np.asarray(scale, np.float32)[log.rating_index]).all(), "ratings must lie on the scale"
    empty = np.flatnonzero(log.counts == 0)
    assert not len(empty), f"every user must have a row; user {empty[:1]} has none"
    pairs = np.unique(log.users * log.n_items + log.items)
    assert len(pairs) == len(log), f"a user rates an item once; {len(log) - len(pairs)} rows repeat a pair"
    if log.timestamps is not None:
        backwards = (np.diff(log.timestamps) < 0) & (np.diff(log.users) == 0)
        assert not backwards.any(), f"a user's rows must be in order of time; row {np.argmax(backwards) + 1} is not"


def _check_fingerprint(dataset: Dataset) -> None:
    log = dataset.interactions
    again = dataclasses.replace(dataset, interactions=log.take(np.arange(len(log))))
    assert again.fingerprint() == dataset.fingerprint(), "equal data must have equal fingerprints"
    other = log.scale[(int(log.rating_index[0]) + 1) % len(log.scale)]
    ratings = np.concatenate([np.asarray([other], np.float32), log.ratings[1:]])
    changed = dataclasses.replace(log, ratings=ratings)
    assert changed.fingerprint() != log.fingerprint(), "another rating must change the fingerprint"


def _check_splits(log: Interactions) -> None:
    splits = {
        "temporal_split": temporal_split(log, 0.8),
        "leave_last_n_split": leave_last_n_split(log, 1),
        "random_split": random_split(log, 0.8, rng=np.random.default_rng(0)),
    }
    for name, (train, test) in splits.items():
        assert len(train) + len(test) == len(log), f"{name} must part the log without loss"
        assert not train.contains(test.users, test.items).any(), f"{name} must not leave a row on both sides"
